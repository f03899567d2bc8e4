/** The HAL inside of XS: each part asks the simulator, in the call. */

import type {
  AdvertisingBearer,
  Aead,
  BlockCipher,
  Board,
  Cancel,
  Clock,
  Crypto,
  Hal,
  I2C,
  KeyValueStore,
  ModemPort,
  Serial,
} from "../../../hal/hal.js";
import { crc16 } from "../../../hal/host/crc16.js";
import { ANSWER, decodeCall, encodeCall, type HalCalls } from "../calls.js";

declare function issueCommand(command: ArrayBuffer): ArrayBuffer;

/** Calls the simulator, for one device. */
export type Call = <N extends keyof HalCalls>(
  name: N,
  ...values: Parameters<HalCalls[N]>
) => ReturnType<HalCalls[N]>;

export function callFor(device: number): Call {
  return (name, ...values) => {
    const command = encodeCall([device, name, ...values]);
    const [kind, result] = decodeCall(new Uint8Array(issueCommand(command.slice().buffer as ArrayBuffer)));
    if (kind === ANSWER.value) return result as ReturnType<HalCalls[typeof name]>;
    throw kind === ANSWER.range ? new RangeError(String(result)) : new Error(String(result));
  };
}

interface Appointment {
  readonly time: number;
  readonly callback: () => void;
}

/** Virtual time stands still during a call from the simulator, which brings it along. */
export class RemoteClock implements Clock {
  time = 0;
  /** In the order of their times. */
  readonly #appointments: Appointment[] = [];

  now(): number {
    return this.time;
  }

  at(time: number, callback: () => void): Cancel {
    if (time === Number.POSITIVE_INFINITY) return () => {};
    const appointment = { time, callback };
    let at = this.#appointments.length;
    while (at > 0 && this.#appointments[at - 1].time > time) at--;
    this.#appointments.splice(at, 0, appointment);
    return () => {
      const index = this.#appointments.indexOf(appointment);
      if (index >= 0) this.#appointments.splice(index, 1);
    };
  }

  /** When `run` is to be called; `Infinity` for never. */
  get deadline(): number {
    return this.#appointments[0]?.time ?? Number.POSITIVE_INFINITY;
  }

  /** What is added meanwhile has the next turn. */
  run(): void {
    const due: Appointment[] = [];
    for (const appointment of this.#appointments) if (appointment.time <= this.time) due.push(appointment);
    for (const appointment of due) {
      const index = this.#appointments.indexOf(appointment);
      // Cancelled by one before it.
      if (index < 0) continue;
      this.#appointments.splice(index, 1);
      appointment.callback();
    }
  }
}

class RemoteBearer implements AdvertisingBearer {
  onReceive: ((data: Uint8Array, address: Uint8Array, rssi: number) => void) | undefined;
  readonly #call: Call;

  constructor(call: Call) {
    this.#call = call;
  }

  get free(): number {
    return this.#call("free");
  }

  send(data: Uint8Array, count: number, interval: number): boolean {
    return this.#call("send", data, count, interval);
  }
}

function storage(call: Call): KeyValueStore {
  return {
    get: (key) => call("get", key),
    set: (key, value) => call("set", key, value),
    delete: (key) => call("delete", key),
    keys: () => call("keys"),
  };
}

/** `bytes` where the caller wants them. */
function deliver(bytes: Uint8Array, out: Uint8Array | undefined): Uint8Array {
  if (out === undefined) return bytes;
  out.set(bytes);
  return out.subarray(0, bytes.length);
}

class RemoteCcm implements Aead {
  readonly tagLength: number;
  readonly #call: Call;
  readonly #key: Uint8Array;

  constructor(call: Call, key: Uint8Array, tagLength: number) {
    this.#call = call;
    this.#key = key.slice();
    this.tagLength = tagLength;
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out?: Uint8Array): Uint8Array {
    return deliver(this.#call("ccmSeal", this.#key, this.tagLength, nonce, aad, plaintext), out);
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out?: Uint8Array): Uint8Array | undefined {
    const plaintext = this.#call("ccmOpen", this.#key, this.tagLength, nonce, aad, sealed);
    return plaintext && deliver(plaintext, out);
  }

  sealAt(nonce: Uint8Array, aad: Uint8Array, bytes: Uint8Array, at: number, length: number): void {
    this.seal(nonce, aad, bytes.subarray(at, at + length), bytes.subarray(at));
  }

  openAt(nonce: Uint8Array, aad: Uint8Array, bytes: Uint8Array, at: number, length: number): boolean {
    if (length < this.tagLength) return false;
    if (this.open(nonce, aad, bytes.subarray(at, at + length), bytes.subarray(at)) !== undefined) return true;
    bytes.fill(0, at, at + length - this.tagLength);
    return false;
  }
}

class RemoteAes implements BlockCipher {
  readonly #call: Call;
  readonly #key: Uint8Array;

  constructor(call: Call, key: Uint8Array) {
    this.#call = call;
    this.#key = key.slice();
  }

  encrypt(block: Uint8Array, out: Uint8Array): void {
    out.set(this.#call("aesEncrypt", this.#key, block));
  }

  mask(block: Uint8Array, bytes: Uint8Array, at: number, length: number): void {
    const encrypted = this.#call("aesEncrypt", this.#key, block);
    for (let i = 0; i < length; i++) bytes[at + i] ^= encrypted[i];
  }
}

/** What a board has, below the HAL as there. */
function crypto(call: Call): Crypto {
  const absent = () => {
    throw new Error("P-256: not in the simulator's XS, devices come provisioned");
  };
  return {
    ccm: (key, tagLength) => new RemoteCcm(call, key, tagLength),
    aead: (algorithm, key) => (algorithm === 10 ? new RemoteCcm(call, key, 8) : undefined),
    cmac: (key, message) => call("cmac", key, message),
    aesBlock: (key) => new RemoteAes(call, key),
    hkdfSha256: (salt, key, info, length) => call("hkdfSha256", salt, key, info, length),
    p256: { generate: absent, sharedSecret: absent },
    random: (length) => call("random", length),
  };
}

function board(call: Call, chipId: Uint8Array): Board {
  return {
    chipId,
    resetReason: "power-on",
    batteryVoltage: () => call("battery"),
    crc16,
    feedWatchdog: () => call("feed"),
    restart: () => {
      throw new Error("restart: the simulator switches its devices on and off itself");
    },
  };
}

/** The I2C bus as drivers want it: a constructor. */
export function i2c(call: Call): new (options: { readonly address: number; readonly hz: number }) => I2C {
  return class implements I2C {
    readonly #address: number;

    constructor(options: { readonly address: number; readonly hz: number }) {
      this.#address = options.address;
    }

    write(data: Uint8Array): void {
      call("i2cWrite", this.#address, data);
    }

    read(length: number): Uint8Array {
      return call("i2cRead", this.#address, length);
    }

    close(): void {}
  };
}

export class RemoteSerial implements Serial {
  onReadable: ((bytes: number) => void) | undefined;
  onWritable: ((bytes: number) => void) | undefined;
  readonly #call: Call;

  constructor(call: Call) {
    this.#call = call;
  }

  read(length?: number): Uint8Array | undefined {
    return this.#call("serialRead", length);
  }

  write(data: Uint8Array): void {
    this.#call("serialWrite", data);
  }

  get writable(): number {
    return this.#call("serialWritable");
  }

  setBaud(baud: number): void {
    this.#call("serialBaud", baud);
  }

  get overruns(): number {
    return this.#call("serialOverruns");
  }

  close(): void {}
}

export function modemPort(call: Call): ModemPort & { readonly serial: RemoteSerial } {
  return {
    serial: new RemoteSerial(call),
    powerOn: { write: (high) => call("powerOn", high) },
    reset: { write: (high) => call("reset", high) },
    vInt: { read: () => call("vInt") },
  };
}

export interface RemoteHal extends Hal {
  readonly clock: RemoteClock;
}

export function remoteHal(call: Call, chipId: Uint8Array): RemoteHal {
  return {
    clock: new RemoteClock(),
    crypto: crypto(call),
    bearer: new RemoteBearer(call),
    storage: storage(call),
    board: board(call, chipId),
  };
}
