import assert from "node:assert/strict";
import { Counters } from "../../../firmware/bytes/counters.js";
import { AtChannel, type AtChannelOptions, type AtCommand } from "../../../firmware/modem/at/channel.js";
import { AtArgumentError } from "../../../firmware/modem/at/writer.js";

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function setup(options: Partial<AtChannelOptions> = {}) {
  const written: string[] = [];
  const urcs: string[] = [];
  const ended: string[] = [];
  const lines: string[] = [];
  let echoes = 0;
  const counters = new Counters();
  const channel = new AtChannel({
    write: (bytes) => written.push(String.fromCharCode(...bytes)),
    onUrc: (line) => urcs.push(line.text()),
    onEcho: () => echoes++,
    counters,
    ...options,
  });
  channel.echo = false;
  const command = (text: string, more: Partial<AtCommand> = {}): AtCommand => ({
    write: (writer) => {
      writer.text(`AT${text}`);
    },
    limit: 1000,
    onLine: (line) => {
      lines.push(line.text());
      return true;
    },
    done: (outcome, detail) => ended.push(detail === "" ? outcome : `${outcome}: ${detail}`),
    ...more,
  });
  return {
    channel,
    written,
    urcs,
    ended,
    lines,
    counters,
    command,
    get echoes() {
      return echoes;
    },
    hear: (text: string, now: number) => channel.receive(bytesOf(text), now),
  };
}

describe("AT channel", () => {
  it("runs commands one after the other, with the pause between them", () => {
    const t = setup();
    t.channel.execute(t.command("+CMEE=2"), 0);
    t.channel.execute(t.command("+CSQ", { prefix: "+CSQ:" }), 0);
    assert.deepEqual(t.written, ["AT+CMEE=2\r"]);
    t.hear("\r\nOK\r\n", 30);
    assert.deepEqual(t.ended, ["ok"]);
    t.channel.tick(49);
    assert.equal(t.written.length, 1);
    assert.equal(t.channel.deadline, 50);
    t.channel.tick(50);
    assert.deepEqual(t.written, ["AT+CMEE=2\r", "AT+CSQ\r"]);
    t.hear("\r\n+CSQ: 17,99\r\n\r\nOK\r\n", 60);
    assert.deepEqual(t.lines, ["+CSQ: 17,99"]);
    assert.deepEqual(t.ended, ["ok", "ok"]);
    assert.equal(t.channel.idle, true);
  });

  it("pauses after a URC, too", () => {
    const t = setup();
    t.hear("\r\n+UUSORF: 0,5\r\n", 100);
    t.channel.execute(t.command(""), 105);
    assert.deepEqual(t.written, []);
    t.channel.tick(120);
    assert.deepEqual(t.written, ["AT\r"]);
  });

  it("tells results apart: error, CME error, OK without the line, and late ones", () => {
    const t = setup();
    const run = (more: Partial<AtCommand>, answer: string) => {
      const now = t.channel.deadline === Infinity ? t.channel.lastActivity + 1000 : t.channel.deadline;
      t.channel.execute(t.command("+X", more), now);
      t.hear(answer, now + 10);
      return t.ended.at(-1);
    };
    assert.equal(run({}, "\r\nERROR\r\n"), "error");
    assert.equal(run({}, "\r\n+CME ERROR: operation not allowed\r\n"), "error: operation not allowed");
    assert.equal(run({}, "\r\n+CME ERROR: 3\r\n"), "error: 3");
    assert.equal(run({ prefix: "+X:" }, "\r\nOK\r\n"), "incomplete");
    assert.equal(run({ prefix: "+X:", optional: true }, "\r\nOK\r\n"), "ok");
    assert.equal(run({ prefix: "" }, "\r\n004999010640000\r\nOK\r\n"), "ok");
    assert.equal(t.lines.at(-1), "004999010640000");
    t.hear("\r\nOK\r\n", 60_000);
    assert.equal(t.counters.get("at-late-result"), 1);
  });

  it("passes URCs on wherever they come: before, between and behind the lines of an answer", () => {
    const t = setup();
    t.channel.execute(t.command("+CGDCONT?", { prefix: "+CGDCONT:" }), 0);
    t.hear(
      '\r\n+UUSORF: 0,1\r\n\r\n+CGDCONT: 1,"IP"\r\n\r\n+CREG: 1\r\n\r\n+CGDCONT: 2,"IP"\r\n\r\n+UUSOCL: 3\r\n\r\nOK\r\n',
      5,
    );
    t.hear("\r\n+UUSORF: 0,2\r\n", 6);
    assert.deepEqual(t.urcs, ["+UUSORF: 0,1", "+CREG: 1", "+UUSOCL: 3", "+UUSORF: 0,2"]);
    assert.deepEqual(t.lines, ['+CGDCONT: 1,"IP"', '+CGDCONT: 2,"IP"']);
    assert.deepEqual(t.ended, ["ok"]);
  });

  it("lets a command refuse a line that only looks like its own", () => {
    const t = setup();
    t.channel.execute(
      t.command("+CEREG?", { prefix: "+CEREG:", onLine: (line) => line.text().includes(",") }),
      0,
    );
    t.hear("\r\n+CEREG: 4\r\n\r\n+CEREG: 2,4\r\n\r\nOK\r\n", 5);
    assert.deepEqual(t.urcs, ["+CEREG: 4"]);
    assert.deepEqual(t.ended, ["ok"]);
  });

  it("recognises the echo, also when a URC tears it to pieces", () => {
    const t = setup();
    t.channel.echo = true;
    t.channel.execute(t.command("+USOCR=17", { prefix: "+USOCR:" }), 0);
    t.hear("AT+US\r\n+UUSORF: 0,5\r\nOCR=17\r\r\n+USOCR: 0\r\n\r\nOK\r\n", 5);
    assert.deepEqual(t.urcs, ["+UUSORF: 0,5"]);
    assert.deepEqual(t.lines, ["+USOCR: 0"]);
    assert.equal(t.echoes, 0);
  });

  it("reports an echo that should be off: the modem has forgotten its settings", () => {
    const t = setup();
    t.channel.execute(t.command("+CSQ", { prefix: "+CSQ:" }), 0);
    t.hear("AT+CSQ\r\r\n+CSQ: 1,99\r\n\r\nOK\r\n", 5);
    assert.equal(t.echoes, 1);
    assert.equal(t.counters.get("at-unexpected-echo"), 1);
    assert.deepEqual(t.ended, ["ok"]);
  });

  it("counts a command's limit from its last byte, and ends it there", () => {
    const t = setup();
    const payload = new Uint8Array(500);
    const more: Partial<AtCommand> = {
      write: (writer) => {
        writer.text("AT+USOST=0,").hex(payload);
      },
    };
    t.channel.execute(t.command("", more), 0);
    assert.equal(t.written.length, 1);
    t.channel.tick(55);
    assert.equal(t.written.join("").length, "AT+USOST=0,".length + 1002 + 1);
    t.channel.tick(1054);
    assert.deepEqual(t.ended, []);
    t.channel.tick(1055);
    assert.deepEqual(t.ended, ["timeout"]);
  });

  it("never sends more than 512 bytes in 50 ms", () => {
    const t = setup();
    const times: [number, number][] = [];
    const payload = new Uint8Array(512).fill(0xaa);
    t.channel.execute(t.command("", { write: (writer) => void writer.text("AT").hex(payload) }), 0);
    for (let now = 0; t.written.join("").length < 1028; now = t.channel.deadline) {
      t.channel.tick(now);
      times.push([now, t.written.join("").length]);
      assert.ok(now < 1000);
    }
    assert.ok(t.written.every((piece) => piece.length <= 512));
    assert.deepEqual(
      times.map(([now]) => now),
      // With a margin: a UART's times are not quite ours.
      [0, 55, 110],
    );
  });

  it("keeps to 512 bytes in 50 ms over the end of a command", () => {
    const t = setup();
    const write = (length: number): Partial<AtCommand> => ({
      write: (writer) => void writer.text("AT").hex(new Uint8Array(length)),
    });
    t.channel.execute(t.command("", write(100)), 0);
    t.hear("\r\nOK\r\n", 5);
    t.channel.execute(t.command("", write(200)), 5);
    const sent: [number, number][] = [];
    for (let now = 5; now < 200; now++) {
      t.channel.tick(now);
      sent.push([now, t.written.join("").length]);
    }
    const by = (time: number) => sent.find(([now]) => now === time)?.[1] ?? 0;
    assert.equal(by(54), 512);
    assert.equal(by(199), 205 + 405);
  });

  it("waits for the prompt and at least 50 ms more before it sends data", () => {
    const t = setup();
    t.channel.execute(t.command("+USOST=0,1", { prefix: "+USOST:", data: bytesOf('a"\r\nOK') }), 0);
    assert.deepEqual(t.written, ["AT+USOST=0,1\r"]);
    t.hear("\r\n@", 20);
    t.channel.tick(69);
    assert.equal(t.written.length, 1);
    t.channel.tick(t.channel.deadline);
    assert.equal(t.channel.lastActivity >= 70, true);
    assert.deepEqual(t.written, ["AT+USOST=0,1\r", 'a"\r\nOK']);
    t.hear("\r\n+USOST: 0,6\r\n\r\nOK\r\n", 100);
    assert.deepEqual(t.ended, ["ok"]);
  });

  it("fills up data that the modem may still wait for when nothing was answered", () => {
    const t = setup();
    t.channel.execute(t.command("+USOST=0,1", { prefix: "+USOST:", data: bytesOf("abcdef") }), 0);
    t.channel.tick(1000);
    assert.deepEqual(t.ended, ["timeout"]);
    assert.deepEqual(t.written.at(-1), "\r\r\r\r\r\r");
  });

  it("takes OK without the prompt for what it is: incomplete", () => {
    const t = setup();
    t.channel.execute(t.command("+USOST=0,1", { prefix: "+USOST:", data: bytesOf("abc") }), 0);
    t.hear("\r\n+USOST: 0,3\r\n\r\nOK\r\n", 20);
    assert.deepEqual(t.ended, ["incomplete"]);
  });

  it("cancels what runs and what waits, each told once", () => {
    const t = setup();
    t.channel.execute(t.command("+A"), 0);
    t.channel.execute(t.command("+B"), 0);
    t.channel.cancel(10);
    assert.deepEqual(t.ended, ["cancelled", "cancelled"]);
    assert.equal(t.channel.idle, true);
    assert.equal(t.channel.deadline, Infinity);
  });

  it("logs both directions through one place, without secrets", () => {
    const log: string[] = [];
    const t = setup({ log: (direction, text) => log.push(`${direction} ${text}`) });
    t.channel.execute(t.command('+CPIN="1234"'), 0);
    t.hear("\r\nOK\r\n", 10);
    assert.deepEqual(log, ["> AT+CPIN=***", "< OK"]);
  });

  it("leaves the queue usable when a command cannot be written", () => {
    const t = setup();
    const tooLong = t.command("", { write: (writer) => void writer.text("x".repeat(5000)) });
    assert.throws(() => t.channel.execute(tooLong, 0), AtArgumentError);
    t.channel.execute(t.command("+CSQ"), 0);
    assert.deepEqual(t.written, ["AT+CSQ\r"]);
  });
});
