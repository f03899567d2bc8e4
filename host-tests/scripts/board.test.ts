import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";

const run = (options: readonly string[], environment: NodeJS.ProcessEnv = {}) =>
  spawnSync(process.execPath, ["--import", "tsx", "scripts/board.ts", ...options], {
    encoding: "utf8",
    env: { ...process.env, ...environment },
  });

describe("npm run board", function () {
  this.timeout(60_000);

  it("says what is wrong with its options and exits 2, 0 for --help", () => {
    const cases: readonly (readonly [string[], number, RegExp])[] = [
      [["--help"], 0, /--sim-nodes.*--image/s],
      [["--node", "many"], 2, /--node.*whole number from 0 to/s],
      [["--target", "esp32"], 2, /Allowed choices are dk, nina-b3/],
      [["--image", "lamp=x.elf"], 2, /node=ELF, relay=ELF or gateway=ELF/],
      [["--image", "node=/nowhere/x.elf"], 2, /no file \/nowhere\/x\.elf/],
    ];
    for (const [options, status, said] of cases) {
      const result = run(options);
      assert.equal(result.status, status, result.stderr);
      assert.match(`${result.stdout}${result.stderr}`, said);
    }
  });

  it("without emulator, SDK or nodes says so in a sentence and exits 1", () => {
    const cases: readonly (readonly [string[], NodeJS.ProcessEnv, RegExp])[] = [
      [
        [],
        { NRF52840_EMULATOR: "/nowhere/nrf52840" },
        /^NRF52840_EMULATOR=\/nowhere\/nrf52840 cannot be run\.\n$/,
      ],
      [[], { NRF52840_EMULATOR: process.execPath, MODDABLE: "" }, /^MODDABLE is not set/],
      [["--node", "0"], {}, /^There is no node/],
    ];
    for (const [options, environment, said] of cases) {
      const { status, stderr } = run(options, environment);
      assert.equal(status, 1, stderr);
      assert.match(stderr, said);
      assert.ok(!stderr.includes("    at "), stderr);
    }
  });
});
