/** `npm run build:emulator`: the emulated nRF52840 of sim/board. */

import { relative } from "node:path";
import { buildOwnEmulator } from "./board/find-emulator.js";
import { MissingTool } from "./board/tools.js";
import { fail, newCommand } from "./cli.js";

newCommand(
  "build:emulator",
  "Compiles the emulated nRF52840 of sim/board with this machine's C compiler and the Unicorn library, and prints the path of the program. Other commands do so by themselves when they want it; `PROGRAM --help` lists its options, docs/EMULATOR.md says what it models.",
)
  .allowExcessArguments(false)
  .parse();

try {
  process.stdout.write(`${relative(process.cwd(), buildOwnEmulator())}\n`);
} catch (error) {
  if (error instanceof MissingTool) fail(error.message);
  throw error;
}
