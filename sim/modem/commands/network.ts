import { integer, text } from "../command-line.js";
import type { ModemCore } from "../core.js";
import { INCORRECT_PARAMETERS, NO_NETWORK, NOT_ALLOWED, PLAIN_ERROR } from "../errors.js";
import { activeBits, periodicBits, periodicSeconds } from "../timers3gpp.js";
import { type Handler, Later } from "./commands.js";
import { parameter } from "./general.js";

/** +URAT's numbers as 3GPP's <AcT>. */
const ACCESS_TECHNOLOGY: Readonly<Record<number, number>> = { 7: 7, 8: 9, 9: 0 };

/** The technology in use. */
function accessTechnology(modem: ModemCore): number {
  return ACCESS_TECHNOLOGY[modem.stored.rats[0]] ?? 7;
}

/** <stat> as this registration command tells it. */
function statOf(modem: ModemCore, command: string): number {
  if (command === "+CEREG") return modem.firmware.silentCereg ? 0 : modem.cellular.stat;
  // +CGREG is of 2G and 3G; +CREG follows the network that there is.
  if (command === "+CGREG")
    return accessTechnology(modem) <= 2
      ? modem.cellular.stat
      : modem.cellular.registered
        ? 4
        : modem.cellular.stat;
  return modem.cellular.stat;
}

/** What stands behind <n> in the answer, and what the URC consists of. */
function registrationFields(modem: ModemCore, command: string, form: number): string {
  const stat = statOf(modem, command);
  let fields = String(stat);
  if (form < 2 || (stat !== 1 && stat !== 5)) return fields;
  const { settings, firmware } = modem;
  fields += `,"${settings.area}"`;
  if (form >= 4 && firmware.extraCeregField && command === "+CEREG") fields += ',"0000"';
  fields += `,"${settings.cell}",${accessTechnology(modem)}`;
  if (form >= 4 && command === "+CEREG") {
    const active = modem.psmActive ? activeBits(modem.grantedActiveTime) : "11100000";
    fields += `,,,"${active}","${modem.psmActive ? grantedPeriodic(modem) : "00000000"}"`;
  }
  return fields;
}

/** Eight bits of the periodic update that the network has granted. */
export function grantedPeriodic(modem: ModemCore): string {
  const granted =
    modem.settings.grantedPeriodicUpdate ?? periodicSeconds(modem.stored.psm.periodicUpdate) ?? 0;
  return periodicBits(granted);
}

/** The URC of a registration command, `undefined` when it is off. */
export function registrationUrc(modem: ModemCore, command: string): string | undefined {
  const form = modem.volatile.reporting.get(command) ?? 0;
  return form === 0 ? undefined : `${command}: ${registrationFields(modem, command, form)}`;
}

function registration(command: string, highest: number): Handler {
  return (modem, call, lines) => {
    const { reporting } = modem.volatile;
    if (call.form === "test") lines.push(`${command}: (0-${highest})`);
    else if (call.form === "read") {
      const form = reporting.get(command) ?? 0;
      lines.push(`${command}: ${form},${registrationFields(modem, command, form)}`);
    } else {
      const form = integer(call, 0) ?? 0;
      if (!(form <= highest)) return INCORRECT_PARAMETERS;
      reporting.set(command, form);
      modem.volatile.reported.delete(command);
    }
    return undefined;
  };
}

const functionality: Handler = (modem, call, lines) => {
  if (call.form === "read") {
    lines.push(`+CFUN: ${modem.volatile.functionality},0`);
    return undefined;
  }
  if (call.form === "test") {
    lines.push("+CFUN: (0,1,4,6,7,8,9,15,16),(0-1)");
    return undefined;
  }
  const level = integer(call, 0) ?? 1;
  const restart = integer(call, 1) === 1;
  if (level === 15 || level === 16 || restart) {
    modem.later(modem.settings.latency + 100, () => modem.reboot());
    return undefined;
  }
  if (level !== 0 && level !== 1 && level !== 4) return INCORRECT_PARAMETERS;
  return new Later(level === 1 ? 100 : 500, () => {
    modem.volatile.functionality = level;
    modem.cellular.setRadio(level === 1);
    if (level !== 1) closeAll(modem);
    return undefined;
  });
};

/** The network connection has gone and the sockets with it. */
function closeAll(modem: ModemCore): void {
  for (const socket of modem.sockets.open) {
    modem.sockets.close(socket.id);
    modem.urc(`+UUSOCL: ${socket.id}`);
  }
}

const operator: Handler = (modem, call, lines) => {
  const { settings, stored } = modem;
  if (call.form === "test") {
    return new Later(15000, () => {
      if (modem.cellular.coverage)
        lines.push(
          `+COPS: (2,"${settings.operator}","${settings.operator}","${settings.operatorNumber}",${accessTechnology(modem)}),,(0-4),(0-2)`,
        );
      return undefined;
    });
  }
  if (call.form === "read") {
    const format = modem.volatile.operatorFormat;
    const named = modem.cellular.registered || modem.cellular.attached;
    const name = format === 2 ? settings.operatorNumber : settings.operator;
    lines.push(
      named
        ? `+COPS: ${stored.selection},${format},"${name}",${accessTechnology(modem)}`
        : `+COPS: ${stored.selection}`,
    );
    return undefined;
  }
  const mode = integer(call, 0) ?? 0;
  const format = integer(call, 1);
  if (!(mode <= 4) || (format !== undefined && !(format <= 2))) return INCORRECT_PARAMETERS;
  if (mode === 3) {
    if (format !== undefined) modem.volatile.operatorFormat = format;
    return undefined;
  }
  if (mode === 1) {
    const wanted = text(call, 2);
    if (wanted !== settings.operatorNumber && wanted !== settings.operator)
      return new Later(3000, () => NO_NETWORK);
  }
  return new Later(mode === 2 ? 800 : 300, () => {
    stored.selection = mode;
    modem.cellular.setSelection(mode !== 2);
    if (mode === 2) closeAll(modem);
    return undefined;
  });
};

const attachment: Handler = (modem, call, lines) => {
  if (call.form === "read") lines.push(`+CGATT: ${modem.cellular.attached ? 1 : 0}`);
  else if (call.form === "test") lines.push("+CGATT: (0,1)");
  else {
    const wanted = integer(call, 0);
    if (wanted !== 0 && wanted !== 1) return INCORRECT_PARAMETERS;
    if (wanted === 1 && !modem.cellular.registered) return new Later(2000, () => NO_NETWORK);
    modem.cellular.setAttached(wanted === 1);
    if (wanted === 0) closeAll(modem);
    return new Later(modem.settings.attach + 100);
  }
  return undefined;
};

const context: Handler = (modem, call, lines) => {
  const { contexts } = modem.stored;
  if (call.form === "read") {
    for (const [id, { type, apn }] of contexts) {
      const address = id === 1 && modem.cellular.attached ? "10.64.0.1" : "0.0.0.0";
      lines.push(`+CGDCONT: ${id},"${type}","${apn}","${address}",0,0,0,0`);
    }
    return undefined;
  }
  if (call.form === "test") {
    lines.push(
      '+CGDCONT: (1-8),"IP",,,(0),(0-1)',
      '+CGDCONT: (1-8),"NONIP",,,(0),(0-1)',
      '+CGDCONT: (1-8),"IPV4V6",,,(0),(0-1)',
    );
    return undefined;
  }
  const id = integer(call, 0);
  if (id === undefined || !(id >= 1 && id <= 8)) return INCORRECT_PARAMETERS;
  const type = text(call, 1);
  if (type === undefined) contexts.delete(id);
  else if (!["IP", "IPV6", "IPV4V6", "NONIP"].includes(type.toUpperCase())) return INCORRECT_PARAMETERS;
  else contexts.set(id, { type: type.toUpperCase(), apn: text(call, 2) ?? "" });
  return undefined;
};

const activation: Handler = (modem, call, lines) => {
  const active = modem.connectedToNetwork;
  if (call.form === "read") {
    for (const id of modem.stored.contexts.keys()) lines.push(`+CGACT: ${id},${id === 1 && active ? 1 : 0}`);
    return undefined;
  }
  if (call.form === "test") {
    lines.push("+CGACT: (0,1)");
    return undefined;
  }
  const state = integer(call, 0);
  const id = integer(call, 1) ?? 1;
  if (state !== 0 && state !== 1) return INCORRECT_PARAMETERS;
  if (!modem.stored.contexts.has(id)) return INCORRECT_PARAMETERS;
  if (state === 0) {
    if (id !== 1) return undefined;
    modem.volatile.contextOff = true;
    closeAll(modem);
    return new Later(300);
  }
  if (!modem.cellular.attached) return new Later(2000, () => NO_NETWORK);
  modem.volatile.contextOff = false;
  return new Later(300);
};

const address: Handler = (modem, call, lines) => {
  if (call.form === "test") {
    lines.push("+CGPADDR: (1)");
    return undefined;
  }
  // Without quotes: drivers that run on real ones parse it so.
  lines.push(`+CGPADDR: 1,${modem.connectedToNetwork ? "10.64.0.1" : "0.0.0.0"}`);
  return undefined;
};

const dynamicContext: Handler = (modem, call, lines) => {
  if (call.form === "test") {
    lines.push("+CGCONTRDP: (1)");
    return undefined;
  }
  if (!modem.connectedToNetwork) return undefined;
  const apn = modem.stored.contexts.get(1)?.apn || "internet";
  lines.push(
    `+CGCONTRDP: 1,5,"${apn}.mnc001.mcc001.gprs","10.64.0.1.255.255.255.255","10.64.0.254","8.8.8.8","8.8.4.4"`,
  );
  return undefined;
};

const signalQuality: Handler = (modem, call, lines) => {
  if (call.form === "test") {
    lines.push("+CSQ: (0-31,99),(0-7,99)");
    return undefined;
  }
  const heard = modem.cellular.coverage && modem.cellular.registered;
  // RSSI is above RSRP by about the number of resource elements in the narrow band.
  const rssi = heard ? Math.max(0, Math.min(31, Math.round((modem.cellular.rsrp + 20 + 113) / 2))) : 99;
  lines.push(`+CSQ: ${rssi},99`);
  return undefined;
};

const extendedSignalQuality: Handler = (modem, call, lines) => {
  if (call.form === "test") {
    lines.push("+CESQ: (0-63,99),(0-7,99),(255),(255),(0-34,255),(0-97,255)");
    return undefined;
  }
  const heard = modem.cellular.coverage && modem.cellular.registered;
  const rsrp = heard ? Math.max(0, Math.min(97, Math.round(modem.cellular.rsrp + 141))) : 255;
  const rsrq = heard ? Math.max(0, Math.min(34, Math.round((modem.settings.rsrq + 20) * 2))) : 255;
  lines.push(`+CESQ: 99,99,255,255,${rsrq},${rsrp}`);
  return undefined;
};

/** A setting that may only change while deregistered, in force from the next start on. */
function deregistered(modem: ModemCore): boolean {
  return modem.stored.selection === 2 || modem.volatile.functionality !== 1 || !modem.cellular.registered;
}

const operatorProfile: Handler = (modem, call, lines) => {
  if (call.form === "read") lines.push(`+UMNOPROF: ${modem.stored.profile}`);
  else if (call.form === "test") lines.push("+UMNOPROF: (0,1,2,3,4,5,6,8,19,21,31,100)");
  else {
    const profile = integer(call, 0);
    if (profile === undefined || !(profile <= 255)) return INCORRECT_PARAMETERS;
    if (!deregistered(modem)) return NOT_ALLOWED;
    if (profile !== modem.stored.profile) {
      modem.stored.profile = profile;
      // Operators' profiles bring PSM and eDRX with them, whether asked for or not.
      if (profile === 5 || profile === 100) {
        modem.stored.edrx.set(4, "0101");
        modem.stored.psm = { on: true, periodicUpdate: "01100001", activeTime: "00000110" };
      }
    }
  }
  return undefined;
};

const technology: Handler = (modem, call, lines) => {
  if (call.form === "read") lines.push(`+URAT: ${modem.stored.rats.join(",")}`);
  else if (call.form === "test")
    lines.push(`+URAT: (${modem.firmware.rats.join(",")}),(${modem.firmware.rats.join(",")})`);
  else {
    const rats = call.arguments.map((_, index) => integer(call, index) ?? Number.NaN);
    if (rats.length === 0 || !rats.every((rat) => modem.firmware.rats.includes(rat)))
      return INCORRECT_PARAMETERS;
    if (!deregistered(modem)) return NOT_ALLOWED;
    modem.stored.rats = rats;
  }
  return undefined;
};

const cellEnvironment: Handler = (modem, call, lines) => {
  if (call.form !== "read") return undefined;
  const { settings, cellular } = modem;
  lines.push("+UCGED: 5");
  lines.push(`+RSRP: 162,5110,"${cellular.rsrp.toFixed(2)}",`);
  lines.push(`+RSRQ: 162,5110,"${settings.rsrq.toFixed(2)}",`);
  return undefined;
};

/** Network and packet commands (AT manual, "Network service", "Packet switched data services"). */
export const NETWORK: Readonly<Record<string, Handler>> = {
  "+CEER": (_modem, call, lines) => {
    if (call.form === "execute") lines.push('+CEER: 0,0,0,"No cause information available"');
    return undefined;
  },
  "+CEREG": registration("+CEREG", 5),
  "+CESQ": extendedSignalQuality,
  "+CFUN": functionality,
  "+CGACT": activation,
  "+CGATT": attachment,
  "+CGAUTH": (modem, call) => {
    if (call.form === "set") modem.stored.authenticated = (integer(call, 1) ?? 0) > 0;
    return undefined;
  },
  "+CGCONTRDP": dynamicContext,
  "+CGDCONT": context,
  "+CGEREP": parameter("+CGEREP", "0,0", [0, 2]),
  "+CGPADDR": address,
  "+CGREG": registration("+CGREG", 2),
  "+COPS": operator,
  "+CREG": registration("+CREG", 2),
  "+CSCON": (modem, call, lines) => {
    if (call.form === "read")
      lines.push(`+CSCON: ${modem.volatile.connectionReports ? 1 : 0},${modem.cellular.connected ? 1 : 0}`);
    else if (call.form === "test") lines.push("+CSCON: (0-1)");
    else modem.volatile.connectionReports = integer(call, 0) === 1;
    return undefined;
  },
  "+CSQ": signalQuality,
  "+CEMODE": parameter("+CEMODE", "2", [0, 3]),
  "+UAUTHREQ": (modem, call) => {
    if (call.form === "set") modem.stored.authenticated = (integer(call, 1) ?? 0) > 0;
    return undefined;
  },
  "+UBANDMASK": parameter("+UBANDMASK", "0,168761503,1,168761503", [0, 2]),
  "+UCGED": cellEnvironment,
  "+UCIND": parameter("+UCIND", "0", [0, 4095]),
  "+UMNOPROF": operatorProfile,
  "+URAT": technology,
  "+USVCDOMAIN": parameter("+USVCDOMAIN", "2", [0, 2]),
  // Not on an R4: its one context comes up with the attach.
  "+UPSD": () => PLAIN_ERROR,
  "+UPSDA": () => PLAIN_ERROR,
  "+UPSND": () => PLAIN_ERROR,
};
