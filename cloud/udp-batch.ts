/** Many datagrams for one system call, where the machine can: Linux's recvmmsg(2) and sendmmsg(2), called through koffi. */

import { isIPv4 } from "node:net";
import type { Address } from "./udp.js";

/** Node's dgram takes a system call, a buffer and an event for each datagram: half of what a request costs the server. */
interface Libc {
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly bind: (fd: number, address: Uint8Array, length: number) => number;
  readonly setsockopt: (fd: number, level: number, name: number, value: Uint8Array, length: number) => number;
  readonly close: (fd: number) => number;
  readonly recvmmsg: (fd: number, messages: unknown, count: number, flags: number, timeout: null) => number;
  readonly sendmmsg: (fd: number, messages: unknown, count: number, flags: number) => number;
  readonly errno: () => number;
  /** Memory that stays where it is. */
  readonly memory: (length: number) => { readonly pointer: unknown; readonly at: bigint; bytes: ArrayBuffer };
}

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_REUSEPORT = 15;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
/** Of errno, as far as somebody who starts a server meets them. */
const ERRNO: Readonly<Record<number, string>> = { 13: "EACCES", 98: "EADDRINUSE", 99: "EADDRNOTAVAIL" };

/** Datagrams in one system call. */
const SLOTS = 64;
/** Longer datagrams than any that the protocols here make. */
const ROOM = 2048;
/** sizeof(struct mmsghdr), (struct iovec), (struct sockaddr_in) where pointers have 64 bits. */
const HEADER = 64;
const VECTOR = 16;
const NAME = 16;
/** Of received datagrams, allocated at a time: for itself each would be a piece of work for the garbage collector. */
const SLAB = 1 << 16;
/** Addresses whose text is kept. */
const ADDRESSES = 8192;

/** @returns `undefined` where it is no 64-bit Linux, or koffi is not installed */
async function loadLibc(): Promise<Libc | undefined> {
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64")) return undefined;
  try {
    const { default: koffi } = await import("koffi");
    const libc = koffi.load(null);
    return {
      socket: libc.func("int socket(int, int, int)"),
      bind: libc.func("int bind(int, const void *, unsigned int)"),
      setsockopt: libc.func("int setsockopt(int, int, int, const void *, unsigned int)"),
      close: libc.func("int close(int)"),
      recvmmsg: libc.func("int recvmmsg(int, void *, unsigned int, int, void *)"),
      sendmmsg: libc.func("int sendmmsg(int, void *, unsigned int, int)"),
      errno: () => koffi.errno(),
      memory(length) {
        const pointer = koffi.alloc("uint8_t", length);
        return { pointer, at: koffi.address(pointer), bytes: koffi.view(pointer, length) };
      },
    };
  } catch {
    return undefined;
  }
}

/** An array of struct mmsghdr, each with one buffer and one IPv4 address. */
class Messages {
  readonly pointer: unknown;
  readonly bytes: Uint8Array;
  readonly #words: Uint32Array;

  constructor(libc: Libc) {
    const { pointer, at, bytes } = libc.memory(SLOTS * (HEADER + VECTOR + NAME + ROOM));
    this.pointer = pointer;
    this.bytes = new Uint8Array(bytes);
    this.#words = new Uint32Array(bytes);
    const view = new DataView(bytes);
    for (let slot = 0; slot < SLOTS; slot++) {
      const header = slot * HEADER;
      view.setBigUint64(header, at + BigInt(this.name(slot)), true); // msg_name
      view.setUint32(header + 8, NAME, true); // msg_namelen
      view.setBigUint64(header + 16, at + BigInt(vectorAt(slot)), true); // msg_iov
      view.setBigUint64(header + 24, 1n, true); // msg_iovlen
      view.setBigUint64(vectorAt(slot), at + BigInt(this.data(slot)), true); // iov_base
      view.setBigUint64(vectorAt(slot) + 8, BigInt(ROOM), true); // iov_len
    }
  }

  /** Where a slot's sockaddr_in is. */
  name(slot: number): number {
    return SLOTS * (HEADER + VECTOR) + slot * NAME;
  }

  /** Where its datagram is. */
  data(slot: number): number {
    return SLOTS * (HEADER + VECTOR + NAME) + slot * ROOM;
  }

  /** msg_len: of a datagram that was received. */
  received(slot: number): number {
    return this.#words[(slot * HEADER + 56) >> 2];
  }

  /** msg_flags: whether its end was cut off. */
  cut(slot: number): boolean {
    return (this.#words[(slot * HEADER + 48) >> 2] & MSG_TRUNC) !== 0;
  }

  /** iov_len: of a datagram to be sent. */
  setLength(slot: number, length: number): void {
    this.#words[(vectorAt(slot) + 8) >> 2] = length;
  }

  /** A copy of a datagram to be sent. */
  datagram(slot: number): Uint8Array {
    const start = this.data(slot);
    return this.bytes.slice(start, start + this.#words[(vectorAt(slot) + 8) >> 2]);
  }
}

function vectorAt(slot: number): number {
  return SLOTS * HEADER + slot * VECTOR;
}

/** An endpoint in its two forms. */
interface Endpoint {
  /** "host" */
  readonly host: string;
  /** "host:port" */
  readonly source: string;
  readonly name: Uint8Array;
}

/** An IPv4 UDP socket of our own, whose descriptor Node's dgram may share to learn when something is there. */
export class UdpBatch {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #in: Messages;
  readonly #out: Messages;
  readonly #byNumber = new Map<number, Endpoint>();
  readonly #bySource = new Map<string, Endpoint>();
  #slab = Buffer.allocUnsafeSlow(SLAB).buffer;
  #slabBytes = new Uint8Array(this.#slab);
  #slabUsed = 0;
  /** Destinations of what waits in `#out`. */
  readonly #waiting: string[] = [];

  private constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.fd = fd;
    this.#in = new Messages(libc);
    this.#out = new Messages(libc);
  }

  /**
   * @param shared several sockets may be bound to the port, and each remote address belongs to one of them
   * @returns `undefined` where the machine cannot
   * @throws Error with `code`, as dgram's bind would
   */
  static async open({ host, port }: Address, shared = false): Promise<UdpBatch | undefined> {
    const libc = await loadLibc();
    const endpoint = endpointOf(`${host}:${port}`);
    if (libc === undefined || endpoint === undefined) return undefined;
    const fd = libc.socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0) return undefined;
    if (shared) libc.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, Uint8Array.of(1, 0, 0, 0), 4);
    if (libc.bind(fd, endpoint.name, NAME) === 0) return new UdpBatch(libc, fd);
    const errno = libc.errno();
    libc.close(fd);
    throw Object.assign(new Error(`bind: error ${errno}`), { code: ERRNO[errno] });
  }

  /**
   * Takes what waits, at most 64 datagrams.
   * @param take gets each: bytes to keep, "host:port", "host"
   * @param onCut is called for each that was longer than any should be
   * @returns whether there may be more
   */
  receive(take: (bytes: Uint8Array, source: string, host: string) => void, onCut: () => void): boolean {
    const messages = this.#in;
    const count = this.#libc.recvmmsg(this.fd, messages.pointer, SLOTS, MSG_DONTWAIT, null);
    for (let slot = 0; slot < count; slot++) {
      if (messages.cut(slot)) {
        onCut();
        continue;
      }
      const bytes = this.#copy(messages.bytes, messages.data(slot), messages.received(slot));
      const { source, host } = this.#sender(messages.bytes, messages.name(slot));
      take(bytes, source, host);
    }
    return count === SLOTS;
  }

  #copy(from: Uint8Array, at: number, length: number): Uint8Array {
    if (this.#slabUsed + length > SLAB) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB).buffer;
      this.#slabBytes = new Uint8Array(this.#slab);
      this.#slabUsed = 0;
    }
    const start = this.#slabUsed;
    const slab = this.#slabBytes;
    for (let i = 0; i < length; i++) slab[start + i] = from[at + i];
    this.#slabUsed = start + length;
    return new Uint8Array(this.#slab, start, length);
  }

  #sender(bytes: Uint8Array, at: number): Endpoint {
    let number = 0;
    for (let i = at + 2; i < at + 8; i++) number = number * 256 + bytes[i];
    let endpoint = this.#byNumber.get(number);
    if (endpoint === undefined) {
      const host = bytes.subarray(at + 4, at + 8).join(".");
      const source = `${host}:${(bytes[at + 2] << 8) | bytes[at + 3]}`;
      endpoint = { host, source, name: bytes.slice(at, at + NAME) };
      if (this.#byNumber.size >= ADDRESSES) {
        this.#byNumber.clear();
        this.#bySource.clear();
      }
      this.#byNumber.set(number, endpoint);
      this.#bySource.set(source, endpoint);
    }
    return endpoint;
  }

  /**
   * Puts a datagram to those that leave with the next {@link flush}, which is due when {@link full}.
   * @returns false when it has to go another way
   */
  add(bytes: Uint8Array, destination: string): boolean {
    const endpoint = this.#bySource.get(destination) ?? endpointOf(destination);
    if (endpoint === undefined || bytes.length > ROOM || this.full) return false;
    const slot = this.#waiting.push(destination) - 1;
    const messages = this.#out;
    messages.bytes.set(endpoint.name, messages.name(slot));
    messages.bytes.set(bytes, messages.data(slot));
    messages.setLength(slot, bytes.length);
    return true;
  }

  /** Not where a socket of dgram's shares the descriptor: that one closes it. */
  close(): void {
    this.#libc.close(this.fd);
  }

  get full(): boolean {
    return this.#waiting.length === SLOTS;
  }

  /** @param left gets what the system did not take: it has no room, or one of the destinations is none */
  flush(left: (bytes: Uint8Array, destination: string) => void): void {
    const destinations = this.#waiting;
    if (destinations.length === 0) return;
    const sent = this.#libc.sendmmsg(this.fd, this.#out.pointer, destinations.length, MSG_DONTWAIT);
    for (let slot = Math.max(0, sent); slot < destinations.length; slot++) {
      left(this.#out.datagram(slot), destinations[slot]);
    }
    destinations.length = 0;
  }
}

/** @returns `undefined` when it is no "IPv4:port" */
function endpointOf(source: string): Endpoint | undefined {
  const colon = source.lastIndexOf(":");
  const host = source.slice(0, colon);
  const port = Number(source.slice(colon + 1));
  if (!isIPv4(host)) return undefined;
  const name = Uint8Array.of(
    AF_INET,
    0,
    port >> 8,
    port,
    ...host.split(".").map(Number),
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
  );
  return { host, source, name };
}
