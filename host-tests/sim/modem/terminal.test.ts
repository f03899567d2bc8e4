import assert from "node:assert/strict";
import fc from "fast-check";
import { MALFORMED, parseLine } from "../../../sim/modem/command-line.js";
import { latin1 } from "../../../sim/modem/latin1.js";
import { rig } from "./rig.js";

describe("simulated modem: command lines (V.250 §5)", () => {
  it("takes apart basic and extended commands in one line", () => {
    const calls = parseLine('atE0V1&K3+cmee=2;+CSQ;+CGDCONT=1,"IP","a;b";+CEREG?;+CFUN=?');
    assert.ok(calls);
    assert.deepEqual(
      calls.map((call) =>
        call === MALFORMED ? call : [call.name, call.form, call.number, call.arguments.map((a) => a.text)],
      ),
      [
        ["E", "execute", 0, []],
        ["V", "execute", 1, []],
        ["&K", "execute", 3, []],
        ["+CMEE", "set", 0, ["2"]],
        ["+CSQ", "execute", 0, []],
        ["+CGDCONT", "set", 0, ["1", "IP", "a;b"]],
        ["+CEREG", "read", 0, []],
        ["+CFUN", "test", 0, []],
      ],
    );
  });

  it("ignores what stands before AT, and lines without it", () => {
    assert.equal(parseLine("hello"), undefined);
    assert.equal(parseLine("T"), undefined);
    assert.equal(parseLine("\0\0xxAT+CSQ")?.length, 1);
    assert.equal(parseLine("AT")?.length, 0);
  });

  it("knows S registers and malformed parts", () => {
    assert.deepEqual(parseLine("ATS3=13"), [
      { name: "S", form: "set", number: 3, arguments: [{ text: "13", quoted: false }] },
    ]);
    assert.deepEqual(parseLine("AT?"), [MALFORMED]);
    assert.deepEqual(parseLine("AT+"), [MALFORMED]);
  });
});

describe("simulated modem: UART", () => {
  it("echoes until it is told not to, answers in \\r\\n<text>\\r\\n after 20 ms", () => {
    const t = rig();
    t.modem.switchOn();
    t.run(10_000);
    t.take();
    t.type("AT+CSQ\r");
    assert.equal(t.take(), "AT+CSQ\r");
    t.run(19);
    assert.equal(t.take(), "");
    t.run(1);
    assert.equal(t.take(), "\r\n+CSQ: 99,99\r\n\r\nOK\r\n");
    t.type("ATE0\r");
    t.run(30);
    t.take();
    t.type("AT\r");
    t.run(30);
    assert.equal(t.take(), "\r\nOK\r\n");
  });

  it("takes CR and CRLF, lower case, blanks and backspace", () => {
    const t = rig();
    t.boot();
    assert.deepEqual(t.at("at+cgmm\r\n"), ["SARA-R410M-02B", "OK"]);
    assert.deepEqual(t.at("AT +CGMM"), ["SARA-R410M-02B", "OK"]);
    assert.deepEqual(t.at("AT+CGMX\bM"), ["SARA-R410M-02B", "OK"]);
    assert.deepEqual(t.at("\r\n\r\n"), []);
    assert.deepEqual(t.at("nonsense"), []);
  });

  it("echoes a line that ends in CR LF without a stray LF behind the answer", () => {
    const t = rig();
    t.modem.switchOn();
    t.run(10_000);
    t.take();
    t.type("AT\r\n");
    t.run(50);
    assert.equal(t.take(), "AT\r\r\nOK\r\n");
    t.type("AT\r\n");
    t.run(50);
    assert.equal(t.take(), "AT\r\r\nOK\r\n");
  });

  it("answers in numbers after V0, and not at all after Q1", () => {
    const t = rig();
    t.boot();
    t.at("ATV0");
    t.type("AT+CFUN?\r");
    t.run(50);
    assert.equal(t.take(), "+CFUN: 1,0\r\n0\r");
    t.type("AT+NOPE\r");
    t.run(50);
    assert.equal(t.take(), "4\r");
    t.at("ATV1");
    assert.deepEqual(t.at("ATQ1"), []);
    assert.deepEqual(t.at("AT"), []);
    assert.deepEqual(t.at("ATQ0"), ["OK"]);
  });

  it("holds URCs back while a command runs, but not while the host is typing", () => {
    const t = rig();
    t.boot();
    t.type("AT+CG");
    t.modem.core.urc("+CREG: 2");
    assert.equal(t.take(), "\r\n+CREG: 2\r\n");
    t.type("MM\r");
    t.modem.core.urc("+CREG: 5");
    assert.equal(t.take(), "");
    t.run(20);
    assert.equal(t.take(), "\r\nSARA-R410M-02B\r\n\r\nOK\r\n\r\n+CREG: 5\r\n");
  });

  it("notices commands that come too early, and loses them where it is strict", () => {
    for (const strictPause of [false, true]) {
      const t = rig({ settings: { strictPause } });
      t.boot();
      t.type("AT\r");
      t.run(20);
      t.take();
      t.type("AT\r");
      t.run(50);
      assert.equal(t.take(), strictPause ? "" : "\r\nOK\r\n");
      assert.equal(t.modem.counters.get("too-early"), 1);
    }
  });

  it("prompts for data, takes exactly its length, whatever it is, and does not echo it", () => {
    const t = rig();
    t.attach();
    t.at("ATE1");
    t.at("AT+USOCR=17");
    t.type('AT+USOST=0,"192.0.2.1",5683,8\r');
    t.run(20);
    assert.equal(t.take(), 'AT+USOST=0,"192.0.2.1",5683,8\r\r\n@');
    t.type('AT\r\n"@\0');
    t.run(1000);
    assert.equal(t.take(), "", "seven bytes: one is missing, and nothing aborts it");
    t.type("x");
    t.run(200);
    assert.equal(t.take(), "\r\n+USOST: 0,8\r\n\r\nOK\r\n");
  });

  it("loses the first character when its UART sleeps", () => {
    const t = rig();
    t.boot();
    t.at("AT+UPSV=4");
    t.run(7000);
    assert.deepEqual(t.at("AT"), []);
    assert.deepEqual(t.at("AT"), ["OK"]);
  });

  it("drops bytes that come too fast where there is no flow control", () => {
    const t = rig({ settings: { noFlowControl: true } });
    t.boot();
    t.type(`AT${" ".repeat(700)}\r`);
    t.run(100);
    assert.equal(t.take(), "");
    assert.equal(t.modem.counters.get("overrun"), 1);
  });

  it("understands nothing at another speed", () => {
    const t = rig({ settings: { baudMatters: true } });
    t.boot();
    assert.deepEqual(t.at("AT+IPR=460800"), ["OK"]);
    assert.deepEqual(t.at("AT"), []);
    t.modem.setHostBaud(460800);
    assert.deepEqual(t.at("AT+IPR?"), ["+IPR: 460800", "OK"]);
  });

  it("survives any input, and answers afterwards", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 120 }), { maxLength: 20 }), (chunks) => {
        const t = rig();
        t.boot();
        for (const chunk of chunks) {
          t.modem.receive(chunk);
          t.run(100);
        }
        // A command that has been typed by chance may still run; a prompt cannot come of it: there is no socket.
        t.run(200_000);
        t.type("\r");
        t.run(200_000);
        t.take();
        t.type("ATV1Q0E0\r");
        t.run(1000);
        assert.match(t.take(), /OK\r\n$/);
      }),
      { numRuns: 60 },
    );
    assert.deepEqual([...latin1("\xff\0")], [255, 0]);
  });
});
