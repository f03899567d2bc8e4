import { integer, text } from "../command-line.js";
import type { ModemCore } from "../core.js";
import { INCORRECT_PARAMETERS } from "../errors.js";
import { activeBits } from "../timers3gpp.js";
import { type Handler, Later } from "./commands.js";
import { grantedPeriodic } from "./network.js";

function isBits(value: string | undefined, length: number): boolean {
  return value !== undefined && value.length === length && /^[01]+$/.test(value);
}

const powerSaving: Handler = (modem, call, lines) => {
  const { psm } = modem.stored;
  if (call.form === "read") {
    lines.push(`+CPSMS: ${psm.on ? 1 : 0},,,"${psm.periodicUpdate}","${psm.activeTime}"`);
    return undefined;
  }
  if (call.form === "test") {
    lines.push('+CPSMS: (0-2),,,("00000000"-"11111111"),("00000000"-"11111111")');
    return undefined;
  }
  const mode = integer(call, 0) ?? 0;
  if (!(mode <= 2)) return INCORRECT_PARAMETERS;
  const periodicUpdate = text(call, 3) ?? psm.periodicUpdate;
  const activeTime = text(call, 4) ?? psm.activeTime;
  if (!isBits(periodicUpdate, 8) || !isBits(activeTime, 8)) return INCORRECT_PARAMETERS;
  modem.stored.psm = { on: mode === 1, periodicUpdate, activeTime };
  return undefined;
};

/** What the network has granted. */
const grantedPowerSaving: Handler = (modem, call, lines) => {
  if (call.form !== "read") return undefined;
  if (modem.psmActive)
    lines.push(`+UCPSMS: 1,,,"${grantedPeriodic(modem)}","${activeBits(modem.grantedActiveTime)}"`);
  else lines.push('+UCPSMS: 0,,,"00000000","00000000"');
  return undefined;
};

const discontinuousReception: Handler = (modem, call, lines) => {
  const { edrx } = modem.stored;
  if (call.form === "read") {
    if (edrx.size === 0) lines.push("+CEDRXS:");
    for (const [technology, cycle] of edrx) lines.push(`+CEDRXS: ${technology},"${cycle}"`);
    return undefined;
  }
  if (call.form === "test") {
    lines.push('+CEDRXS: (0-3),(4,5),("0000"-"1111")');
    return undefined;
  }
  const mode = integer(call, 0) ?? 0;
  const technology = integer(call, 1);
  const cycle = text(call, 2);
  if (!(mode <= 3)) return INCORRECT_PARAMETERS;
  if (mode === 0 || mode === 3) {
    if (technology === undefined) edrx.clear();
    else edrx.delete(technology);
  } else if ((technology === 4 || technology === 5) && (cycle === undefined || isBits(cycle, 4)))
    // Without a cycle the stored one stays: a driver that only wants the reports.
    edrx.set(technology, cycle ?? edrx.get(technology) ?? "0010");
  else return INCORRECT_PARAMETERS;
  return undefined;
};

const uartPowerSaving: Handler = (modem, call, lines) => {
  if (call.form === "read") lines.push(`+UPSV: ${modem.uartSleep}`);
  else if (call.form === "test") lines.push("+UPSV: (0,4)");
  else {
    const mode = integer(call, 0);
    if (mode !== 0 && mode !== 4) return INCORRECT_PARAMETERS;
    modem.uartSleep = mode;
    modem.stored.uartSleep = mode;
  }
  return undefined;
};

function psmReports(modem: ModemCore, value: number): void {
  modem.volatile.psmReports = value === 1;
}

/** Power commands (AT manual, "Power saving", +CPWROFF). */
export const POWER: Readonly<Record<string, Handler>> = {
  "+CEDRXRDP": (modem, call, lines) => {
    if (call.form !== "execute") return undefined;
    const [technology, cycle] = modem.stored.edrx.entries().next().value ?? [0, ""];
    lines.push(technology === 0 ? "+CEDRXRDP: 0" : `+CEDRXRDP: ${technology},"${cycle}","${cycle}","0011"`);
    return undefined;
  },
  "+CEDRXS": discontinuousReception,
  "+CPSMS": powerSaving,
  "+CPWROFF": (modem, call) => {
    if (call.form !== "execute") return call.form === "test" ? undefined : INCORRECT_PARAMETERS;
    return new Later(modem.settings.powerOff, () => {
      modem.later(2 * modem.settings.latency, () => modem.shutDown());
      return undefined;
    });
  },
  "+UCPSMS": grantedPowerSaving,
  "+UPSMR": (modem, call, lines) => {
    if (call.form === "read") lines.push(`+UPSMR: ${modem.volatile.psmReports ? 1 : 0}`);
    else if (call.form === "set") psmReports(modem, integer(call, 0) ?? 0);
    return undefined;
  },
  "+UPSV": uartPowerSaving,
};
