/** The simulator's side of a device in XS: answers its HAL's calls with the parts that a device on Node would be given. */

import { toHex } from "../../firmware/bytes/hex.js";
import type { Aead, I2C } from "../../hal/hal.js";
import type { Equipment } from "../engine.js";
import type { HalCalls } from "./calls.js";

/** Keys that are kept with their schedules. */
const KEYS = 64;

/** Values by key, the oldest thrown out. */
class KeyCache<T> {
  readonly #values = new Map<string, T>();

  get(key: Uint8Array, make: () => T): T {
    const name = toHex(key);
    let value = this.#values.get(name);
    if (value === undefined) {
      value = make();
      if (this.#values.size >= KEYS) this.#values.delete(this.#values.keys().next().value!);
      this.#values.set(name, value);
    }
    return value;
  }
}

function present<T>(part: T | undefined, name: string): T {
  if (part === undefined) throw new Error(`this device has no ${name}`);
  return part;
}

export function halAnswers({ hal, i2c, modem }: Equipment): HalCalls {
  const { bearer, board, crypto, storage } = hal;
  const buses = new Map<number, I2C>();
  const bus = (address: number) => {
    let open = buses.get(address);
    if (open === undefined) {
      open = new (present(i2c, "I2C bus"))({ address, hz: 400_000 });
      buses.set(address, open);
    }
    return open;
  };
  const aeads = new Map<number, KeyCache<Aead>>();
  const ccm = (key: Uint8Array, tag: number) => {
    const known = aeads.get(tag) ?? new KeyCache<Aead>();
    aeads.set(tag, known);
    return known.get(key, () => crypto.ccm(key, tag as 4 | 8 | 16));
  };
  const blocks = new KeyCache<ReturnType<typeof crypto.aesBlock>>();
  const block = new Uint8Array(16);
  const port = () => present(modem, "modem");
  return {
    send: (data, count, interval) => bearer.send(data, count, interval),
    free: () => bearer.free,
    get: (key) => storage.get(key),
    set: (key, value) => storage.set(key, value),
    delete: (key) => storage.delete(key),
    keys: () => storage.keys(),
    ccmSeal: (key, tag, nonce, aad, plaintext) => ccm(key, tag).seal(nonce, aad, plaintext),
    ccmOpen: (key, tag, nonce, aad, sealed) => ccm(key, tag).open(nonce, aad, sealed),
    cmac: (key, message) => crypto.cmac(key, message),
    aesEncrypt: (key, plaintext) => {
      blocks.get(key, () => crypto.aesBlock(key)).encrypt(plaintext, block);
      return block;
    },
    hkdfSha256: (salt, key, info, length) => crypto.hkdfSha256(salt, key, info, length),
    random: (length) => crypto.random(length),
    battery: () => board.batteryVoltage(),
    feed: () => board.feedWatchdog(),
    i2cWrite: (address, data) => bus(address).write(data),
    i2cRead: (address, length) => bus(address).read(length),
    serialRead: (length) => port().serial.read(length),
    serialWrite: (data) => port().serial.write(data),
    serialWritable: () => port().serial.writable,
    serialBaud: (baud) => port().serial.setBaud(baud),
    serialOverruns: () => port().serial.overruns,
    powerOn: (high) => port().powerOn?.write(high),
    reset: (high) => port().reset?.write(high),
    vInt: () => port().vInt?.read() ?? false,
  };
}
