import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { uf2Drives } from "../../scripts/flash/put.js";
import { APPLICATION, BadImage, checkUf2, parseHex, type Segment, toUf2 } from "../../scripts/flash/uf2.js";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

function hexOf(segments: readonly Segment[]): string {
  const record = (type: number, address: number, data: number[]) => {
    const bytes = [data.length, (address >> 8) & 0xff, address & 0xff, type, ...data];
    const sum = -bytes.reduce((a, b) => a + b, 0) & 0xff;
    return `:${[...bytes, sum].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`.toUpperCase();
  };
  const lines: string[] = [];
  for (const { address, bytes } of segments) {
    for (let i = 0; i < bytes.length; ) {
      const at = address + i;
      const count = Math.min(16, bytes.length - i, 0x10000 - (at & 0xffff));
      lines.push(record(4, 0, [at >> 24, (at >> 16) & 0xff]));
      lines.push(record(0, at & 0xffff, [...bytes.subarray(i, i + count)]));
      i += count;
    }
  }
  return `${[...lines, record(1, 0, [])].join("\r\n")}\r\n`;
}

const application: Segment[] = [
  { address: 0x27000, bytes: Uint8Array.from({ length: 70_000 }, (_, i) => i * 7) },
];

/** Flash as the blocks of a UF2 leave it. */
function flashed(uf2: Uint8Array): Map<number, number> {
  const view = new DataView(uf2.buffer);
  const flash = new Map<number, number>();
  for (let at = 0; at < uf2.length; at += 512) {
    const address = view.getUint32(at + 12, true);
    for (let i = 0; i < view.getUint32(at + 16, true); i++) flash.set(address + i, uf2[at + 32 + i]!);
  }
  return flash;
}

describe("flash: images", () => {
  it("Intel HEX becomes UF2 with every byte at its place", () => {
    const segment = fc.record({
      address: fc.integer({ min: APPLICATION.start, max: APPLICATION.end - 600 }),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 600 }),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(segment, { selector: ({ address }) => address >> 10, minLength: 1, maxLength: 5 }),
        (list) => {
          const segments = list.filter(({ address }, i) =>
            list.every((other, j) => i === j || Math.abs(other.address - address) > 600),
          );
          fc.pre(segments.length > 0);
          const uf2 = toUf2(parseHex(hexOf(segments)));
          checkUf2(uf2);
          const flash = flashed(uf2);
          for (const { address, bytes } of segments) {
            bytes.forEach((byte, i) => {
              assert.equal(flash.get(address + i), byte);
            });
          }
          const view = new DataView(uf2.buffer);
          for (let at = 0; at < uf2.length; at += 512) {
            assert.equal(view.getUint32(at + 20, true), at / 512);
            assert.equal(view.getUint32(at + 24, true), uf2.length / 512);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it("damaged images and those for other places are refused with words", () => {
    const good = hexOf(application);
    for (const [text, why] of [
      [good.replace(":10", ":11"), /line \d+ is no Intel HEX/],
      [good.slice(0, good.length - 15), /cut off/],
      ["hello\n", /line 1/],
      [
        good.replace(/:10([0-9A-F]{30})/, (_, rest: string) => `:10${rest.replace(/.$/, "0")}`),
        /checksum|Intel HEX/,
      ],
    ] as const) {
      assert.throws(
        () => parseHex(text),
        (error) => error instanceof BadImage && why.test(error.message),
        text.slice(0, 40),
      );
    }
    assert.throws(() => toUf2([{ address: 0, bytes: new Uint8Array(4) }]), BadImage);
    assert.throws(() => toUf2([]), BadImage);
    assert.throws(() => checkUf2(new Uint8Array(512)), BadImage);
    assert.throws(() => checkUf2(new Uint8Array(100)), BadImage);
  });
});

describe("npm run flash", function () {
  this.timeout(60_000);
  let folder: string;
  let image: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "flash-"));
    image = join(folder, "node.hex");
    writeFileSync(image, hexOf(application));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  function flash(path: string, ...list: string[]) {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["--import", "tsx", "scripts/flash.ts", ...list],
      { cwd: REPOSITORY, encoding: "utf8", env: { HOME: folder, PATH: path } },
    );
    return { status, stdout, stderr };
  }

  /** A program that writes down how it was called. */
  function fakeTool(name: string, body = ""): string {
    const bin = join(folder, `bin-${name}`);
    mkdirSync(bin, { recursive: true });
    const log = join(bin, "calls");
    rmSync(log, { force: true });
    writeFileSync(join(bin, name), `#!/bin/sh\necho "$@" >> "${log}"\n${body}\n`, { mode: 0o755 });
    return bin;
  }
  const calls = (bin: string) =>
    existsSync(join(bin, "calls")) ? readFileSync(join(bin, "calls"), "utf8") : "";

  it("copies to the drive of a bootloader, and says how to go on", () => {
    const drive = join(folder, "drive");
    mkdirSync(drive);
    const no = flash("", "node", "--image", image, "--uf2", drive);
    assert.equal(no.status, 1);
    assert.match(no.stderr, /INFO_UF2.TXT/);
    writeFileSync(join(drive, "INFO_UF2.TXT"), "UF2 Bootloader 0.6\r\nModel: test\r\n");
    const dry = flash("", "node", "--image", image, "--uf2", drive, "--dry-run");
    assert.equal(dry.status, 0, dry.stderr);
    assert.match(dry.stdout, /would copy .* \(UF2 Bootloader 0\.6\)/);
    assert.equal(existsSync(join(drive, "node.uf2")), false);
    const { status, stdout, stderr } = flash(
      "",
      "node",
      "--image",
      image,
      "--uf2",
      drive,
      "--network",
      "n.json",
    );
    assert.equal(status, 0, stderr);
    assert.match(stdout, /100 %/);
    assert.match(
      stdout,
      /to provision it: npm run provision -- add --port PORT --kind node --network n\.json/,
    );
    const flash2 = flashed(new Uint8Array(readFileSync(join(drive, "node.uf2"))));
    application[0]!.bytes.forEach((byte, i) => {
      if (flash2.get(0x27000 + i) !== byte) assert.fail(`byte ${i}`);
    });
    assert.deepEqual(uf2Drives([folder]), [drive]);
  });

  it("asks nrfjprog, or else pyocd, and passes on what they say when they fail", () => {
    const nrfjprog = fakeTool("nrfjprog");
    const done = flash(`${nrfjprog}:/bin:/usr/bin`, "relay", "--image", image, "--probe", "683012345");
    assert.equal(done.status, 0, done.stderr);
    assert.deepEqual(calls(nrfjprog).trim().split("\n"), [
      `--program ${image} --sectorerase --verify --family NRF52 --snr 683012345`,
      "--reset --family NRF52 --snr 683012345",
    ]);
    const pyocd = fakeTool("pyocd", "echo 'No available debug probes' >&2\nexit 3");
    const failed = flash(`${pyocd}:/bin`, "relay", "--image", image, "--probe");
    assert.equal(failed.status, 1);
    assert.match(failed.stderr, /pyocd ended with 3:\nNo available debug probes/);
    assert.match(calls(pyocd), /^flash --erase sector --target nrf52840 /);
    const dry = fakeTool("nrfjprog");
    assert.equal(flash(`${dry}:/bin`, "relay", "--image", image, "--probe", "--dry-run").status, 0);
    assert.equal(calls(dry), "");
  });

  it("says which tool is missing, and what is wrong with how it was asked", () => {
    const none = flash("", "node", "--image", image, "--probe");
    assert.equal(none.status, 1);
    assert.match(none.stderr, /nrfjprog .* or pyocd/);
    const build = flash(fakeTool("nrfjprog"), "node", "--probe");
    assert.equal(build.status, 1);
    assert.match(build.stderr, /MODDABLE is not set/);
    for (const [list, why] of [
      [["node"], /Say how/],
      [["toaster", "--probe"], /no role toaster/],
      [["node", "--probe", "--uf2", "/x"], /one of them/],
      [["node", "--probe", "--target", "moon"], /no target moon/],
      [["node", "--probe", "--image", "x.bin"], /\.hex or \.uf2/],
    ] as const) {
      const { status, stderr } = flash("", ...list);
      assert.equal(status, 2, list.join(" "));
      assert.match(stderr, why);
    }
    assert.equal(flash("", "--help").status, 0);
  });
});
