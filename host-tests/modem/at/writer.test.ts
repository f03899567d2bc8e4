import assert from "node:assert/strict";
import { redact } from "../../../firmware/modem/at/log.js";
import { AtArgumentError, AtWriter, checkString } from "../../../firmware/modem/at/writer.js";

function text(writer: AtWriter): string {
  return String.fromCharCode(...writer.view());
}

describe("AT writer", () => {
  it("writes commands, strings, numbers and upper-case hex", () => {
    const writer = new AtWriter();
    writer
      .begin()
      .text("AT+USOST=")
      .int(0)
      .text(",")
      .string("192.0.2.1")
      .text(",")
      .int(5683)
      .text(",")
      .int(3);
    writer
      .text(",")
      .hex(Uint8Array.of(0, 0xab, 0xff))
      .end();
    assert.equal(text(writer), 'AT+USOST=0,"192.0.2.1",5683,3,"00ABFF"\r');
    assert.equal(text(writer.begin().text("AT").end()), "AT\r");
  });

  it("has room for the longest datagram in hex, and none for more", () => {
    const writer = new AtWriter(512);
    writer.begin().text('AT+USOST=0,"255.255.255.255",65535,512,').hex(new Uint8Array(512)).end();
    assert.throws(() => writer.begin().hex(new Uint8Array(700)), AtArgumentError);
    assert.throws(() => writer.begin().text("x".repeat(3000)), AtArgumentError);
  });

  it("refuses strings that would break out of their quotes, without telling the value", () => {
    for (const bad of ["", 'a"b', "a,b", "a\rb", "a\0b", "a\u0015b", "é", "x".repeat(300)]) {
      assert.throws(
        () => checkString("apn", bad),
        (error: unknown) =>
          error instanceof AtArgumentError &&
          error.argument === "apn" &&
          !(bad && error.message.includes(bad)),
      );
    }
    checkString("apn", "iot.1nce.net");
  });
});

describe("AT log", () => {
  it("cuts PINs, passwords and payloads out and shortens identities", () => {
    assert.equal(redact('AT+CPIN="1234"'), "AT+CPIN=***");
    assert.equal(redact('AT+UAUTHREQ=1,2,"secret","user"'), "AT+UAUTHREQ=***");
    assert.equal(redact('AT+CPWD="SC","0000","1111"'), "AT+CPWD=***");
    assert.equal(redact('AT+USOST=0,"192.0.2.1",5683,2,"ABCD"'), 'AT+USOST=0,"192.0.2.1",5683,2,"…"');
    assert.equal(redact('+USORF: 0,"192.0.2.1",5683,2,"ABCD"'), '+USORF: 0,"192.0.2.1",5683,2,"…"');
    assert.equal(redact('+USORD: 0,2,"ABCD"'), '+USORD: 0,2,"…"');
    assert.equal(redact("004999010640000"), "…0000");
    assert.equal(redact("+CCID: 8988211000000000004"), "+CCID: …0004");
    assert.equal(redact("+CEREG: 2,1"), "+CEREG: 2,1");
  });
});
