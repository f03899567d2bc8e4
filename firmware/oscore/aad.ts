import { CborWriter } from "../bytes/cbor.js";
import { ByteWriter } from "../bytes/writer.js";
import { encodeOptions } from "../coap/codec.js";
import type { CoapOption } from "../coap/message.js";
import { MAX_PARTIAL_IV_LENGTH } from "./option.js";
import { encodePartialIv, partialIvLength, writePartialIv } from "./partial-iv.js";

const OSCORE_VERSION = 1;
const NO_BYTES = new Uint8Array(0);

/**
 * The Additional Authenticated Data: Enc_structure around external_aad (RFC 8613 §5.4, RFC 9052 §5.3).
 * @param classI the message's Class I options, of which none is registered
 */
export function encodeAad(
  algorithm: number,
  requestKid: Uint8Array,
  requestPartialIv: Uint8Array,
  classI: readonly CoapOption[] = [],
): Uint8Array {
  const options = new ByteWriter(16);
  encodeOptions(classI, options);
  const externalAad = new CborWriter(new ByteWriter(32))
    .array(5)
    .int(OSCORE_VERSION)
    .array(1)
    .int(algorithm)
    .bytes(requestKid)
    .bytes(requestPartialIv)
    .bytes(options.view())
    .out.finish();
  return new CborWriter(new ByteWriter(48))
    .array(3)
    .text("Encrypt0")
    .bytes(NO_BYTES)
    .bytes(externalAad)
    .out.finish();
}

/**
 * The AADs of all exchanges whose requests carry one kid: they differ only in the request's Partial IV, so one array
 * for each length of it is kept and the bytes are put into their place.
 */
export class AadTemplate {
  readonly #algorithm: number;
  readonly #kid: Uint8Array;
  readonly #byLength: (Uint8Array | undefined)[];

  constructor(algorithm: number, kid: Uint8Array) {
    this.#algorithm = algorithm;
    this.#kid = kid;
    this.#byLength = new Array(MAX_PARTIAL_IV_LENGTH + 1).fill(undefined);
  }

  /** The AAD without Class I options. Valid until the next call. */
  fill(requestPartialIv: number): Uint8Array {
    const length = partialIvLength(requestPartialIv);
    let aad = this.#byLength[length];
    if (aad === undefined) {
      aad = encodeAad(this.#algorithm, this.#kid, encodePartialIv(requestPartialIv));
      this.#byLength[length] = aad;
    } else {
      // Behind the Partial IV only the empty `options` remains, one byte.
      writePartialIv(requestPartialIv, aad, aad.length - 1 - length, length);
    }
    return aad;
  }

  /** The AAD with Class I options, always encoded anew. */
  encode(requestPartialIv: number, classI: readonly CoapOption[]): Uint8Array {
    return encodeAad(this.#algorithm, this.#kid, encodePartialIv(requestPartialIv), classI);
  }
}
