/** The emulated nRF52840 of sim/board, exercised by an image of a few lines: no SDK is needed. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { MissingTool } from "../../scripts/board/tools.js";
import { decodeAir, encodeAirFrame } from "../../sim/air/hub.js";
import { TinyImages, takeApart } from "./tiny-image.js";

describe("emulated nRF52840", function () {
  this.timeout(120_000);
  let images: TinyImages;

  before(function () {
    try {
      images = new TinyImages();
    } catch (error) {
      if (!(error instanceof MissingTool)) throw error;
      console.log(`      ${error.message}`);
      this.skip();
    }
  });
  after(() => images?.clean());

  const passes = (lines: readonly string[]) => {
    assert.deepEqual(
      lines.filter((line) => line.startsWith("FAIL")),
      [],
    );
    assert.equal(lines.at(-1), "done");
  };

  it("takes exceptions in the middle of IT blocks and floating-point code, by priority, and goes on", () => {
    const { status, lines } = images.run(images.compile("exceptions"));
    passes(lines);
    assert.equal(lines.filter((line) => line.startsWith("PASS")).length, 6);
    assert.equal(status, 0);
  });

  it("sleeps, counts, connects by PPI, measures, and sees its buttons", () => {
    const options = ["--sht3x", "21.5,45", "--shtc3", "-10,80", "--si7021", "30,55", "--battery", "2900"];
    const buttons = ["--press", "11@3", "--press", "11@4+1", "--pins"];
    const { lines, said } = images.run(images.compile("peripherals"), ...options, ...buttons);
    passes(lines);
    const bytes = (name: string) =>
      Buffer.from(
        lines
          .find((line) => line.startsWith(name))!
          .split(" ")
          .at(-1)!,
        "hex",
      );
    // SHT3x-DIS datasheet §4.13, SHTC3 datasheet §5.11, Si7021 datasheet §5.1
    const close = (value: number, expected: number) =>
      assert.ok(Math.abs(value - expected) < 0.01, `${value}`);
    close(-45 + (175 * bytes("sht3x").readUInt16BE(0)) / 65535, 21.5);
    close((100 * bytes("sht3x").readUInt16BE(3)) / 65535, 45);
    close(-45 + (175 * bytes("shtc3").readUInt16BE(0)) / 65536, -10);
    close((100 * bytes("shtc3").readUInt16BE(3)) / 65536, 80);
    close((125 * bytes("si7021 humidity").readUInt16BE(0)) / 65536 - 6, 55);
    close((175.72 * bytes("si7021 temperature").readUInt16BE(0)) / 65536 - 46.85, 30);
    assert.ok(lines.includes("battery 2899"));
    assert.deepEqual(said, ["pin P0.13 is high", "pin P0.13 is low", "SYSTEM OFF"]);
  });

  it("resets by software and by a watchdog that is starved in sleep and at work, and says why", () => {
    const { lines, said, figures } = images.run(images.compile("watchdog"), "-v");
    assert.deepEqual(lines, [
      "life 0 reason 0",
      "life 1 reason 4",
      "fed",
      "life 2 reason 2",
      "fed",
      "life 3 reason 2",
    ]);
    assert.match(said[0]!, /^reset requested from main\+/);
    assert.deepEqual(said.slice(1), ["WATCHDOG not fed: reset", "WATCHDOG not fed: reset", "SYSTEM OFF"]);
    assert.match(figures, /resets 3, refused 0/);
  });

  it("ends in a fault with its place, status 3", () => {
    const { status, lines, said } = images.run(images.compile("fault"));
    assert.equal(status, 3);
    assert.deepEqual(lines, ["before"]);
    assert.match(said[0]!, /^FAULT read from 0x30000000, 4 bytes.* at lookAway/);
  });

  it("keeps flash over runs, tears a word at a power cut, and finds it torn", () => {
    const elf = images.compile("store");
    const flash = join(images.folder, "store.flash");
    const run = (...options: string[]) => images.run(elf, "--flash", flash, ...options);
    assert.deepEqual(run().lines, ["found 0 then ffffffff", "done"]);
    const cut = run("--cut", "3");
    assert.equal(cut.status, 5);
    assert.deepEqual(cut.lines, ["found 4 then ffffffff"]);
    assert.deepEqual(cut.said, ["POWER CUT at flash operation 3"]);
    assert.equal(readFileSync(flash).length, 0x100000);
    const torn = run().lines[0]!;
    // Six words are whole; of the seventh, only bits that should be cleared can be.
    const [, found, word] = /^found (\d+) then ([0-9a-f]{8})$/.exec(torn)!;
    assert.equal(found, "6");
    const value = Buffer.from(word!, "hex").readUInt32LE();
    assert.equal((value & 0xa5a50006) >>> 0, 0xa5a50006);
  });

  it("answers the SoftDevice's calls, refuses what it would, and hears who answers its frames", async () => {
    const elf = images.compile("softdevice");
    const hub = createSocket("udp4");
    hub.bind(0, "127.0.0.1");
    await once(hub, "listening");
    const other = Uint8Array.of(1, 2, 3, 4, 5, 0xc6);
    const frames: Uint8Array[] = [];
    let joined = 0;
    hub.on("message", (bytes, from) => {
      const message = decodeAir(bytes);
      if (message?.kind === "join") joined++;
      if (message?.kind !== "frame") return;
      assert.equal(message.pduType, 2);
      frames.push(message.data);
      hub.send(encodeAirFrame(other, 2, -60, Uint8Array.of(3, 0x2a, 0x6f, 0x6b)), from.port, "127.0.0.1");
    });
    const air = ["--air", String(hub.address().port)];
    const child = spawn(images.emulator, ["--fast", "--for", "3000", "-v", ...air, elf], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const [status] = await once(child, "close");
    hub.close();
    const { lines, said, figures } = takeApart(stderr);
    passes(lines);
    assert.equal(status, 0);
    assert.equal(joined, 1);
    assert.ok(frames.length >= 1);
    assert.ok(Number(/^air tx (\d+) rx 1 /m.exec(figures)?.[1]) >= 3, figures);
    for (const frame of frames) assert.equal(Buffer.from(frame).toString("latin1"), "\x05\x2aping");
    assert.ok(lines.includes("heard 032a6f6b"));
    // FIPS 197, appendix C.1
    assert.ok(lines.includes("aes 69c4e0d86a7b0430d8cdb78070b4c55a"));
    const refused = said.filter((line) => line.startsWith("REFUSED"));
    for (const reason of [
      /before sd_softdevice_enable/,
      /enabled already/,
      /another flash operation/,
      /not of whole words/,
      /1 to 1,024 words/,
      /flash of the SoftDevice/,
      /0xf0f0f0f0 over 0xcafe0000 .*only be cleared/,
      /20 ms/,
      /S140 has one/,
      /does not scan/,
      /write to RNG\+0x504: the SoftDevice owns it/,
      /write to RADIO\+0x508: the SoftDevice owns it/,
    ]) {
      assert.ok(
        refused.some((line) => reason.test(line)),
        `${reason} in ${refused.join("\n")}`,
      );
    }
    assert.equal(refused.length, 12);
  });

  it("is the same each time, other with another seed, and goes on from a snapshot", () => {
    const elf = images.compile("peripherals");
    const options = ["--shtc3", "20,50", "--si7021", "20,50", "--press", "11@3", "--press", "11@4+1"];
    const whole = images.run(elf, ...options);
    assert.deepEqual(images.run(elf, ...options).lines, whole.lines);
    const random = (lines: readonly string[]) => lines.find((line) => line.startsWith("random "));
    assert.notEqual(random(images.run(elf, ...options, "--seed", "2").lines), random(whole.lines));
    const snapshot = join(images.folder, "snapshot");
    const first = images.run(elf, ...options, "--snapshot", `${snapshot}@1.1`, "--for", "1.1");
    const second = images.run(elf, ...options, "--restore", snapshot);
    assert.deepEqual([...first.lines, ...second.lines], whole.lines);
  });

  it("is debugged by GDB's protocol: stops at a function, shows registers and memory, steps, goes on", async () => {
    const elf = images.compile("watchdog");
    const symbols = spawnSync("arm-none-eabi-nm", [elf], { encoding: "utf8" }).stdout;
    const main = Number.parseInt(/^([0-9a-f]+) T main$/m.exec(symbols)![1]!, 16) & ~1;
    const child = spawn(images.emulator, ["--fast", "--for", "5", "--gdb", "0", elf], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const said = createInterface({ input: child.stderr });
    const port = await new Promise<number>((resolve) => {
      said.on("line", (line) => {
        const at = /target remote 127\.0\.0\.1:(\d+)/.exec(line);
        if (at !== null) resolve(Number(at[1]));
      });
    });
    const socket = connect(port, "127.0.0.1").setEncoding("latin1");
    let input = "";
    let wake = () => {};
    socket.on("data", (text: string) => {
      input += text;
      wake();
    });
    const ask = async (packet: string): Promise<string> => {
      const sum = [...packet].reduce((total, c) => (total + c.charCodeAt(0)) & 0xff, 0);
      socket.write(`$${packet}#${sum.toString(16).padStart(2, "0")}`);
      for (;;) {
        const answer = /\$([^#]*)#../.exec(input);
        if (answer !== null) {
          input = "";
          return answer[1]!;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    };
    const pc = async () => Buffer.from(await ask("pf"), "hex").readUInt32LE();
    assert.match(await ask("qSupported"), /qXfer:features:read\+/);
    assert.equal(await ask("?"), "S05");
    assert.equal(await ask(`Z0,${main.toString(16)},2`), "OK");
    assert.equal(await ask("c"), "S05");
    assert.equal(await pc(), main);
    assert.equal((await ask("g")).length, 17 * 8);
    assert.equal(await ask("m27000,4"), "00000420");
    assert.equal(await ask("s"), "S05");
    assert.notEqual(await pc(), main);
    assert.equal(await ask(`z0,${main.toString(16)},2`), "OK");
    socket.write("$D#44");
    const [status] = await once(child, "close");
    socket.destroy();
    assert.equal(status, 0);
  });

  it("says what is wrong with its options, status 2, and lists them", () => {
    const run = (...options: string[]) => spawnSync(images.emulator, options, { encoding: "utf8" });
    assert.equal(run("--help").status, 0);
    assert.match(run("--help").stdout, /--snapshot/);
    const cases: readonly (readonly [string[], RegExp])[] = [
      [[], /An image is missing/],
      [["--bogus"], /no option --bogus/],
      [["--for", "soon", "x.elf"], /--for wants a number/],
      [["/nowhere.elf"], /\/nowhere\.elf: No such file/],
      [["package.json"], /package\.json is no ELF file for ARM/],
      [["--sht3x", "hot", images.compile("fault")], /--sht3x: "hot" is no temperature/],
      [["--press", "99@1", images.compile("fault")], /--press 99@1/],
    ];
    for (const [options, said] of cases) {
      const { status, stderr } = run(...options);
      assert.equal(status, 2, stderr);
      assert.match(stderr, said);
    }
  });
});
