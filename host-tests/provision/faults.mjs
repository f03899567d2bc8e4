/**
 * Loaded before a command: lets it die, or its disk be full, at the n-th operation on its files.
 * FAULT="kill:3" or "full:3": n counts the operations on files whose path begins with FAULT_PATH.
 */

import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const [kind, number] = (process.env.FAULT ?? "").split(":");
const prefix = process.env.FAULT_PATH;
const handles = new Set();
let count = 0;

function before(operation) {
  if (++count !== Number(number)) return;
  if (kind === "kill") process.kill(process.pid, "SIGKILL");
  if (kind === "full" && operation !== "unlinkSync") {
    throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  }
}

for (const name of ["openSync", "writeSync", "fsyncSync", "renameSync", "unlinkSync"]) {
  const original = fs[name];
  fs[name] = (...args) => {
    const [first] = args;
    const writes = name !== "openSync" || `${args[1]}`.startsWith("w");
    const ours = writes && (typeof first === "number" ? handles.has(first) : `${first}`.startsWith(prefix));
    if (ours) before(name);
    const result = original(...args);
    if (ours && name === "openSync") handles.add(result);
    return result;
  };
}
const close = fs.closeSync;
fs.closeSync = (handle) => {
  handles.delete(handle);
  close(handle);
};
syncBuiltinESMExports();
