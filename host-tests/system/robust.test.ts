import assert from "node:assert/strict";
import { toHex } from "../../firmware/bytes/hex.js";
import { secretsIn } from "../../scripts/robust/secrets.js";

describe("the search for secrets", () => {
  const secret = { name: "a key", bytes: Uint8Array.from({ length: 16 }, (_, i) => (i * 37 + 11) & 0xff) };

  it("finds a key in every form in which it could leave", () => {
    const forms = [
      Buffer.from(secret.bytes),
      Buffer.from(toHex(secret.bytes)),
      Buffer.from(toHex(secret.bytes).toUpperCase()),
      Buffer.from(JSON.stringify([...secret.bytes])),
      ...[0, 1, 2].map((before) =>
        Buffer.from(
          Buffer.concat([Buffer.alloc(before, 0x55), secret.bytes, Buffer.alloc(2)]).toString("base64url"),
        ),
      ),
    ];
    for (const form of forms) {
      const output = Buffer.concat([Buffer.from("before "), form, Buffer.from(" behind")]);
      assert.deepEqual(secretsIn(output, [secret]), ["a key"], form.toString("latin1"));
    }
  });

  it("does not find what is not there", () => {
    const other = Uint8Array.from(secret.bytes, (byte) => byte ^ 1);
    assert.deepEqual(secretsIn(Buffer.from(toHex(other)), [secret]), []);
  });
});
