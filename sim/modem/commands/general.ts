import { integer, text } from "../command-line.js";
import type { ModemCore } from "../core.js";
import { INCORRECT_PARAMETERS, NOT_ALLOWED } from "../errors.js";
import { type Handler, Later } from "./commands.js";

/** Speeds that +IPR takes. */
const SPEEDS = [9600, 19200, 38400, 57600, 115200, 230400, 460800];

/** Numbers of the GPIO pins (AT manual, "GPIO"). */
const GPIO = [16, 19, 23, 24, 25, 42];

/** A bare line, whatever the form of a query. */
function identity(value: (modem: ModemCore) => string): Handler {
  return (modem, call, lines) => {
    if (call.form === "execute") lines.push(value(modem));
    else if (call.form !== "test") return NOT_ALLOWED;
    return undefined;
  };
}

/**
 * A number that is kept, given back and otherwise without effect here.
 * @param range what the test form says and set form takes
 */
export function parameter(name: string, initial: string, range: readonly [number, number]): Handler {
  return (modem, call, lines) => {
    const kept = modem.volatile.parameters;
    switch (call.form) {
      case "read":
        lines.push(`${name}: ${kept.get(name) ?? initial}`);
        return undefined;
      case "test":
        lines.push(`${name}: (${range[0]}-${range[1]})`);
        return undefined;
      default: {
        const first = integer(call, 0);
        if (first === undefined) return call.form === "execute" ? undefined : INCORRECT_PARAMETERS;
        if (!(first >= range[0] && first <= range[1])) return INCORRECT_PARAMETERS;
        kept.set(
          name,
          call.arguments.map(({ text: value, quoted }) => (quoted ? `"${value}"` : value)).join(","),
        );
        return undefined;
      }
    }
  };
}

const serialNumber: Handler = (modem, call, lines) => {
  if (call.form === "test") lines.push("+CGSN: (0-3,255)");
  else {
    const kind = integer(call, 0);
    if (kind === undefined || kind === 0 || kind === 255) lines.push(modem.settings.imei);
    else if (kind === 1) lines.push(`+CGSN: "${modem.settings.imei}"`);
    else if (kind === 2) lines.push(`+CGSN: "${modem.settings.imei.slice(0, 14)}00"`);
    else if (kind === 3) lines.push('+CGSN: "00"');
    else return INCORRECT_PARAMETERS;
  }
  return undefined;
};

const speed: Handler = (modem, call, lines) => {
  if (call.form === "read") lines.push(`+IPR: ${modem.baud}`);
  else if (call.form === "test") lines.push(`+IPR: (),(${SPEEDS.join(",")})`);
  else {
    const baud = integer(call, 0);
    if (baud === undefined || !SPEEDS.includes(baud)) return INCORRECT_PARAMETERS;
    // The answer still goes out at the old speed.
    modem.later(2 * modem.settings.latency, () => {
      modem.baud = baud;
    });
  }
  return undefined;
};

const clock: Handler = (modem, call, lines) => {
  // Virtual time begins on 1 January 2026; the network's time zone is UTC.
  if (call.form === "read") {
    const now = new Date(Date.UTC(2026, 0, 1) + modem.clock.now());
    const iso = now.toISOString();
    lines.push(`+CCLK: "${iso.slice(2, 10).replaceAll("-", "/")},${iso.slice(11, 19)}+00"`);
  } else if (call.form === "set" && text(call, 0) === undefined) return INCORRECT_PARAMETERS;
  return undefined;
};

const errorReports: Handler = (modem, call, lines) => {
  if (call.form === "read") lines.push(`+CMEE: ${modem.volatile.errors}`);
  else if (call.form === "test") lines.push("+CMEE: (0-2)");
  else {
    const level = integer(call, 0) ?? 0;
    if (!(level <= 2)) return INCORRECT_PARAMETERS;
    modem.volatile.errors = level;
  }
  return undefined;
};

/** +UDCONF=1: hex mode. */
const configuration: Handler = (modem, call, lines) => {
  const operation = integer(call, 0);
  const value = integer(call, 1);
  if (call.form !== "set" || operation === undefined) return INCORRECT_PARAMETERS;
  if (operation !== 1) return value === undefined ? INCORRECT_PARAMETERS : undefined;
  if (value === undefined) lines.push(`+UDCONF: 1,${modem.volatile.hex ? 1 : 0}`);
  else if (value === 0 || value === 1) modem.volatile.hex = value === 1;
  else return INCORRECT_PARAMETERS;
  return undefined;
};

const information: Handler = (modem, call, lines) => {
  if (call.number === 9) lines.push(modem.firmware.application);
  else if (call.number === 0)
    lines.push(
      "Manufacturer: u-blox",
      `Model: ${modem.firmware.model}`,
      `Revision: ${modem.firmware.revision}`,
      `IMEI: ${modem.settings.imei}`,
    );
  else lines.push(modem.firmware.model);
  return undefined;
};

/** Back to what a start gives, without the stored settings. */
const reset: Handler = (modem) => {
  modem.terminal.echo = true;
  modem.terminal.verbose = true;
  modem.terminal.quiet = false;
  modem.volatile.errors = 0;
  return undefined;
};

const profile: Handler = (modem, _call, lines) => {
  lines.push(
    "ACTIVE PROFILE:",
    `&C1, &D1, &S1, &K3, E${modem.terminal.echo ? 1 : 0}, Q0, V${modem.terminal.verbose ? 1 : 0}, X4, S00:000, S03:013, S04:010, S05:008, S07:060, +CMEE:${modem.volatile.errors}, +IPR:${modem.baud}`,
  );
  return undefined;
};

const nothing: Handler = () => undefined;

/** Restores everything: +UFACTORY. It takes effect with the next start. */
const factory: Handler = (modem, call) => {
  if (call.form !== "set") return INCORRECT_PARAMETERS;
  modem.stored.profile = 0;
  modem.stored.psm = { on: false, periodicUpdate: "01100000", activeTime: "00000000" };
  modem.stored.edrx.clear();
  modem.stored.contexts.clear();
  modem.stored.contexts.set(1, { type: "IP", apn: "" });
  return new Later(200);
};

/** V.250 and general commands (AT manual, "General operation", "Serial interface control"). */
export const GENERAL: Readonly<Record<string, Handler>> = {
  A: () => NOT_ALLOWED,
  D: () => NOT_ALLOWED,
  H: nothing,
  E: (modem, call) => {
    if (call.number > 1) return INCORRECT_PARAMETERS;
    modem.terminal.echo = call.number === 1;
    return undefined;
  },
  V: (modem, call) => {
    if (call.number > 1) return INCORRECT_PARAMETERS;
    modem.terminal.verbose = call.number === 1;
    return undefined;
  },
  Q: (modem, call) => {
    if (call.number > 1) return INCORRECT_PARAMETERS;
    modem.terminal.quiet = call.number === 1;
    return undefined;
  },
  I: information,
  L: nothing,
  M: nothing,
  O: nothing,
  P: nothing,
  S: (_modem, call, lines) => {
    if (call.form === "read") lines.push(["000", "000", "043", "013", "010", "008"][call.number] ?? "000");
    return undefined;
  },
  T: nothing,
  X: nothing,
  Z: reset,
  "&C": nothing,
  "&D": nothing,
  "&F": reset,
  "&K": nothing,
  "&S": nothing,
  "&V": profile,
  "&W": (modem) => {
    modem.stored.baud = modem.baud;
    return undefined;
  },
  "&Y": nothing,
  "+CCLK": clock,
  "+CGMI": identity(() => "u-blox"),
  "+CGMM": identity((modem) => modem.firmware.model),
  "+CGMR": identity((modem) => modem.firmware.revision),
  "+CGSN": serialNumber,
  "+CIND": (modem, call, lines) => {
    if (call.form === "read") {
      const bars = modem.cellular.registered
        ? Math.max(0, Math.min(5, Math.round((modem.cellular.rsrp + 120) / 8)))
        : 0;
      lines.push(`+CIND: 5,${bars},${modem.cellular.registered ? 1 : 0},0,0,0,0,0,0,0,0,0`);
    }
    return undefined;
  },
  "+CMEE": errorReports,
  "+CPAS": (_modem, call, lines) => {
    if (call.form === "execute") lines.push("+CPAS: 0");
    return undefined;
  },
  "+CSCS": (modem, call, lines) => {
    if (call.form === "read") lines.push(`+CSCS: "${modem.volatile.parameters.get("+CSCS") ?? "IRA"}"`);
    else if (call.form === "test") lines.push('+CSCS: ("IRA","GSM","UCS2")');
    else modem.volatile.parameters.set("+CSCS", text(call, 0) ?? "IRA");
    return undefined;
  },
  "+CSGT": (modem, call, lines) => {
    const { greeting } = modem.stored;
    if (call.form === "read") lines.push(greeting === undefined ? "+CSGT: ,0" : `+CSGT: "${greeting}",1`);
    else if (call.form === "set")
      modem.stored.greeting = integer(call, 0) === 1 ? (text(call, 1) ?? greeting) : undefined;
    return undefined;
  },
  "+CTZR": parameter("+CTZR", "0", [0, 3]),
  "+CTZU": parameter("+CTZU", "1", [0, 1]),
  "+CMER": parameter("+CMER", "0,0,0,0,0", [0, 3]),
  "+CMGF": parameter("+CMGF", "0", [0, 1]),
  "+CNMI": parameter("+CNMI", "0,0,0,0,0", [0, 3]),
  "+GCAP": (_modem, _call, lines) => {
    lines.push("+GCAP: +FCLASS, +CGSM");
    return undefined;
  },
  "+GMI": identity(() => "u-blox"),
  "+GMM": identity((modem) => modem.firmware.model),
  "+GMR": identity((modem) => modem.firmware.revision),
  "+GSN": identity((modem) => modem.settings.imei),
  "+ICF": parameter("+ICF", "3,1", [0, 6]),
  "+IFC": parameter("+IFC", "2,2", [0, 2]),
  "+IPR": speed,
  "+UDCONF": configuration,
  "+UFACTORY": factory,
  "+UGPIOC": (_modem, call, lines) => {
    // All six pins are pads that nothing is connected to.
    if (call.form === "read") lines.push("+UGPIOC:", ...GPIO.map((pin) => `${pin},255`));
    return call.form === "set" && integer(call, 0) === undefined ? INCORRECT_PARAMETERS : undefined;
  },
  "+UGPIOR": (_modem, call, lines) => {
    const pin = integer(call, 0);
    if (pin === undefined || Number.isNaN(pin)) return INCORRECT_PARAMETERS;
    lines.push(`+UGPIOR: ${pin},0`);
    return undefined;
  },
  "+UGPIOW": (_modem, call) => (integer(call, 0) === undefined ? INCORRECT_PARAMETERS : undefined),
  "+UGPRF": parameter("+UGPRF", "0", [0, 127]),
  "+ULSTFILE": (_modem, call, lines) => {
    const operation = integer(call, 0) ?? 0;
    if (operation === 0) lines.push("+ULSTFILE: ");
    else if (operation === 1) lines.push("+ULSTFILE: 236800");
    else return NOT_ALLOWED;
    return undefined;
  },
  "+USIO": parameter("+USIO", "0,*0", [0, 0]),
  "+UTEMP": (_modem, call, lines) => {
    if (call.form === "read") lines.push("+UTEMP: 28");
    return undefined;
  },
};
