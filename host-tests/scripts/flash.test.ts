import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { moddableTool } from "../../scripts/board/build.js";
import { runTool, uf2Drives } from "../../scripts/flash/put.js";
import { APPLICATION, BadImage, checkUf2, parseHex, type Segment, toUf2 } from "../../scripts/flash/uf2.js";
import { openPty } from "../../sim/pty.js";
import { onTerminal } from "../provision/command.js";

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

  const flash = (path: string, ...list: string[]) => flashIn({ PATH: path }, ...list);

  function flashIn(env: Record<string, string>, ...list: string[]) {
    const [program, ...rest] = commandLine(...list);
    const { status, stdout, stderr } = spawnSync(program!, rest, {
      cwd: REPOSITORY,
      encoding: "utf8",
      env: { HOME: folder, ...env },
    });
    return { status, stdout, stderr };
  }

  /** The same while the test goes on, or with a person at a terminal. */
  const commandLine = (...list: string[]) => [
    process.execPath,
    "--import",
    "tsx",
    "scripts/flash.ts",
    ...list,
  ];

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

  it("puts the SoftDevice of the nRF5 SDK before the application, for a new chip", () => {
    const sdk = join(folder, "sdk");
    const s140 = join(sdk, "components", "softdevice", "s140", "hex");
    mkdirSync(s140, { recursive: true });
    const nrfjprog = fakeTool("nrfjprog");
    const list = ["node", "--image", image, "--probe", "--softdevice"];
    const without = flashIn({ PATH: nrfjprog, NRF_SDK_DIR: sdk }, ...list);
    assert.equal(without.status, 1);
    assert.match(without.stderr, /components\/softdevice\/s140\/hex/);
    assert.equal(calls(nrfjprog), "");
    writeFileSync(
      join(s140, "s140_nrf52_6.1.1_softdevice.hex"),
      hexOf([{ address: 0, bytes: new Uint8Array(16) }]),
    );
    const done = flashIn({ PATH: `${nrfjprog}:/bin:/usr/bin`, NRF_SDK_DIR: sdk }, ...list);
    assert.equal(done.status, 0, done.stderr);
    const programmed = calls(nrfjprog).match(/--program \S+/g);
    assert.deepEqual(programmed, [`--program ${s140}/s140_nrf52_6.1.1_softdevice.hex`, `--program ${image}`]);
    assert.equal(flash("", "node", "--image", image, "--uf2", "x", "--softdevice").status, 2);
  });

  it("asks the board into its bootloader by its port, waits for the drive, and provisions there", async () => {
    const port = join(folder, "port");
    const drive = join(folder, "comes-late");
    const npm = fakeTool("npm");
    const pty = await openPty(
      port,
      () => {},
      () => {},
    );
    const [program, ...rest] = commandLine(
      "node",
      "--image",
      image,
      "--port",
      port,
      "--uf2",
      drive,
      "--provision",
    );
    const env = { HOME: folder, PATH: `${npm}:/bin:/usr/bin` };
    const child = spawn(program!, [...rest, "--name", "hall"], { cwd: REPOSITORY, env });
    let said = "";
    child.stdout.on("data", (data) => {
      said += data;
      if (!/asked into the bootloader/.test(said) || existsSync(drive)) return;
      mkdirSync(drive);
      writeFileSync(join(drive, "INFO_UF2.TXT"), "UF2 Bootloader 0.6\r\n");
    });
    const [status] = await once(child, "close");
    pty.close();
    assert.equal(status, 0, said);
    checkUf2(new Uint8Array(readFileSync(join(drive, "node.uf2"))));
    assert.equal(calls(npm), `run provision -- add hall --port ${port} --kind node\n`);
    const gone = flash("", "node", "--image", image, "--port", join(folder, "no-port"));
    assert.equal(gone.status, 1);
    assert.match(gone.stderr, /no-port/);
  });

  it("asks a person whether to provision, and does as it is told", async () => {
    const nrfjprog = fakeTool("nrfjprog");
    const npm = fakeTool("npm", "exit 7");
    const list = commandLine("node", "--image", image, "--probe", "--port", "/dev/ttyACM0");
    const env = { HOME: folder, PATH: `${npm}:${nrfjprog}:/bin:/usr/bin:${process.env.PATH}` };
    const no = await onTerminal(list, [{ when: /Provision it now\?/, type: "n\r" }], env);
    assert.deepEqual([no.code, calls(npm)], [0, ""], no.screen);
    const yes = await onTerminal(list, [{ when: /Provision it now\?/, type: "\r" }], env);
    assert.equal(calls(npm), "run provision -- add --port /dev/ttyACM0 --kind node\n");
    assert.equal(yes.code, 7, "its exit code is that of provisioning");
    // Where nobody sits, nobody is asked.
    const script = flash(env.PATH, "node", "--image", image, "--probe", "--port", "/dev/ttyACM0");
    assert.match(script.stdout, /to provision it: npm run provision -- add --port \/dev\/ttyACM0/);
  });

  it("asks Moddable's own tools: mcconfig's ways onto a board, and xs-dev", async () => {
    const mcconfig = join(
      fakeTool("mcconfig", 'echo "$UPLOAD_PORT $OSCORE_MESH_MODULES" >> "$(dirname "$0")/calls"'),
      "mcconfig",
    );
    const tools = { moddable: folder, mcconfig, nrfSdk: folder, gccRoot: folder, gccVersion: "12.2.1" };
    const uf2conv = "/bin/true";
    const platform = { dk: "nrf52/dk", "nina-b3": "nrf52:../targets/nina-b3" };
    for (const [way, target, port] of [
      ["deploy", "dk", undefined],
      ["flash", "nina-b3", undefined],
      ["installDFU", "dk", "/dev/ttyUSB0"],
    ] as const) {
      rmSync(join(dirname(mcconfig), "calls"), { force: true });
      await runTool(moddableTool("relay", { ...tools, uf2conv }, target, way, port), () => {});
      assert.equal(
        calls(dirname(mcconfig)),
        `-m -p ${platform[target]} -t ${way} -o ${REPOSITORY}build/board\n${port ?? ""} ${REPOSITORY}build/board/modules/relay\n`,
      );
    }
    const xsDev = moddableTool("node", { ...tools, uf2conv }, "dk", "xs-dev", "/dev/ttyUSB0");
    assert.deepEqual(
      [basename(xsDev.program), ...xsDev.arguments.slice(2)],
      [
        "xs-dev",
        "--device",
        "nrf52/dk",
        "--mode",
        "release",
        "--output",
        `${REPOSITORY}build/board`,
        "--port",
        "/dev/ttyUSB0",
      ],
    );
    assert.throws(
      () => moddableTool("node", { ...tools, uf2conv: undefined }, "dk", "deploy", undefined),
      /UF2CONV/,
    );
    // xs-dev ends with 0 whatever make has said.
    const quiet = join(fakeTool("quiet", "echo 'make: *** [makefile:820: deploy] Error 1'"), "quiet");
    await assert.rejects(
      runTool({ program: quiet, arguments: [] }, () => {}),
      /Error 1/,
    );
    const dry = flash("", "node", "--moddable", "--dry-run");
    assert.equal(dry.status, 0, dry.stderr);
    assert.match(dry.stdout, /would run mcconfig -t deploy in manifests\/node/);
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
      [["node", "--moddable", "rocket"], /no way rocket/],
      [["node", "--moddable", "installDFU"], /needs --port/],
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
