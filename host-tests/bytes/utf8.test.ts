import assert from "node:assert/strict";
import fc from "fast-check";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeUtf8, encodeUtf8, utf8Length } from "../../firmware/bytes/utf8.js";

describe("utf8", () => {
  it("encodes as the platform does", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const expected = new TextEncoder().encode(text);
        assert.deepEqual(encodeUtf8(text), expected);
        assert.equal(utf8Length(text), expected.length);
      }),
    );
  });

  it("decodes, and refuses, as the platform does", () => {
    const platform = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const expected = (bytes: Uint8Array) => {
      try {
        return platform.decode(bytes);
      } catch {
        return undefined;
      }
    };
    const nearUtf8 = fc
      .array(
        fc.constantFrom(0x41, 0x80, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xa0, 0xed, 0xef, 0xf0, 0x90, 0xf4, 0xf5),
        {
          maxLength: 8,
        },
      )
      .map((bytes) => Uint8Array.from(bytes));
    fc.assert(
      fc.property(
        fc.oneof(nearUtf8, fc.uint8Array(), fc.string({ unit: "binary" }).map(encodeUtf8)),
        (bytes) => {
          const decoded = decodeUtf8(bytes);
          assert.equal(decoded instanceof Refusal ? undefined : decoded, expected(bytes));
        },
      ),
      { numRuns: 2000 },
    );
  });
});
