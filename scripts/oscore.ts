import { processIo, run } from "./oscore/cli.js";

process.exitCode = run(process.argv.slice(2), processIo);
