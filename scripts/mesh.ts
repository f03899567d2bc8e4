import { run } from "./mesh/cli.js";
import { processIo } from "./oscore/cli.js";

process.exitCode = run(process.argv.slice(2), processIo);
