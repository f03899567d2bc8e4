import type { Context } from "./context.js";
import type { Routine } from "./routine.js";

/** T3412 extended: units of the top three bits in seconds (3GPP TS 24.008 table 10.5.163a), from small to large. */
const PERIODIC_UNITS: readonly (readonly [bits: number, seconds: number])[] = [
  [3, 2],
  [4, 30],
  [5, 60],
  [0, 600],
  [1, 3600],
  [2, 36000],
  [6, 1152000],
];

/** T3324: likewise (3GPP TS 24.008 table 10.5.172). */
const ACTIVE_UNITS: readonly (readonly [bits: number, seconds: number])[] = [
  [0, 2],
  [1, 60],
  [2, 360],
];

/** eDRX cycles (3GPP TS 24.008 table 10.5.5.32) in units of 5.12 s, with their four bits. */
const EDRX_CYCLES: readonly (readonly [cycles: number, bits: number])[] = [
  [1, 0],
  [2, 1],
  [4, 2],
  [8, 3],
  [12, 4],
  [16, 5],
  [20, 6],
  [24, 7],
  [28, 8],
  [32, 9],
  [64, 10],
  [128, 11],
  [256, 12],
  [512, 13],
  [1024, 14],
  [2048, 15],
];

function binary(value: number, digits: number): string {
  let text = "";
  for (let bit = digits - 1; bit >= 0; bit--) text += (value >> bit) & 1;
  return text;
}

function encodeTimer(seconds: number, units: readonly (readonly [number, number])[]): string {
  for (const [bits, unit] of units) {
    const value = Math.ceil(seconds / unit);
    if (value <= 31) return binary((bits << 5) | value, 8);
  }
  return binary((units[units.length - 1][0] << 5) | 31, 8);
}

function decodeTimer(text: string, units: readonly (readonly [number, number])[]): number | undefined {
  const value = Number.parseInt(text, 2);
  if (text.length !== 8 || Number.isNaN(value)) return undefined;
  for (const [bits, unit] of units) if (bits === value >> 5) return unit * (value & 31);
  return undefined;
}

/** Eight bits for the requested periodic TAU: never shorter than asked, up to 413 days. */
export function encodePeriodicUpdate(seconds: number): string {
  return encodeTimer(seconds, PERIODIC_UNITS);
}

/** Seconds, `undefined` when deactivated (111…) or malformed. */
export function decodePeriodicUpdate(text: string): number | undefined {
  return decodeTimer(text, PERIODIC_UNITS);
}

/** Eight bits for the requested active time: never shorter than asked, up to 186 minutes. */
export function encodeActiveTime(seconds: number): string {
  return encodeTimer(seconds, ACTIVE_UNITS);
}

/** Seconds, `undefined` when deactivated (111…) or malformed. */
export function decodeActiveTime(text: string): number | undefined {
  return decodeTimer(text, ACTIVE_UNITS);
}

/** Four bits for the shortest cycle that is not under `seconds`. */
export function encodeEdrxCycle(seconds: number): string {
  for (const [cycles, bits] of EDRX_CYCLES) if (cycles * 5.12 >= seconds) return binary(bits, 4);
  return "1111";
}

/**
 * Asks for PSM, eDRX and UART sleep as configured, and for none of them otherwise: an operator profile may have
 * switched them on by itself.
 * @returns whether PSM was changed, which takes a reboot
 */
export function* savePower(modem: Context): Routine<boolean> {
  yield* saveEdrx(modem);
  yield modem.command(modem.config.uartSleep ? "+UPSV=4" : "+UPSV=0");
  return yield* savePsm(modem);
}

function* savePsm(modem: Context): Routine<boolean> {
  const wanted = modem.config.powerSaving;
  const periodic = wanted === undefined ? "" : encodePeriodicUpdate(wanted.periodicUpdate);
  const active = wanted === undefined ? "" : encodeActiveTime(wanted.activeTime);
  let right: boolean | undefined;
  yield modem.command("+CPSMS?", {
    prefix: "+CPSMS:",
    onLine: (line) => {
      const mode = line.int();
      line.string();
      line.string();
      right =
        wanted === undefined
          ? mode === 0
          : mode === 1 && line.string() === periodic && line.string() === active;
      return true;
    },
  });
  // No answer to the query: a module or profile without PSM.
  if (right !== false || !modem.mayAttempt("power saving")) return false;
  const setting =
    wanted === undefined
      ? modem.command("+CPSMS=0")
      : modem.command("+CPSMS=1,,,", {
          write: (writer) => writer.string(periodic).text(",").string(active),
        });
  yield setting;
  return setting.ok;
}

function* saveEdrx(modem: Context): Routine<void> {
  const wanted = modem.config.edrx;
  if (wanted !== undefined) {
    const technology = wanted.rat === "lte-m" ? 4 : 5;
    yield modem.command(`+CEDRXS=1,${technology},`, {
      write: (writer) => writer.string(encodeEdrxCycle(wanted.cycle)),
    });
    return;
  }
  // Off is an empty answer or one without a cycle; only what is on needs switching off.
  let on = false;
  yield modem.command("+CEDRXS?", {
    prefix: "+CEDRXS:",
    optional: true,
    onLine: (line) => {
      const technology = line.int();
      on ||= technology !== undefined && technology !== 0 && line.quoted && line.string() !== "0000";
      return true;
    },
  });
  if (on) yield modem.command("+CEDRXS=0");
}

/** PSM as the network has granted it. */
export interface GrantedPowerSaving {
  /** Seconds between two periodic updates. */
  periodicUpdate: number | undefined;
  /** Seconds that the modem stays reachable after its last word. */
  activeTime: number | undefined;
}

/** Reads +UCPSMS? → `<mode>,…,"T3412","T3324"`: what was asked for is not what counts. */
export function* readGranted(modem: Context, granted: GrantedPowerSaving): Routine<void> {
  granted.periodicUpdate = undefined;
  granted.activeTime = undefined;
  if (modem.config.powerSaving === undefined) return;
  yield modem.command("+UCPSMS?", {
    prefix: "+UCPSMS:",
    onLine: (line) => {
      if (line.int() === 1) {
        line.string();
        line.string();
        granted.periodicUpdate = decodePeriodicUpdate(line.string() ?? "");
        granted.activeTime = decodeActiveTime(line.string() ?? "");
      }
      return true;
    },
  });
}
