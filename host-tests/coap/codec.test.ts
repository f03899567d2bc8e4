import assert from "node:assert/strict";
import fc from "fast-check";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { ByteReader } from "../../firmware/bytes/reader.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { encodeUtf8 } from "../../firmware/bytes/utf8.js";
import { ByteWriter } from "../../firmware/bytes/writer.js";
import {
  CoapFieldError,
  decodeMessage,
  decodeOptions,
  emptyMessage,
  encodeMessage,
  encodeOptions,
  resetFor,
} from "../../firmware/coap/codec.js";
import { type CoapMessage, type CoapOption, Type } from "../../firmware/coap/message.js";
import { Code, OptionNumber } from "../../firmware/coap/numbers.js";
import { stringOption } from "../../firmware/coap/options.js";
import { arbitraryMessage } from "./arbitraries.js";

const NONE = new Uint8Array(0);

/** RFC 7252 Appendix A, each message of figures 16 to 22 once (16 and 17 with the bytes drawn there). */
const APPENDIX_A: [string, string, CoapMessage][] = [
  [
    "figure 16, request",
    "4001 7d34 bb 74656d7065726174757265",
    message(Type.CON, Code.GET, 0x7d34, "", "temperature"),
  ],
  [
    "figure 16, piggybacked response",
    "6045 7d34 ff 32322e332043",
    message(Type.ACK, Code.CONTENT, 0x7d34, "", undefined, "22.3 C"),
  ],
  [
    "figure 17, request with a token",
    "4101 7d35 20 bb 74656d7065726174757265",
    message(Type.CON, Code.GET, 0x7d35, "20", "temperature"),
  ],
  [
    "figure 17, response",
    "6145 7d35 20 ff 32322e332043",
    message(Type.ACK, Code.CONTENT, 0x7d35, "20", undefined, "22.3 C"),
  ],
  [
    "figure 18, request retransmitted",
    "4101 7d36 31 bb 74656d7065726174757265",
    message(Type.CON, Code.GET, 0x7d36, "31", "temperature"),
  ],
  ["figure 20, empty acknowledgement", "6000 7d38", message(Type.ACK, Code.EMPTY, 0x7d38, "")],
  [
    "figure 20, separate response",
    "4145 ad7b 53 ff 32322e332043",
    message(Type.CON, Code.CONTENT, 0xad7b, "53", undefined, "22.3 C"),
  ],
  ["figure 20, acknowledgement of it", "6000 ad7b", message(Type.ACK, Code.EMPTY, 0xad7b, "")],
  [
    "figure 22, NON request",
    "5101 7d40 75 bb 74656d7065726174757265",
    message(Type.NON, Code.GET, 0x7d40, "75", "temperature"),
  ],
  [
    "figure 22, NON response",
    "5145 ad7d 75 ff 32322e332043",
    message(Type.NON, Code.CONTENT, 0xad7d, "75", undefined, "22.3 C"),
  ],
  ["figure 21, reset", "7000 ad7c", message(Type.RST, Code.EMPTY, 0xad7c, "")],
];

function message(
  type: Type,
  code: number,
  messageId: number,
  token: string,
  path?: string,
  payload?: string,
): CoapMessage {
  return {
    type,
    code,
    messageId,
    token: hex(token),
    options: path === undefined ? [] : [stringOption(OptionNumber.URI_PATH, path)],
    payload: payload === undefined ? NONE : encodeUtf8(payload),
  };
}

describe("CoAP codec", () => {
  for (const [name, bytes, parsed] of APPENDIX_A) {
    it(`RFC 7252 appendix A, ${name}`, () => {
      assert.deepEqual(decodeMessage(hex(bytes)), parsed);
      assert.equal(toHex(encodeMessage(parsed)), bytes.replaceAll(" ", ""));
    });
  }

  it("encodes deltas and lengths at each border of the extended forms", () => {
    const lengths = [0, 12, 13, 268, 269, 270, 1034];
    const numbers = [0, 12, 13, 268, 269, 270, 65535];
    for (const number of numbers) {
      for (const length of lengths) {
        const options = [{ number, value: new Uint8Array(length).fill(7) }];
        const writer = new ByteWriter();
        encodeOptions(options, writer);
        const extended = (value: number) => (value < 13 ? 0 : value < 269 ? 1 : 2);
        assert.equal(writer.length, 1 + extended(number) + extended(length) + length);
        assert.deepEqual(decodeOptions(writer.view()), { options, payload: NONE });
      }
    }
    const writer = new ByteWriter();
    encodeOptions([{ number: 65535, value: new Uint8Array(65535 + 269) }], writer);
    assert.equal(writer.length, 1 + 2 + 2 + 65804);
  });

  const refusals: [string, string, string, boolean][] = [
    ["nothing", "", "coap-too-short", false],
    ["three bytes", "400112", "coap-too-short", false],
    ["version 0", "00011234", "coap-version", false],
    ["version 2 with a broken rest", "8f011234", "coap-version", false],
    ["token length 9", "49011234010203040506070809", "coap-token-length", true],
    ["token length 15", "4f011234", "coap-token-length", true],
    ["token past the end", "44011234010203", "coap-token-cut", true],
    ["code class 1", "40201234", "coap-code-class", true],
    ["code class 6", "40c01234", "coap-code-class", true],
    ["code class 7", "40e11234", "coap-code-class", true],
    ["empty with a token", "4100123401", "coap-empty-with-content", true],
    ["empty with token length, cut", "41001234", "coap-empty-with-content", true],
    ["empty with a payload", "40001234ff01", "coap-empty-with-content", true],
    ["delta 15", "40011234f1aa", "coap-option-delta", true],
    ["length 15", "400112341faa", "coap-option-length", true],
    ["extended delta missing", "40011234d0", "coap-option-cut", true],
    ["extended delta half", "40011234e001", "coap-option-cut", true],
    ["extended length missing", "400112340d", "coap-option-cut", true],
    ["extended length half", "400112340e01", "coap-option-cut", true],
    ["value past the end", "4001123413aabb", "coap-option-cut", true],
    ["option number 65536", "40011234e0fef310", "coap-option-number", true],
    ["marker without payload", "40011234ff", "coap-payload-marker", true],
    ["the same in a NON", "50011234ff", "coap-payload-marker", false],
    ["the same in an ACK", "60451234ff", "coap-payload-marker", false],
    ["the same in a RST", "70451234ff", "coap-payload-marker", false],
  ];
  for (const [name, bytes, reason, reset] of refusals) {
    it(`refuses ${name} as ${reason}, ${reset ? "with a RST" : "silently"}`, () => {
      const refused = decodeMessage(hex(bytes));
      assert.ok(refused instanceof Refusal);
      assert.equal(refused.reason, reason);
      const answer = resetFor(hex(bytes));
      assert.equal(answer === undefined ? undefined : toHex(answer), reset ? "70001234" : undefined);
    });
  }

  it("takes options and payload from where a reader stands, as in an OSCORE plaintext", () => {
    const plaintext = hex("01 b3 747631 ff 0102");
    const reader = new ByteReader(plaintext);
    assert.equal(reader.u8(), Code.GET);
    assert.deepEqual(decodeOptions(reader), {
      options: [stringOption(OptionNumber.URI_PATH, "tv1")],
      payload: hex("0102"),
    });
  });

  it("throws for what no message can hold, naming the field", () => {
    const base = message(Type.CON, Code.GET, 1, "");
    const option = (number: number, length = 0): CoapOption => ({ number, value: new Uint8Array(length) });
    const wrong: [CoapMessage, string][] = [
      [{ ...base, messageId: 0x10000 }, "message ID"],
      [{ ...base, messageId: Number.NaN }, "message ID"],
      [{ ...base, code: 256 }, "code"],
      [{ ...base, token: new Uint8Array(9) }, "token length"],
      [{ ...base, options: [option(11), option(3)] }, "options out of order at number"],
      [{ ...base, options: [option(65536)] }, "option number"],
      [{ ...base, options: [option(1.5)] }, "option number"],
      [{ ...base, options: [option(1, 65805)] }, "option length"],
    ];
    for (const [bad, field] of wrong) {
      assert.throws(
        () => encodeMessage(bad),
        (error) => error instanceof CoapFieldError && error.field === field,
      );
    }
  });

  it("makes empty messages", () => {
    assert.equal(toHex(emptyMessage(Type.ACK, 0xbeef)), "6000beef");
    assert.equal(toHex(emptyMessage(Type.CON, 1)), "40000001");
  });

  it("decode is the inverse of encode", () => {
    const writer = new ByteWriter();
    fc.assert(
      fc.property(arbitraryMessage(), (sent) => {
        const bytes = encodeMessage(sent);
        assert.deepEqual(encodeMessage(sent, writer), bytes);
        assert.deepEqual(decodeMessage(bytes), sent);
      }),
    );
  });

  it("arbitrary bytes never throw, and what is taken is encoded to no more bytes", () => {
    const header = fc.uint8Array({ minLength: 3, maxLength: 3 });
    const nearly = fc
      .tuple(fc.integer({ min: 0x40, max: 0x7f }), header, fc.uint8Array({ maxLength: 60 }))
      .map(([first, rest, tail]) => new Uint8Array([first, ...rest, ...tail]));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), nearly), (bytes) => {
        const decoded = decodeMessage(bytes);
        resetFor(bytes);
        if (decoded instanceof Refusal) return;
        // Extended forms of small numbers are not shortest, so the bytes need not come back; the meaning does.
        const again = encodeMessage(decoded);
        assert.ok(again.length <= bytes.length);
        assert.deepEqual(decodeMessage(again), decoded);
      }),
      { numRuns: 2000 },
    );
  });

  it("a datagram full of empty options is parsed, one object each", () => {
    const bytes = new Uint8Array(65000);
    bytes.set([0x40, Code.GET, 0, 1]);
    const decoded = decodeMessage(bytes);
    assert.ok(!(decoded instanceof Refusal));
    assert.equal(decoded.options.length, bytes.length - 4);
  });
});
