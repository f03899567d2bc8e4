import type { AtOutcome } from "./at/channel.js";
import type { AtLine } from "./at/line.js";
import type { AtWriter } from "./at/writer.js";
import type { Context } from "./context.js";
import type { Routine } from "./routine.js";

/** A SARA-R4 has sockets 0 to 6. */
const SOCKETS = 7;

/** +USOCR's protocol number of UDP. */
const UDP = 17;

/** What one +USORF asks for: the most that hex and binary mode carry in one answer. */
const HEX_READ = 512;
const BINARY_READ = 1024;

/** Until this firmware (application 05.08) opening a socket in poor signal could lock the modem up (trap 10). */
const FIRST_SAFE_FIRMWARE = [5, 8] as const;

/** After this many datagrams within this time and no answer at all, the path is held for dead. */
const SILENCE_DATAGRAMS = 8;
const SILENCE_TIME = 120000;

/**
 * Sockets survive a restart of the host but not of the modem: whatever is open is not ours. In the synchronous form:
 * an asynchronous close of a closed socket can block the next +USOCR for minutes.
 */
export function* closeAll(modem: Context): Routine<void> {
  modem.socket = -1;
  modem.closed = false;
  for (let id = 0; id < SOCKETS; id++) {
    // ERROR is the answer for a socket that is not open.
    const close = modem.command(`+USOCL=${id}`, { limit: 120000 });
    yield close;
    if (close.ok) modem.counters.add("socket-left-over");
  }
}

/** Closes our own socket, if there is one. */
export function* closeSocket(modem: Context): Routine<void> {
  const id = modem.socket;
  modem.socket = -1;
  if (id >= 0 && !modem.closed) yield modem.command(`+USOCL=${id}`, { limit: 120000 });
  modem.closed = false;
}

/** Whether firmware like `L0.0.00.00.05.06,A.02.01` is from before the socket fix; unknown forms count as fixed. */
export function locksUpInPoorSignal(firmware: string | undefined): boolean {
  if (firmware === undefined || !firmware.startsWith("L0.0.00.00.")) return false;
  const major = Number.parseInt(firmware.slice(11, 13), 10);
  const minor = Number.parseInt(firmware.slice(14, 16), 10);
  const [safeMajor, safeMinor] = FIRST_SAFE_FIRMWARE;
  return major < safeMajor || (major === safeMajor && minor < safeMinor);
}

/** Asks for the signal's strength (+CESQ), which the network's state keeps. */
export function* readSignal(modem: Context): Routine<void> {
  yield modem.command("+CESQ", {
    prefix: "+CESQ:",
    onLine: (line) => {
      modem.network.onCesq(line, modem.now);
      return true;
    },
  });
}

/** Waits for a signal in which old firmware may be asked for a socket. */
function* waitForSignal(modem: Context): Routine<void> {
  const until = modem.now + modem.timing.radioPatience;
  for (;;) {
    yield* readSignal(modem);
    if (modem.fault !== undefined) return;
    if (modem.network.rsrp !== undefined && modem.network.rsrp >= modem.config.weakSignal) return;
    if (modem.now >= until) {
      modem.counters.add("opened-in-weak-signal");
      return;
    }
    modem.counters.add("weak-signal-waits");
    yield modem.wait(modem.timing.registrationPoll);
  }
}

function isAddress(host: string): boolean {
  for (let i = 0; i < host.length; i++) {
    const code = host.charCodeAt(i);
    if (code !== 46 && (code < 48 || code > 57)) return false;
  }
  return true;
}

/** The server's address, asked of the network once for each opening: it may have moved. */
function* resolve(modem: Context): Routine<boolean> {
  const { host } = modem.config;
  if (isAddress(host)) {
    modem.address = host;
    return true;
  }
  let address: string | undefined;
  const query = modem.command("+UDNSRN=0,", {
    limit: 70000,
    prefix: "+UDNSRN:",
    write: (writer) => writer.string(host),
    onLine: (line) => {
      address = line.string();
      return true;
    },
  });
  yield query;
  if (query.ok && address !== undefined && isAddress(address)) {
    modem.address = address;
    return true;
  }
  if (modem.fault === undefined) modem.counters.add("dns-failed");
  // A name that was resolved before is better than none.
  return modem.address !== undefined;
}

/**
 * Resolves the server and opens the one UDP socket.
 * @returns whether it is open
 */
export function* open(modem: Context): Routine<boolean> {
  if (!(yield* resolve(modem))) return false;
  if (locksUpInPoorSignal(modem.identity.firmware)) yield* waitForSignal(modem);
  let id: number | undefined;
  const creation = modem.command(`+USOCR=${UDP}`, {
    limit: 10000,
    prefix: "+USOCR:",
    onLine: (line) => {
      id = line.int();
      return true;
    },
  });
  yield creation;
  if (!creation.ok || id === undefined || id < 0 || id >= SOCKETS) {
    if (modem.fault === undefined) modem.counters.add("socket-refused");
    return false;
  }
  modem.socket = id;
  modem.closed = false;
  modem.unread = false;
  const { localPort } = modem.config;
  if (localPort !== undefined) {
    const binding = modem.command(`+USOLI=${id},${localPort}`);
    yield binding;
    // Not every firmware binds UDP sockets; the way out works without.
    if (binding.outcome === "error") modem.counters.add("bind-refused");
  }
  return modem.fault === undefined;
}

function writeTarget(writer: AtWriter, modem: Context): AtWriter {
  return writer.string(modem.address!).text(",").int(modem.config.port).text(",");
}

/** Sends the datagram in hand and settles it. */
export function* sendPending(modem: Context): Routine<AtOutcome> {
  const datagram = modem.pending.subarray(0, modem.pendingLength);
  let taken = -1;
  const onLine = (line: AtLine) => {
    if (line.int() !== modem.socket) return false;
    taken = line.int() ?? -1;
    return true;
  };
  const options = { limit: 10000, prefix: "+USOST:", onLine };
  const head = `+USOST=${modem.socket},`;
  const sending = modem.command(
    head,
    modem.config.hex
      ? {
          ...options,
          write: (writer) => writeTarget(writer, modem).int(datagram.length).text(",").hex(datagram),
        }
      : { ...options, write: (writer) => writeTarget(writer, modem).int(datagram.length), data: datagram },
  );
  yield sending;
  const { outcome } = sending;
  if (outcome === "ok" && taken === datagram.length) {
    if (modem.unanswered++ === 0) modem.unansweredSince = modem.now;
    modem.settle("sent");
  } else if (outcome === "error" || outcome === "cancelled") {
    modem.settle("refused");
  } else {
    // OK without the line, with another length, or no answer: it may be on its way.
    if (outcome === "ok") modem.counters.add("send-length-differs");
    modem.settle("unknown");
  }
  return outcome;
}

/**
 * Reads until the socket is empty, whatever the URC said: its count may be of the next datagram or of all, and no URC
 * comes for what is there already.
 */
export function* readAll(modem: Context): Routine<void> {
  const most = modem.config.hex ? HEX_READ : BINARY_READ;
  let whole: Uint8Array | undefined;
  modem.unread = false;
  for (;;) {
    let count = 0;
    let piece: Uint8Array | undefined;
    let stranger = false;
    const reading = modem.command(`+USORF=${modem.socket},${most}`, {
      limit: 10000,
      prefix: "+USORF:",
      optional: true,
      ...(!modem.config.hex && { binaryField: 3 }),
      onLine: (line) => {
        if (line.int() !== modem.socket) return false;
        // Empty: `+USORF: n,0` or the line is missing.
        if (!line.quoted) return true;
        const address = line.string();
        const port = line.int();
        count = line.int() ?? 0;
        stranger = address !== modem.address || port !== modem.config.port;
        const view = modem.config.hex ? line.hex(count) : line.binary(count);
        // The line's bytes are gone after this call; the datagram goes up when the command has ended.
        piece = view?.slice();
        return true;
      },
    });
    yield reading;
    if (reading.ok && count > 0) {
      if (piece === undefined) modem.counters.add("datagram-malformed");
      else if (stranger) modem.counters.add("datagram-from-stranger");
      else whole = whole === undefined ? piece : join(whole, piece);
      // A read as long as it could be is a whole datagram or the front of one: the next read tells (trap 7).
      if (count >= most && piece !== undefined) continue;
    }
    if (whole !== undefined) deliver(modem, whole);
    whole = undefined;
    if (!reading.ok || count === 0) return;
  }
}

function join(front: Uint8Array, rest: Uint8Array): Uint8Array {
  const all = new Uint8Array(front.length + rest.length);
  all.set(front);
  all.set(rest, front.length);
  return all;
}

function deliver(modem: Context, datagram: Uint8Array): void {
  modem.unanswered = 0;
  modem.silences = 0;
  modem.activity.received++;
  modem.onDatagram(datagram);
}

/** Whether so many datagrams went out without any answer that the path must be doubted. */
export function isSilent(modem: Context): boolean {
  return (
    modem.config.expectAnswers &&
    modem.unanswered >= SILENCE_DATAGRAMS &&
    modem.now - modem.unansweredSince >= SILENCE_TIME
  );
}
