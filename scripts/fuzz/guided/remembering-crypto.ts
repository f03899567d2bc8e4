import { toHex } from "../../../firmware/bytes/hex.js";
import type { Aead, Crypto } from "../../../hal/hal.js";
import { hostCrypto } from "../../../hal/host/crypto.js";

/** What is derived from the few keys of a target is derived once, and not for each of ten million inputs. */
const CAPACITY = 4096;

function remembered<Result>(cache: Map<string, Result>, key: string, make: () => Result): Result {
  let result = cache.get(key);
  if (result === undefined) {
    if (cache.size >= CAPACITY) cache.clear();
    result = make();
    cache.set(key, result);
  }
  return result;
}

/** The host's primitives, which remember; random numbers are none, so that an input has one history. */
export function rememberingCrypto(): Crypto {
  const aeads = new Map<string, Aead>();
  const tags = new Map<string, Uint8Array>();
  const blocks = new Map<string, ReturnType<Crypto["aesBlock"]>>();
  const derived = new Map<string, Uint8Array>();
  return {
    ...hostCrypto,
    ccm: (key, tagLength) =>
      remembered(aeads, `${toHex(key)} ${tagLength}`, () => hostCrypto.ccm(key, tagLength)),
    cmac: (key, message) =>
      remembered(tags, `${toHex(key)} ${toHex(message)}`, () => hostCrypto.cmac(key, message)).slice(),
    aesBlock: (key) => remembered(blocks, toHex(key), () => hostCrypto.aesBlock(key)),
    hkdfSha256: (salt, key, info, length) =>
      remembered(derived, `${toHex(salt)} ${toHex(key)} ${toHex(info)} ${length}`, () =>
        hostCrypto.hkdfSha256(salt, key, info, length),
      ).slice(),
    random: (length) => new Uint8Array(length).fill(7),
  };
}
