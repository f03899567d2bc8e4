import { fromHex, toHex } from "../../../firmware/bytes/hex.js";
import { Refusal } from "../../../firmware/bytes/refusal.js";
import { type Call, integer, text } from "../command-line.js";
import type { ModemCore } from "../core.js";
import { INCORRECT_PARAMETERS, NETWORK_TIMEOUT, NO_NETWORK, NOT_ALLOWED, NOT_SUPPORTED } from "../errors.js";
import { toLatin1 } from "../latin1.js";
import { isIpv4 } from "../modem-network.js";
import type { ModemSocket } from "../sockets.js";
import { type Answer, type Handler, Later, Nothing, Prompt } from "./commands.js";

const TCP = 6;
const UDP = 17;

/** The longest datagram of +USOST, and in hex mode. */
const LONGEST = 1024;
const LONGEST_HEX = 512;

/** +USOCTL's last error after each +USOST: "no buffer", without a meaning (seen on R410M). */
const ERROR_AFTER_SEND = 65;

/** From an asynchronous +USOCO to its URC. */
const CONNECT_DELAY = 300;

/** From the name to the answer. */
const DNS_DELAY = 100;

/** The socket of the first argument. */
function socketOf(modem: ModemCore, call: Call): ModemSocket | undefined {
  const id = integer(call, 0);
  return id === undefined || Number.isNaN(id) ? undefined : modem.sockets.get(id);
}

function failed(modem: ModemCore, socket: ModemSocket | undefined, error: number): Answer {
  modem.sockets.lastError = error;
  if (socket !== undefined) socket.lastError = error;
  return NOT_ALLOWED;
}

const create: Handler = (modem, call, lines) => {
  if (call.form === "test") {
    lines.push("+USOCR: (6,17),(1-65535)");
    return undefined;
  }
  const protocol = integer(call, 0);
  if (protocol !== TCP && protocol !== UDP) return INCORRECT_PARAMETERS;
  const { locksUpBelow } = modem.firmware;
  if (locksUpBelow !== undefined && modem.cellular.rsrp < locksUpBelow) {
    modem.counters.add("locked-up");
    modem.faults.locked = true;
    return new Nothing();
  }
  // TCP is not what this simulator moves; the manual lets a profile refuse it.
  if (protocol === TCP) return NOT_SUPPORTED;
  const socket = modem.sockets.create(protocol);
  if (socket === undefined) return failed(modem, undefined, 24);
  lines.push(`+USOCR: ${socket.id}`);
  return undefined;
};

const close: Handler = (modem, call, lines) => {
  if (call.form === "test") {
    lines.push("+USOCL: (0-6)");
    return undefined;
  }
  const socket = socketOf(modem, call);
  if (socket === undefined) return NOT_ALLOWED;
  modem.sockets.close(socket.id);
  if (integer(call, 1) === 1) {
    modem.later(500, () => modem.urc(`+UUSOCL: ${socket.id}`));
    return undefined;
  }
  return new Later(100);
};

const listen: Handler = (modem, call) => {
  const socket = socketOf(modem, call);
  const port = integer(call, 1);
  if (socket === undefined) return NOT_ALLOWED;
  if (port === undefined || !(port >= 1 && port <= 65535)) return INCORRECT_PARAMETERS;
  modem.sockets.bind(socket, port);
  return undefined;
};

/** Carries out `then` with the address of a name or an address as it stands. */
function resolved(modem: ModemCore, host: string, then: (address: string) => Answer): Answer {
  if (isIpv4(host)) return then(host);
  let address: string | undefined;
  modem.network.resolve(host, (found) => {
    address = found;
  });
  return new Later(DNS_DELAY, () => (address === undefined ? NETWORK_TIMEOUT : then(address)));
}

/** Hands a datagram to the stack. Whether it ever leaves is another matter. */
function transmit(
  modem: ModemCore,
  socket: ModemSocket,
  address: string,
  port: number,
  bytes: Uint8Array,
): Answer {
  if (!modem.connectedToNetwork && modem.firmware.withoutCoverage === "refuse")
    return failed(modem, socket, 101);
  socket.lastError = ERROR_AFTER_SEND;
  modem.transmit(socket, address, port, bytes);
  return undefined;
}

/** The data argument in hex mode, or the prompt for it in binary mode. */
function withData(
  modem: ModemCore,
  call: Call,
  index: number,
  length: number,
  then: (bytes: Uint8Array) => Answer,
): Answer {
  const longest = modem.volatile.hex ? LONGEST_HEX : LONGEST;
  if (!(length >= 1 && length <= longest)) return INCORRECT_PARAMETERS;
  const given = text(call, index);
  if (given === undefined) {
    if (!modem.volatile.hex) return new Prompt("@", length, then);
    // Hex mode reaches even the prompt: `length` bytes come as twice as many digits (seen by Zephyr's driver).
    return new Prompt("@", 2 * length, (digits) => {
      const bytes = fromHex(toLatin1(digits));
      return bytes instanceof Refusal ? INCORRECT_PARAMETERS : then(bytes);
    });
  }
  if (!modem.volatile.hex) {
    const bytes = Uint8Array.from(given, (character) => character.charCodeAt(0));
    return bytes.length === length ? then(bytes) : INCORRECT_PARAMETERS;
  }
  const bytes = fromHex(given);
  if (bytes instanceof Refusal || bytes.length !== length) return INCORRECT_PARAMETERS;
  return then(bytes);
}

const sendTo: Handler = (modem, call, lines) => {
  if (call.form === "test") {
    lines.push('+USOST: (0-6),"(IP address)",(1-65535),(1-1024)');
    return undefined;
  }
  const socket = socketOf(modem, call);
  if (socket === undefined || socket.protocol !== UDP) return failed(modem, undefined, 9);
  const host = text(call, 1);
  const port = integer(call, 2);
  const length = integer(call, 3);
  if (host === undefined || port === undefined || !(port >= 1 && port <= 65535) || length === undefined)
    return INCORRECT_PARAMETERS;
  return withData(modem, call, 4, length, (bytes) =>
    resolved(modem, host, (address) => {
      const answer = transmit(modem, socket, address, port, bytes);
      if (answer === undefined) lines.push(`+USOST: ${socket.id},${bytes.length}`);
      return answer;
    }),
  );
};

const connect: Handler = (modem, call) => {
  const socket = socketOf(modem, call);
  const host = text(call, 1);
  const port = integer(call, 2);
  if (socket === undefined) return NOT_ALLOWED;
  if (host === undefined || port === undefined || !(port >= 1 && port <= 65535)) return INCORRECT_PARAMETERS;
  if (!modem.connectedToNetwork) return new Later(1000, () => NO_NETWORK);
  return resolved(modem, host, (address) => {
    socket.remote = { address, port };
    if (integer(call, 3) === 1) modem.later(CONNECT_DELAY, () => modem.urc(`+UUSOCO: ${socket.id},0`));
    return undefined;
  });
};

/** +USOWR on a connected UDP socket. */
const write: Handler = (modem, call, lines) => {
  const socket = socketOf(modem, call);
  const length = integer(call, 1);
  if (socket?.remote === undefined) return failed(modem, socket, 107);
  if (length === undefined) return INCORRECT_PARAMETERS;
  const { address, port } = socket.remote;
  return withData(modem, call, 2, length, (bytes) => {
    const answer = transmit(modem, socket, address, port, bytes);
    if (answer === undefined) lines.push(`+USOWR: ${socket.id},${bytes.length}`);
    return answer;
  });
};

/** +USORF, and +USORD which leaves the address out. */
function read(command: "+USORF" | "+USORD"): Handler {
  return (modem, call, lines) => {
    const socket = socketOf(modem, call);
    const asked = integer(call, 1);
    if (socket === undefined) return NOT_ALLOWED;
    if (asked === undefined || !(asked <= LONGEST)) return INCORRECT_PARAMETERS;
    if (asked === 0) {
      lines.push(`${command}: ${socket.id},${socket.pending(modem.firmware.counts)}`);
      return undefined;
    }
    const partial = socket.pending("next") > 0 ? modem.faults.take("partial-reads") : undefined;
    const most = Math.min(asked, modem.volatile.hex ? LONGEST_HEX : LONGEST, partial?.size ?? LONGEST);
    const part = socket.read(most);
    if (part === undefined) {
      if (modem.firmware.emptyRead === "error") return NOT_ALLOWED;
      lines.push(
        command === "+USORF" ? `${command}: ${socket.id},"",0,0,""` : `${command}: ${socket.id},0,""`,
      );
      return undefined;
    }
    const data = modem.volatile.hex ? toHex(part.bytes).toUpperCase() : toLatin1(part.bytes);
    const from = command === "+USORF" ? `"${part.address}",${part.port},` : "";
    lines.push(`${command}: ${socket.id},${from}${part.bytes.length},"${data}"`);
    // What is left is announced again, behind the answer.
    if (socket.pending("total") > 0) modem.later(1, () => modem.announce(socket));
    return undefined;
  };
}

const control: Handler = (modem, call, lines) => {
  const socket = socketOf(modem, call);
  const item = integer(call, 1);
  if (socket === undefined) return NOT_ALLOWED;
  const values: Readonly<Record<number, string>> = {
    0: String(socket.protocol),
    1: String(socket.lastError),
    2: String(socket.sent),
    3: String(socket.received),
    4: socket.remote === undefined ? '"0.0.0.0",0' : `"${socket.remote.address}",${socket.remote.port}`,
  };
  const value = item === undefined ? undefined : values[item];
  // Items 10 and 11 are of TCP.
  if (value === undefined) return NOT_ALLOWED;
  lines.push(`+USOCTL: ${socket.id},${item},${value}`);
  return undefined;
};

const resolve: Handler = (modem, call, lines) => {
  const kind = integer(call, 0);
  const name = text(call, 1);
  if (kind !== 0 || name === undefined) return INCORRECT_PARAMETERS;
  if (!modem.connectedToNetwork) return new Later(5000, () => NO_NETWORK);
  return resolved(modem, name, (address) => {
    lines.push(`+UDNSRN: "${address}"`);
    return undefined;
  });
};

/** Options are taken and have no effect on UDP. */
const option: Handler = (modem, call) => (socketOf(modem, call) === undefined ? NOT_ALLOWED : undefined);

/** Socket commands (AT manual, "Internet protocol transport layer", "DNS"). */
export const SOCKETS: Readonly<Record<string, Handler>> = {
  "+UDNSRN": resolve,
  "+USOCL": close,
  "+USOCO": connect,
  "+USOCR": create,
  "+USOCTL": control,
  "+USOER": (modem, call, lines) => {
    if (call.form === "execute") lines.push(`+USOER: ${modem.sockets.lastError}`);
    return undefined;
  },
  "+USOGO": (modem, call, lines) => {
    const socket = socketOf(modem, call);
    if (socket === undefined) return NOT_ALLOWED;
    lines.push("+USOGO: 0");
    return undefined;
  },
  "+USOLI": listen,
  "+USORD": read("+USORD"),
  "+USORF": read("+USORF"),
  "+USOSEC": option,
  "+USOSO": option,
  "+USOST": sendTo,
  "+USOWR": write,
};
