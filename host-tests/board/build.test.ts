/** What the build script checks by itself, without any SDK. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flashByPart } from "../../scripts/board/figures.js";
import { findEmulator } from "../../scripts/board/find-emulator.js";
import { imageConfigOf, wrongConfig } from "../../scripts/board/image-config.js";
import { modulesOf, resolveKey, specifiersOf, unresolvedImports } from "../../scripts/board/modules.js";
import { findBuildTools, MissingTool } from "../../scripts/board/tools.js";

describe("board build: what an image is told", () => {
  it("is what its options say, and nothing else", () => {
    assert.deepEqual(imageConfigOf({ listen: "friend" }), { listen: "friend" });
    assert.deepEqual(imageConfigOf({}), {});
  });

  it("is refused with the field and its value when it means nothing", () => {
    assert.equal(wrongConfig({ sensor: "si7021", listen: "answers", heapReport: "yes" }), undefined);
    assert.match(
      wrongConfig({ sensor: "sht30" })!,
      /config\.sensor is "sht30"; it can be sht3x, shtc3, si7021/,
    );
    assert.match(wrongConfig({ listen: true })!, /config\.listen is true/);
  });
});

describe("board build: the imports of an image", () => {
  it("reads mcconfig's makefile", () => {
    const makefile = [
      "$(MODULES_DIR)/firmware/coap/codec.xsb: /x/firmware/coap/codec.js",
      "\t@echo '# xsc firmware/coap/codec.xsb'",
      "$(MODULES_DIR)/~.embedded/io/i2c.xsb: /sdk/i2c.js",
      "$(MODULES_DIR)/board/sensor.xsb: $(TMP_DIR)/tsc/board/sensor/sdk/sensor.js",
    ].join("\n");
    assert.deepEqual(
      [...modulesOf(makefile)],
      [
        ["firmware/coap/codec", "/x/firmware/coap/codec.js"],
        ["embedded:io/i2c", "/sdk/i2c.js"],
        ["board/sensor", ""],
      ],
    );
  });

  it("finds static, side-effect, re-exporting and dynamic imports, and none in comments", () => {
    const source = `
      import { a } from "./a.js";
      import b, { c } from './b.js';
      import * as d from "../d.js";
      import "./effect.js";
      export { e } from "./e.js";
      export * from "./f.js";
      // import { not } from "./comment.js";
      /* import "./comment.js"; */
      const g = await import("./g.js");
      const text = "not from './here.js'";
      import {
        long,
        list,
      } from "embedded:io/i2c";
    `;
    assert.deepEqual(specifiersOf(source).sort(), [
      "../d.js",
      "./a.js",
      "./b.js",
      "./e.js",
      "./effect.js",
      "./f.js",
      "./g.js",
      "embedded:io/i2c",
    ]);
  });

  it("resolves as XS does: extension off, relative to the importing module's key", () => {
    assert.equal(resolveKey("./b.js", "firmware/coap/a"), "firmware/coap/b");
    assert.equal(resolveKey("../../hal/nrf52/x.js", "manifests/node/main"), "hal/nrf52/x");
    assert.equal(resolveKey("embedded:io/i2c", "hal/nrf52/sensor"), "embedded:io/i2c");
  });

  it("names the imports that nothing answers, and only those that main reaches", () => {
    const folder = mkdtempSync(join(tmpdir(), "modules-"));
    try {
      const file = (name: string, text: string) => {
        writeFileSync(join(folder, name), text);
        return join(folder, name);
      };
      const modules = new Map([
        ["app/main", file("main.js", `import "./used.js"; import Timer from "timer";`)],
        ["app/used", file("used.js", `import { x } from "../lib/missing.js";`)],
        ["app/unused", file("unused.js", `import "nowhere";`)],
        ["timer", file("timer.js", "")],
      ]);
      assert.deepEqual(unresolvedImports(modules, "app/main"), [
        { module: "app/used", specifier: "../lib/missing.js" },
      ]);
      assert.deepEqual(unresolvedImports(modules, "app/absent"), [
        { module: "manifest", specifier: "app/absent" },
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("board build: figures", () => {
  it("sums the linker's map by part, and leaves RAM and debugging out", () => {
    const map = `
Memory Configuration
Linker script and memory map

.text           0x00027000    0x5b870
 .text          0x00027200       0x88 /gcc/crtbegin.o
 .text.sd_app_evt_wait
                0x0002731c        0x4 /b/lib/nrf_sdh.c.o
 *fill*         0x00027320        0x2 
 .text.fxRunID  0x00027400      0x100 /b/lib/xsRun.c.o
                0x00027400                fxRunID
 .rodata        0x00027500       0x10 /sdk/liboberon_3.0.6.a(aes.o)
 .text.append   0x00027510       0x20 /b/node/boardStore.c.o
.bss            0x20004200      0x100
 .bss           0x20004200      0x100 /b/lib/xsRun.c.o
.debug_info     0x00000000   0x200000
 .debug_info    0x00028000    0x10000 /b/lib/xsRun.c.o
`;
    assert.deepEqual(
      [...flashByPart(map)],
      [
        ["XS engine", 0x100],
        ["C library", 0x88],
        ["hal/nrf52 in C", 0x20],
        ["Oberon (crypto)", 0x10],
        ["nRF5 SDK", 6],
      ],
    );
  });
});

describe("board build: tools", () => {
  it("says in one sentence what is missing", () => {
    const missing = (environment: NodeJS.ProcessEnv) => {
      try {
        findBuildTools(environment);
      } catch (error) {
        assert.ok(error instanceof MissingTool);
        return error.message;
      }
      return "nothing";
    };
    assert.match(missing({}), /^MODDABLE is not set/);
    assert.match(missing({ MODDABLE: "/nowhere" }), /\/nowhere is no Moddable SDK/);
    assert.throws(() => findEmulator(undefined, { NRF52840_EMULATOR: "/nowhere" }), MissingTool);
  });
});
