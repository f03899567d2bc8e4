/** `npm run package:server`: the cloud server as one npm package, the same bytes from the same sources. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { newCommand } from "./cli.js";
import { packServer } from "./supply/server-package.js";

const command = newCommand(
  "package:server",
  "Makes the cloud server into one npm package: our code, its page and all that is plain JavaScript in one file, with the licences of what is inside. Only better-sqlite3 and, where it is to be had, koffi, which are compiled for the machine, are left to npm. The same sources and lock file give the same bytes.",
)
  .option("--out <directory>", "where the package goes", "build")
  .allowExcessArguments(false)
  .parse();

const file = await packServer(command.opts<{ out: string }>().out);
const sum = createHash("sha256").update(readFileSync(file)).digest("hex");
process.stdout.write(`${sum}  ${relative(process.cwd(), file)}\n`);
