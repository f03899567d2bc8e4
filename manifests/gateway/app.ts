import config from "mc/config";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeUtf8, encodeUtf8 } from "../../firmware/bytes/utf8.js";
import { GatewayRole } from "../../firmware/roles/gateway.js";
import type { KeyValueStore, ModemPort } from "../../hal/hal.js";
import { InputLine, OutputLine } from "../../hal/nrf52/chip.js";
import { wiring } from "../../hal/nrf52/config.js";
import { BoardSerial } from "../../hal/nrf52/serial.js";
import { startDevice } from "../shared/device.js";

interface Uplink {
  readonly apn: string;
  readonly server: { readonly host: string; readonly port: number };
}

/** The storage key of what `uplink` on the console said. */
const UPLINK_KEY = "uplink";

/** @param text "host port apn" */
function parseUplink(text: string): Uplink | undefined {
  const [host, port, apn] = text.split(" ");
  const number = Number(port);
  if (!host || !apn || !Number.isInteger(number) || number < 1 || number > 65535) return undefined;
  return { apn, server: { host, port: number } };
}

/** Where datagrams go to: what the console was told, else `config.uplink` of the manifest. */
function uplink(storage: KeyValueStore): Uplink {
  const stored = storage.get(UPLINK_KEY);
  const text = stored === undefined ? undefined : decodeUtf8(stored);
  const said = text === undefined || text instanceof Refusal ? undefined : parseUplink(text);
  return said ?? (config.uplink as Uplink);
}

/** PWR_ON and RESET_N have pull-ups in the modem: they are pulled low or let go. */
function modemPort(): ModemPort {
  const { port, transmit, receive, rts, cts, powerOn, reset, vInt } = wiring().modem;
  return {
    serial: new BoardSerial({
      port,
      baud: 115200,
      transmit,
      receive,
      ...(rts !== undefined && { rts }),
      ...(cts !== undefined && { cts }),
    }),
    ...(powerOn !== undefined && { powerOn: new OutputLine(powerOn, true, true) }),
    ...(reset !== undefined && { reset: new OutputLine(reset, true, true) }),
    ...(vInt !== undefined && { vInt: new InputLine(vInt) }),
  };
}

export function start(): void {
  startDevice({
    kind: "gateway",
    listen: true,
    run: ({ hal, identity, log, command }) => {
      const { apn, server } = uplink(hal.storage);
      const role = new GatewayRole({ ...hal, modem: modemPort() }, identity, { modem: { apn, server } });
      command("uplink", (rest) => {
        if (parseUplink(rest) === undefined) return "refused: uplink HOST PORT APN";
        hal.storage.set(UPLINK_KEY, encodeUtf8(rest));
        return "stored; takes effect with the next start";
      });
      log(`uplink ${server.host}:${server.port}, APN ${apn}`);
      role.start();
    },
  });
}
