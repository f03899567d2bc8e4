import assert from "node:assert/strict";
import fc from "fast-check";
import { Counters } from "../../../firmware/bytes/counters.js";
import { AtParser } from "../../../firmware/modem/at/parser.js";

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function parserOf() {
  const events: string[] = [];
  const counters = new Counters();
  const parser = new AtParser(
    (line) => events.push(line.text(0, 2000)),
    () => events.push("<prompt>"),
    counters,
  );
  return { parser, events, counters };
}

/** Feeds the text in pieces that end at the given places. */
function feedInPieces(parser: AtParser, text: string, cuts: readonly number[]): void {
  const bytes = bytesOf(text);
  let from = 0;
  for (const cut of [...cuts.map((c) => c % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)) {
    parser.feed(bytes.subarray(from, cut));
    from = cut;
  }
}

describe("AT parser", () => {
  it("cuts lines at CR, LF and both, and passes over empty ones", () => {
    const { parser, events } = parserOf();
    parser.feed(bytesOf("AT\r\r\nOK\r\n\n\r+CREG: 1\nRING\r"));
    assert.deepEqual(events, ["AT", "OK", "+CREG: 1", "RING"]);
  });

  it("passes over the NULs of a booting modem", () => {
    const { parser, events } = parserOf();
    parser.feed(bytesOf("\0\0\r\nOK\r\n\0\0\0AT\r"));
    assert.deepEqual(events, ["OK", "AT"]);
  });

  it("gives the same lines however the bytes are cut", () => {
    const stream = '\0\0AT+CEREG?\r\r\n+CEREG: 2,1,"3A9B","01A0D101",7\r\n\r\nOK\r\n\r\n+UUSORF: 0,17\r\n';
    const expected = ["AT+CEREG?", '+CEREG: 2,1,"3A9B","01A0D101",7', "OK", "+UUSORF: 0,17"];
    fc.assert(
      fc.property(fc.array(fc.nat(200), { maxLength: 12 }), (cuts) => {
        const { parser, events } = parserOf();
        feedInPieces(parser, stream, cuts);
        assert.deepEqual(events, expected);
      }),
    );
  });

  it("sees a prompt only when one is expected, and only at the start of a line", () => {
    const { parser, events } = parserOf();
    parser.feed(bytesOf("\r\n@"));
    assert.deepEqual(events, []);
    parser.feed(bytesOf("\r\n"));
    parser.expectPrompt(64);
    parser.feed(bytesOf("+UUSORF: 0,5\r\n\r\n@"));
    assert.deepEqual(events, ["@", "+UUSORF: 0,5", "<prompt>"]);
    parser.feed(bytesOf("\r\n+USOST: 0,5\r\n"));
    assert.deepEqual(events.at(-1), "+USOST: 0,5");
  });

  it("reads binary data by its length, whatever is in it and however it is cut", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 80 }),
        fc.array(fc.nat(300), { maxLength: 10 }),
        (data, cuts) => {
          const { parser, events } = parserOf();
          parser.expectData("+USORF: ", 3);
          const text = String.fromCharCode(...data);
          const line = `+USORF: 0,"192.0.2.1",5683,${data.length},"${text}"`;
          feedInPieces(parser, `\r\n+UUSORF: 1,9\r\n\r\n${line}\r\n\r\nOK\r\n`, cuts);
          assert.deepEqual(events, ["+UUSORF: 1,9", line, "OK"]);
        },
      ),
    );
  });

  it("takes a +USORF without data as an ordinary line", () => {
    const { parser, events } = parserOf();
    parser.expectData("+USORF: ", 3);
    parser.feed(bytesOf("\r\n+USORF: 0,17\r\n\r\nOK\r\n"));
    parser.feed(bytesOf('\r\n+USORF: 0,"",0,9999,"x"\r\n\r\nOK\r\n'));
    assert.deepEqual(events, ["+USORF: 0,17", "OK", '+USORF: 0,"",0,9999,"x"', "OK"]);
  });

  it("drops a line that is too long as a whole, counts it, and finds the next", () => {
    const { parser, events, counters } = parserOf();
    parser.feed(bytesOf(`${"U".repeat(5000)}\r\nOK\r\n`));
    assert.deepEqual(events, ["OK"]);
    assert.ok(counters.get("at-line-too-long") > 0);
  });

  it("survives any bytes and goes on with the next line", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 10 }), (chunks) => {
        const { parser, events } = parserOf();
        for (const chunk of chunks) parser.feed(chunk);
        parser.feed(bytesOf("\r\nOK\r\n"));
        assert.equal(events.at(-1), "OK");
      }),
    );
  });

  it("forgets half a line and all expectations when it is reset", () => {
    const { parser, events } = parserOf();
    parser.expectPrompt(64);
    parser.expectData("+USORF: ", 3);
    parser.feed(bytesOf('+USORF: 0,"1.2.3.4",1,100,"abc'));
    parser.reset();
    parser.feed(bytesOf("\r\n@\r\nOK\r\n"));
    assert.deepEqual(events, ["@", "OK"]);
  });
});
