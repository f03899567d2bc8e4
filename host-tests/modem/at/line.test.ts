import assert from "node:assert/strict";
import fc from "fast-check";
import { toHex } from "../../../firmware/bytes/hex.js";
import { AtLine } from "../../../firmware/modem/at/line.js";

function line(text: string): AtLine {
  const bytes = Uint8Array.from(`xx${text}yy`, (character) => character.charCodeAt(0));
  return new AtLine(bytes).set(2, bytes.length - 2);
}

describe("AT line", () => {
  it("compares inside its window only", () => {
    const ok = line("OK");
    assert.equal(ok.equals("OK"), true);
    assert.equal(ok.equals("OKy"), false);
    assert.equal(ok.startsWith("O"), true);
    assert.equal(ok.startsWith("OKyy"), false);
    assert.equal(ok.startsWith("K", 1), true);
    assert.equal(ok.text(), "OK");
  });

  it("walks over fields of every kind", () => {
    const cereg = line('+CEREG: 4,1,"3A9B","0000","01A0D101",7,,,"00000000"');
    assert.equal(cereg.after("+CEREG:"), true);
    assert.equal(cereg.int(), 4);
    assert.equal(cereg.int(), 1);
    assert.equal(cereg.quoted, true);
    assert.equal(cereg.string(), "3A9B");
    assert.equal(cereg.string(), "0000");
    assert.equal(cereg.string(), "01A0D101");
    assert.equal(cereg.int(), 7);
    assert.equal(cereg.int(), undefined);
    assert.equal(cereg.string(), "");
    assert.equal(cereg.string(), "00000000");
    assert.equal(cereg.more, false);
    assert.equal(cereg.string(), undefined);
  });

  it("gives no number for what is none, and goes on behind it", () => {
    const odd = line("+X: 12a,-5,,7");
    odd.after("+X:");
    assert.deepEqual(
      [odd.int(), odd.int(), odd.int(), odd.int(), odd.int()],
      [undefined, -5, undefined, 7, undefined],
    );
  });

  it("does not look past its end for a comma or a quote", () => {
    const bytes = Uint8Array.from('+X: 1"ab,"', (character) => character.charCodeAt(0));
    const one = new AtLine(bytes).set(0, 5);
    one.after("+X:");
    assert.equal(one.int(), 1);
    assert.equal(one.more, false);
    const open = new AtLine(bytes).set(0, 8);
    open.after("+X: 1");
    assert.equal(open.string(), undefined);
  });

  it("decodes hex of either case in place, and refuses other lengths and characters", () => {
    const read = (text: string, length: number) => {
      const one = line(`+USORF: "${text}"`);
      one.after("+USORF:");
      const bytes = one.hex(length);
      return bytes && toHex(bytes);
    };
    assert.equal(read("00aBFf", 3), "00abff");
    assert.equal(read("", 0), "");
    assert.equal(read("00aBFf", 2), undefined);
    assert.equal(read("00aBFf", 4), undefined);
    assert.equal(read("00aBFg", 3), undefined);
  });

  it("takes binary data by its length, quotes and commas and all", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (data) => {
        const text = String.fromCharCode(...data);
        const one = line(`+USORF: 3,"${text}",9`);
        one.after("+USORF:");
        assert.equal(one.int(), 3);
        assert.deepEqual(one.binary(data.length), data);
        assert.equal(one.int(), 9);
      }),
    );
  });

  it("knows where a piece of echo goes on", () => {
    const sent = Uint8Array.from("AT+USOST=0", (character) => character.charCodeAt(0));
    assert.equal(line("AT+US").matches(sent, 0), true);
    assert.equal(line("OST=0").matches(sent, 5), true);
    assert.equal(line("OST=0").matches(sent, 4), false);
    assert.equal(line("OST=01").matches(sent, 5), false);
  });
});
