import config from "mc/config";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { GatewayRole } from "../../firmware/roles/gateway.js";
import { parseUplink, saveIdentity, type UplinkIdentity } from "../../firmware/roles/identity.js";
import type { ModemPort } from "../../hal/hal.js";
import { InputLine, OutputLine } from "../../hal/nrf52/chip.js";
import { wiring } from "../../hal/nrf52/config.js";
import { BoardSerial } from "../../hal/nrf52/serial.js";
import { startDevice } from "../shared/device.js";

/**
 * What is kept without coverage: as much as the heap bears beside a hundred nodes. What is dropped for want of room its
 * node sends again.
 */
const QUEUE = { capacity: 64, bytes: 6144 };

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
    makeRole: ({ hal, identity, terminal }) => {
      const { apn, host, port } = identity.uplink ?? (config.uplink as UplinkIdentity);
      terminal.command("uplink", (rest) => {
        const uplink = parseUplink(rest);
        if (uplink === undefined) return new Refusal("uplink", "HOST PORT APN");
        saveIdentity(hal.storage, { ...identity, uplink });
        return "stored; takes effect with the next start";
      });
      terminal.log(`uplink ${host}:${port}, APN ${apn}`);
      return new GatewayRole({ ...hal, modem: modemPort() }, identity, {
        modem: { apn, server: { host, port } },
        queue: QUEUE,
      });
    },
  });
}
