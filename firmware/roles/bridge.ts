import type { Hal } from "../../hal/hal.js";
import { fromHex, toHex } from "../bytes/hex.js";
import { Refusal } from "../bytes/refusal.js";
import type { Terminal } from "../console/terminal.js";

/** A bridge whose user has not said anything for this long ends, ms. */
const IDLE = 60_000;
const NOBODY = new Uint8Array(6);

/**
 * Carries AD structures between the console and the air, so that a provisioner on a computer has this board's radio:
 *
 *     adv on                        → ok; from then on each structure heard is an event `adv RSSI HEX`
 *     adv send COUNT INTERVAL HEX   → ok, or `no full` when the radio has no room now
 *     adv off
 *
 * The board's own role hears what is sent for the computer, and the computer what the role sends, as they hear others.
 */
export function addBridge(terminal: Terminal, { clock, bearer }: Hal): void {
  type Receive = NonNullable<typeof bearer.onReceive>;
  let own: Receive | undefined;
  let lastUse = 0;
  const { send } = bearer;
  const transmit: typeof send = (data, count, interval) => send.call(bearer, data, count, interval);

  const tap: Receive = (data, address, rssi) => {
    own?.(data, address, rssi);
    if (clock.now() - lastUse > IDLE) off();
    else terminal.event(`adv ${rssi} ${toHex(data)}`);
  };
  const off = () => {
    if (bearer.onReceive === tap) bearer.onReceive = own;
    bearer.send = transmit;
    own = undefined;
  };
  terminal.framed("adv", (rest) => {
    const [verb, count, interval, hex] = rest.split(" ");
    lastUse = clock.now();
    switch (verb) {
      case "on":
        if (bearer.onReceive !== tap) {
          own = bearer.onReceive;
          bearer.onReceive = tap;
          bearer.send = (data, count, interval) => {
            const taken = transmit(data, count, interval);
            if (taken) terminal.event(`adv 0 ${toHex(data)}`);
            return taken;
          };
        }
        return "";
      case "off":
        off();
        return "";
      case "send": {
        const data = fromHex(hex ?? "");
        if (data instanceof Refusal) return data;
        const times = Number(count);
        const gap = Number(interval);
        const fits = data.length >= 2 && data.length <= 31 && data[0] === data.length - 1;
        if (!fits || !(times >= 1 && times <= 10) || !(gap >= 0 && gap <= 1000)) return new Refusal("adv");
        if (!transmit(data, times, gap)) return new Refusal("full");
        if (bearer.onReceive === tap) own?.(data, NOBODY, 0);
        return "";
      }
      default:
        return new Refusal("adv");
    }
  });
}
