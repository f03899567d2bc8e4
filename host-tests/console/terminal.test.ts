import assert from "node:assert/strict";
import fc from "fast-check";
import { hostCrypto } from "#hal/crypto.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { encodeUtf8 } from "../../firmware/bytes/utf8.js";
import * as frame from "../../firmware/console/frame.js";
import {
  deviceUuid,
  fingerprintOf,
  KINDS,
  proofOf,
  readDeviceUuid,
  staticOob,
} from "../../firmware/console/label.js";
import { LineReader } from "../../firmware/console/line-reader.js";
import { Terminal } from "../../firmware/console/terminal.js";
import { Transfer } from "../../firmware/console/transfer.js";
import { crc16 } from "../../hal/host/crc16.js";
import { MemoryStore } from "../../hal/host/storage.js";
import { Desk } from "../provision/cable.js";

const { LINE_MAX, NOBODY } = frame;
const encodeFrame = (n: number, text: string) => frame.encodeFrame(n, text, crc16);
const decodeFrame = (line: string) => frame.decodeFrame(line, crc16);

const ascii = fc.string({ unit: fc.integer({ min: 32, max: 126 }).map((code) => String.fromCharCode(code)) });
const number = fc.integer({ min: 0, max: 255 });

describe("console frames", () => {
  it("have the CRC-16/CCITT-FALSE of the catalogue", () => {
    assert.equal(crc16("123456789"), 0x29b1);
    assert.equal(crc16(""), 0xffff);
  });

  it("are read as they were written", () => {
    fc.assert(
      fc.property(number, ascii, (n, text) => {
        assert.deepEqual(decodeFrame(encodeFrame(n, text)), { number: n, text });
      }),
    );
    assert.deepEqual(decodeFrame(encodeFrame(NOBODY, "no damaged")), { number: NOBODY, text: "no damaged" });
    assert.equal(encodeFrame(7, "hello"), `~07 hello*${crc16("07 hello").toString(16).padStart(4, "0")}`);
  });

  it("are told from other lines, and a changed character is noticed", () => {
    assert.equal(decodeFrame("status"), undefined);
    for (const line of ["~", "~07", "~07 hello", "~07 hello*", "~07 hello*0000", "~zz hello*29b1"]) {
      assert.equal(decodeFrame(line), "damaged", line);
    }
    fc.assert(
      fc.property(number, ascii, fc.nat(), fc.integer({ min: 1, max: 127 }), (n, text, at, change) => {
        const line = encodeFrame(n, text);
        const i = 1 + (at % (line.length - 1));
        const spoilt =
          line.slice(0, i) + String.fromCharCode(line.charCodeAt(i) ^ change) + line.slice(i + 1);
        assert.equal(decodeFrame(spoilt), "damaged", spoilt);
      }),
    );
  });
});

describe("console lines", () => {
  it("come out whole however the bytes come in", () => {
    fc.assert(
      fc.property(fc.array(ascii.filter((line) => line !== "")), fc.array(fc.nat(20)), (lines, cuts) => {
        const bytes = encodeUtf8(lines.map((line) => `${line}\r\n`).join(""));
        const got: string[] = [];
        const reader = new LineReader((line) => got.push(line));
        let at = 0;
        for (const cut of cuts) {
          reader.receive(bytes.subarray(at, at + cut));
          at = Math.min(at + cut, bytes.length);
        }
        reader.receive(bytes.subarray(at));
        assert.deepEqual(got, lines);
      }),
    );
  });

  it("that are too long or no text are dropped and counted, and the next one is read", () => {
    const got: string[] = [];
    const reader = new LineReader((line) => got.push(line));
    reader.receive(encodeUtf8(`${"x".repeat(LINE_MAX + 1)}\n`));
    reader.receive(Uint8Array.of(0x41, 0xff, 0x42, 10));
    reader.receive(encodeUtf8("ok\n"));
    assert.deepEqual(got, ["ok"]);
    assert.equal(reader.dropped, 2);
  });
});

describe("console terminal", () => {
  function terminal() {
    const lines: string[] = [];
    const made = new Terminal((line) => {
      lines.push(line);
      return true;
    }, crc16);
    made.command("status", (rest) => `fine${rest}`);
    made.framed("erase", () => new Refusal("never", "in a test"));
    return { made, lines, type: (text: string) => made.receive(encodeUtf8(`${text}\n`)) };
  }

  it("answers people as people and programs in frames", () => {
    const { lines, type } = terminal();
    type("status");
    type(encodeFrame(9, "status now"));
    type(encodeFrame(10, "erase"));
    assert.deepEqual(lines, ["fine", encodeFrame(9, "ok finenow"), encodeFrame(10, "no never: in a test")]);
  });

  it("takes from frames only what changes the board", () => {
    const { made, lines, type } = terminal();
    type("erase");
    type("rm -rf /");
    assert.deepEqual(lines, ["? no-such-command", "? no-such-command"]);
    assert.equal(made.unknown, 2);
  });

  it("answers a damaged frame at once, and no answer", () => {
    const { made, lines, type } = terminal();
    type("~07 status*0000");
    assert.deepEqual(lines, [encodeFrame(NOBODY, "no damaged")]);
    // A line that echoes brings the board its own words.
    for (const line of [...lines, encodeFrame(1, "ok fine"), "? no-such-command"]) type(line);
    assert.equal(lines.length, 1);
    assert.equal(made.damaged, 1);
  });

  it("counts lines that had no room", () => {
    const made = new Terminal(() => false, crc16);
    made.log("x");
    made.event("adv 1 00");
    assert.equal(made.lost, 2);
  });

  it("of a whole board takes any bytes and any lines, and its storage stays as it was", () => {
    const desk = new Desk();
    const before = desk.storage.keys().map((key) => [key, desk.storage.get(key)]);
    const words = ["hello", "label", "prove", "write", "data", "commit", "adv", "uplink", "status"];
    const line = fc
      .tuple(fc.constantFrom(...words), fc.array(fc.oneof(ascii, fc.integer().map(String)), { maxLength: 4 }))
      .map(([word, rest]) => [word, ...rest].join(" "));
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.uint8Array(), ascii, line)), fc.boolean(), (inputs, framed) => {
        for (const input of inputs) {
          if (typeof input !== "string") desk.board.receive(input);
          else desk.board.receive(encodeUtf8(`\n${framed ? encodeFrame(1, input) : input}\n`));
        }
        desk.clock.run(desk.clock.now() + 10);
      }),
    );
    // A person may say `restart`; nothing here does.
    assert.equal(desk.board.starts, 1);
    assert.deepEqual(
      desk.storage.keys().map((key) => [key, desk.storage.get(key)]),
      before,
    );
  });
});

describe("transfers", () => {
  it("go on where they were, and take each piece once", () => {
    const transfer = new Transfer();
    assert.equal(transfer.begin(5, "a"), 0);
    assert.equal(transfer.add(0, Uint8Array.of(1, 2, 3)), 3);
    assert.equal(transfer.add(0, Uint8Array.of(9, 9)), 3);
    assert.equal(transfer.begin(5, "a"), 3);
    assert.equal(transfer.take("a"), undefined);
    assert.ok(transfer.add(4, Uint8Array.of(5)) instanceof Refusal);
    assert.ok(transfer.add(3, Uint8Array.of(4, 5, 6)) instanceof Refusal);
    assert.equal(transfer.add(3, Uint8Array.of(4, 5)), 5);
    assert.equal(transfer.take("b"), undefined);
    assert.deepEqual(transfer.take("a"), Uint8Array.of(1, 2, 3, 4, 5));
    assert.equal(transfer.take("a"), undefined);
    assert.equal(transfer.begin(5, "a"), 0);
    for (const length of [0, 513, 1.5, Number.NaN]) assert.ok(transfer.begin(length, "a") instanceof Refusal);
  });
});

describe("labels", () => {
  const chip = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

  it("have a UUID of version 8 that tells kind and chip", () => {
    for (const kind of KINDS) {
      const uuid = deviceUuid(kind, chip);
      assert.equal(uuid.length, 16);
      assert.equal(uuid[6]! >> 4, 8);
      assert.equal(uuid[8]! >> 6, 2);
      assert.deepEqual(readDeviceUuid(uuid), { kind, chipId: chip });
    }
    assert.equal(readDeviceUuid(new Uint8Array(16)), undefined);
    assert.equal(readDeviceUuid(new Uint8Array(0)), undefined);
  });

  it("keep their secret from the first start on", () => {
    const store = new MemoryStore();
    const oob = staticOob(store, hostCrypto);
    assert.equal(oob.length, 16);
    assert.deepEqual(staticOob(store, hostCrypto), oob);
    assert.notDeepEqual(staticOob(new MemoryStore(), hostCrypto), oob);
  });

  it("prove by key, challenge and matter", () => {
    const key = new Uint8Array(16).fill(1);
    const proof = proofOf(hostCrypto, key, chip, chip);
    assert.notDeepEqual(proofOf(hostCrypto, new Uint8Array(16), chip, chip), proof);
    assert.notDeepEqual(
      proofOf(
        hostCrypto,
        key,
        chip.map((byte) => byte ^ 1),
        chip,
      ),
      proof,
    );
    assert.notDeepEqual(
      proofOf(
        hostCrypto,
        key,
        chip,
        chip.map((byte) => byte ^ 1),
      ),
      proof,
    );
    assert.equal(fingerprintOf(hostCrypto, key).length, 8);
  });
});
