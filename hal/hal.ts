/**
 * The hardware abstraction: everything that `firmware/` wants from the world.
 *
 * Types only. `hal/host` implements them on Node (and is what the simulator and the mocks of the tests are built
 * from), `hal/nrf52` on the board. Times are milliseconds, lengths bytes, unless a name says otherwise.
 */

/** Stops what was scheduled; calling it twice, or after it ran, does nothing. */
export type Cancel = () => void;

/** The only time there is (DESIGN §4.1). */
export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. Fractions are allowed. */
  now(): number;
  /** Calls back once when `now() >= time`, never from inside this call. */
  at(time: number, callback: () => void): Cancel;
}

/** An AEAD with its key: what CCM, GCM or ChaCha20-Poly1305 look like from above. */
export interface Aead {
  /** Bytes that `seal` adds. */
  readonly tagLength: number;
  /**
   * Ciphertext with the tag behind it (RFC 5116 §5.3).
   * @param out where to put it; may be the plaintext's own memory. Without it a new array is made.
   */
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out?: Uint8Array): Uint8Array;
  /** The plaintext, or `undefined` when the tag does not fit: the one expected failure. `out` as in {@link seal}. */
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out?: Uint8Array): Uint8Array | undefined;
  /**
   * {@link seal} within a buffer: `length` bytes of it from `at` become ciphertext, and the tag is put behind them.
   * No view has to be made for it, which on a chip costs as much as the cipher.
   */
  sealAt(nonce: Uint8Array, aad: Uint8Array, bytes: Uint8Array, at: number, length: number): void;
  /** {@link open} within a buffer; `length` counts the tag. @returns whether the tag fits; if not, zeros are left. */
  openAt(nonce: Uint8Array, aad: Uint8Array, bytes: Uint8Array, at: number, length: number): boolean;
}

/** AES-128 with its key. */
export interface BlockCipher {
  /** One block: `e` of Mesh Protocol §3.9.2.1. `out` may be `block`. */
  encrypt(block: Uint8Array, out: Uint8Array): void;
  /** Adds (XOR) the first `length` bytes of the encrypted block to those of `bytes` from `at`. */
  mask(block: Uint8Array, bytes: Uint8Array, at: number, length: number): void;
}

/** A P-256 key pair; `publicKey` is X ‖ Y, 64 bytes, big-endian (Mesh Protocol §5.4.1.3). */
export interface P256KeyPair {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/**
 * Cryptographic primitives, and nothing built from them (DESIGN §4.3). Objects that hold a key also hold its
 * schedule, so make one per key, not one per message.
 */
export interface Crypto {
  /** AES-CCM (RFC 3610) with a 16- or 32-byte key; the length of the nonce (7 to 13 bytes) decides L. */
  ccm(key: Uint8Array, tagLength: 4 | 8 | 16): Aead;
  /**
   * Any other AEAD by its COSE number (RFC 9053 §4), `undefined` where this platform has none.
   * Boards need not have it: CCM is what a node speaks.
   */
  aead(coseAlgorithm: number, key: Uint8Array): Aead | undefined;
  /** AES-CMAC (RFC 4493), 16 bytes. */
  cmac(key: Uint8Array, message: Uint8Array): Uint8Array;
  /** @param key 16 bytes */
  aesBlock(key: Uint8Array): BlockCipher;
  /** HKDF (RFC 5869) with SHA-256, extract and expand in one. */
  hkdfSha256(salt: Uint8Array, inputKeyingMaterial: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** HKDF with SHA-512, where the platform has it. */
  hkdfSha512?(
    salt: Uint8Array,
    inputKeyingMaterial: Uint8Array,
    info: Uint8Array,
    length: number,
  ): Uint8Array;
  p256: {
    generate(): P256KeyPair;
    /** The X coordinate, 32 bytes; `undefined` when the peer's point is not on the curve. */
    sharedSecret(privateKey: Uint8Array, peerPublicKey: Uint8Array): Uint8Array | undefined;
  };
  /** Random bytes fit for keys. */
  random(length: number): Uint8Array;
}

/**
 * The radio as raw advertisements (DESIGN §4.2): all that the mesh wants from a chip.
 * `data` is one whole AD structure: length, AD type, payload; at most 31 bytes.
 */
export interface AdvertisingBearer {
  /**
   * Puts one AD structure on the air `count` times, `interval` milliseconds apart (plus the controller's random
   * 0–10 ms). Frames go out one after the other, in order. The bytes are copied.
   * @returns false when the transmit queue is full and nothing was taken.
   */
  send(data: Uint8Array, count: number, interval: number): boolean;
  /** Called for each AD structure heard. `data` is only valid during the call. `rssi` in dBm. */
  onReceive: ((data: Uint8Array, address: Uint8Array, rssi: number) => void) | undefined;
  /** Frames that can still be queued. */
  readonly free: number;
  /** Switches the receiver, which takes most of a battery node's current; absent where it cannot be. */
  listen?(on: boolean): void;
}

/** A serial port, in the shape of ECMA-419 Serial with `format: "buffer"`. */
export interface Serial {
  /** What has come, at most `length` bytes; `undefined` when nothing has. */
  read(length?: number): Uint8Array | undefined;
  /** Takes all of it or throws RangeError when it exceeds {@link writable}. The bytes are copied. */
  write(data: Uint8Array): void;
  /** Bytes that `write` takes now. */
  readonly writable: number;
  /** `bytes` can be read. */
  onReadable: ((bytes: number) => void) | undefined;
  /** `bytes` can be written again. */
  onWritable: ((bytes: number) => void) | undefined;
  /** Changes the speed once all output has left. */
  setBaud(baud: number): void;
  /** Bytes lost because nobody read in time. */
  readonly overruns: number;
  close(): void;
}

/** One output line; `true` is the electrical high level. */
export interface DigitalOut {
  write(high: boolean): void;
}

/** One input line. */
export interface DigitalIn {
  read(): boolean;
}

/** What a SARA-R4 is connected by. Lines that a board lacks are absent, and the driver does without. */
export interface ModemPort {
  readonly serial: Serial;
  readonly powerOn?: DigitalOut;
  readonly reset?: DigitalOut;
  readonly vInt?: DigitalIn;
}

/** An I2C device's address on one bus, in the shape of ECMA-419 I2C. Throws when the device does not acknowledge. */
export interface I2C {
  write(data: Uint8Array): void;
  read(length: number): Uint8Array;
  close(): void;
}

/** In the shape of ECMA-419's sensor classes. A field is absent when its checksum was wrong. */
export interface HumidityTemperatureSample {
  /** °C */
  readonly thermometer?: { readonly temperature: number };
  /** relative humidity in percent, as Moddable's drivers give it */
  readonly hygrometer?: { readonly humidity: number };
}

export interface HumidityTemperatureSensor {
  /** `undefined` when the sensor does not answer. May take the sensor's measuring time. */
  sample(): HumidityTemperatureSample | undefined;
}

/**
 * The same in two steps, so that nothing waits while the sensor measures: what the roles use. A driver that can only
 * `sample` measures in `read`.
 */
export interface SteppedHumidityTemperatureSensor {
  /** Starts a measurement. @returns false when the sensor did not answer */
  start(now: number): boolean;
  /** When `read` will have the result, ms; `Infinity` when nothing was started. */
  readonly deadline: number;
  /** The sample once `deadline` has come; `undefined` when there is none. */
  read(now: number): HumidityTemperatureSample | undefined;
}

/**
 * Small values that outlive power: counters, keys, identity. `set` and `delete` return when the change is durable; a
 * power cut at any moment leaves the old value or the new one. Keys are short ASCII names, values at most 512 bytes.
 */
export interface KeyValueStore {
  get(key: string): Uint8Array | undefined;
  set(key: string, value: Uint8Array): void;
  delete(key: string): void;
  keys(): string[];
}

/** Why the chip started. */
export type ResetReason = "power-on" | "pin" | "watchdog" | "software" | "lockup" | "wake-up" | "unknown";

/** The board itself. */
export interface Board {
  /** Unique, 8 bytes (FICR DEVICEID on nRF52). */
  readonly chipId: Uint8Array;
  readonly resetReason: ResetReason;
  /** Millivolts, `undefined` where it cannot be measured. */
  batteryVoltage(): number | undefined;
  /** Keeps the watchdog from resetting the chip. */
  feedWatchdog(): void;
  restart(): void;
  /** CRC-16/CCITT-FALSE of an ASCII text: polynomial 0x1021, initial value 0xFFFF. */
  crc16(text: string): number;
}

/** A message that came up from the mesh's access layer. */
export interface MeshMessage {
  /** Unicast address of the sending element. */
  readonly source: number;
  /** Unicast, group or virtual address that it was sent to. */
  readonly destination: number;
  /** 1-, 2- or 3-byte opcode as a number: 0xC1FFFF is vendor opcode 1 of company 0xFFFF (as on the air, company little-endian). */
  readonly opcode: number;
  /** Only valid during the call. */
  readonly parameters: Uint8Array;
  /** The TTL field as it arrived. With the sender's initial TTL it tells the hops. */
  readonly ttl: number;
  /** dBm of the last hop. */
  readonly rssi: number;
}

/** How a message that was to be acknowledged by the peer's lower transport (SAR) ended. */
export type MeshSendOutcome = "sent" | "acknowledged" | "timed-out" | "busy" | "cancelled";

/** What the roles see of a mesh stack, so that another one could stand in (DESIGN §4.2). */
export interface MeshNode {
  /** Unicast address of the primary element. */
  readonly address: number;
  /**
   * Sends an access message with the node's AppKey.
   * @param ttl default: the node's default TTL
   * @param done called once; for unsegmented messages and group destinations with "sent" when queued
   * @returns false when the stack has no room for it now
   */
  send(
    destination: number,
    opcode: number,
    parameters: Uint8Array,
    options?: { ttl?: number; done?: (outcome: MeshSendOutcome) => void },
  ): boolean;
  onMessage: ((message: MeshMessage) => void) | undefined;
}

/** All of it: what a role is given. */
export interface Hal {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly bearer: AdvertisingBearer;
  readonly storage: KeyValueStore;
  readonly board: Board;
}
