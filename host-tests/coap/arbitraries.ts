/** Generators of CoAP messages for property tests. */

import fc from "fast-check";
import { type CoapMessage, type CoapOption, Type } from "../../firmware/coap/message.js";
import { OPTIONS } from "../../firmware/coap/options.js";

const bytes = (maxLength: number, minLength = 0) =>
  fc.uint8Array({ minLength, maxLength }).map((value) => new Uint8Array(value));

/** Any option at all: the numbers and lengths that change the encoded form are likely. */
export function arbitraryOption(): fc.Arbitrary<CoapOption> {
  const number = fc.oneof(
    fc.constantFrom(...OPTIONS.keys()),
    fc.constantFrom(0, 12, 13, 14, 268, 269, 270, 65535),
    fc.nat({ max: 65535 }),
  );
  const value = fc.oneof(
    bytes(16),
    fc.constantFrom(12, 13, 14, 268, 269, 270).chain((length) => bytes(length, length)),
  );
  return fc.record({ number, value }, { noNullPrototype: true });
}

export function arbitraryOptions(maxLength = 6): fc.Arbitrary<CoapOption[]> {
  return fc
    .array(arbitraryOption(), { maxLength })
    .map((options) => options.sort((a, b) => a.number - b.number));
}

/** Any message with content: a request or a response, of any type. */
export function arbitraryMessage(): fc.Arbitrary<CoapMessage> {
  return fc.record(
    {
      type: fc.constantFrom(Type.CON, Type.NON, Type.ACK, Type.RST),
      code: fc.oneof(fc.integer({ min: 1, max: 31 }), fc.integer({ min: 64, max: 191 })),
      messageId: fc.nat({ max: 0xffff }),
      token: bytes(8),
      options: arbitraryOptions(),
      payload: bytes(40),
    },
    { noNullPrototype: true },
  );
}
