import fc from "fast-check";
import { toHex } from "../../../firmware/bytes/hex.js";
import { ByteReader } from "../../../firmware/bytes/reader.js";
import { Refusal } from "../../../firmware/bytes/refusal.js";
import { BlockwiseServer } from "../../../firmware/coap/blockwise-server.js";
import { decodeMessage, decodeOptions, encodeMessage } from "../../../firmware/coap/codec.js";
import { parseLinks } from "../../../firmware/coap/link-format.js";
import { type CoapMessage, Type } from "../../../firmware/coap/message.js";
import { Code, OptionNumber } from "../../../firmware/coap/numbers.js";
import { type FuzzTarget, fuzzTarget, mutate, mutation } from "../target.js";

const NO_BYTES = new Uint8Array(0);

const message: fc.Arbitrary<CoapMessage> = fc.record({
  type: fc.constantFrom(Type.CON, Type.NON, Type.ACK, Type.RST),
  code: fc.constantFrom<number>(Code.GET, Code.POST, Code.PUT, Code.CONTENT, Code.CHANGED),
  messageId: fc.nat(0xffff),
  token: fc.uint8Array({ maxLength: 8 }),
  options: fc
    .array(fc.record({ number: fc.nat(2100), value: fc.uint8Array({ maxLength: 300 }) }), { maxLength: 8 })
    .map((options) => options.sort((a, b) => a.number - b.number)),
  payload: fc.uint8Array({ maxLength: 100 }),
});

const nearMessage = fc.oneof(
  fc.uint8Array({ maxLength: 1500 }),
  fc
    .tuple(
      message.map((one) => encodeMessage(one)),
      mutation,
    )
    .map(([bytes, change]) => mutate(bytes, change)),
);

/** Blocks of a few clients, in any order, with numbers and sizes that fit and that do not. */
const blocks = fc.array(
  fc.record({
    client: fc.constantFrom("a", "b", "c"),
    code: fc.constantFrom<number>(Code.GET, Code.POST),
    options: fc
      .array(
        fc.record({
          number: fc.constantFrom<number>(OptionNumber.BLOCK1, OptionNumber.BLOCK2, OptionNumber.REQUEST_TAG),
          value: fc.uint8Array({ maxLength: 4 }),
        }),
        { maxLength: 3 },
      )
      .map((options) => options.sort((a, b) => a.number - b.number)),
    payload: fc.nat(1100).map((length) => new Uint8Array(length)),
    wait: fc.constantFrom(0, 1000, 300_000),
  }),
  { maxLength: 60 },
);

const targets: readonly FuzzTarget[] = [
  fuzzTarget(
    "coap-message",
    "any bytes are a message or a refusal; a message's encoding is decoded to itself",
    nearMessage,
    (bytes) => {
      const decoded = decodeMessage(bytes);
      if (decoded instanceof Refusal) return;
      const encoded = encodeMessage(decoded);
      const again = decodeMessage(encoded);
      if (again instanceof Refusal) throw new Error(`refused what it encoded: ${again}`);
      if (toHex(encodeMessage(again)) !== toHex(encoded)) throw new Error("two encodings of one message");
    },
  ),

  fuzzTarget("coap-options", "any bytes are options with a payload, or a refusal", nearMessage, (bytes) => {
    const decoded = decodeOptions(new ByteReader(bytes));
    if (decoded instanceof Refusal) return;
    let last = 0;
    for (const { number } of decoded.options) {
      if (number < last) throw new Error("options out of order");
      last = number;
    }
  }),

  fuzzTarget("block-wise", "any blocks leave bounded state", blocks, (requests) => {
    const server = new BlockwiseServer({ limit: 8192, operations: 4, memory: 16_384 });
    let now = 0;
    for (const { client, wait, ...request } of requests) {
      now += wait;
      server.accept(client, { ...request, type: Type.CON, messageId: 0, token: NO_BYTES }, now);
      if (server.size > 4) throw new Error(`${server.size} operations`);
      if (server.used > 16_384) throw new Error(`${server.used} bytes`);
    }
  }),

  fuzzTarget("link-format", "any text is links or a refusal", fc.string({ maxLength: 400 }), (text) => {
    parseLinks(text);
  }),
];

export default targets;
