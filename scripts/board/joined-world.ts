/** `npm run board` as people start it: an emulated node and a simulated one in one air, on one page. */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { DeviceKind } from "../../sim/network.js";

/** Readings of each node that are waited for, and how long at most, s. */
const READINGS = 5;
const LIMIT = 180;

/** @returns what failed */
export async function checkJoinedWorld(elf: Readonly<Record<DeviceKind, string>>): Promise<string[]> {
  const images = Object.entries(elf).flatMap(([kind, file]) => ["--image", `${kind}=${file}`]);
  const numbers = ["--node", "1", "--sim-nodes", "1", "--relay", "1", "--gateway", "1"];
  const child = spawn(
    process.execPath,
    [
      "--import",
      "tsx",
      "scripts/board.ts",
      ...numbers,
      ...images,
      "--loss",
      "0.1",
      "--interval",
      "3",
      "--http",
      "0",
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const exit = new Promise<number | null>((resolve) => {
    child.on("close", (code) => resolve(code));
  });
  const failures = new Set<string>();
  const page = new Promise<string | undefined>((resolve) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const said = /Page: (\S+)/.exec(line)?.[1];
      if (said !== undefined) resolve(said);
      if (line.startsWith("! ")) failures.add(line.slice(2));
    });
    void exit.then(() => resolve(undefined));
  });
  const url = await page;
  if (url === undefined) return [...failures, `it ended with ${await exit} before it named its page`];
  const missing = await untilBothArrive(url);
  child.kill("SIGINT");
  const code = await exit;
  if (code !== 0) failures.add(`Ctrl-C ended it with ${code}`);
  return [...failures, ...missing];
}

async function untilBothArrive(url: string): Promise<string[]> {
  const end = Date.now() + LIMIT * 1000;
  const missing = new Map([
    ["node-1", READINGS],
    ["node-2", READINGS],
  ]);
  while (missing.size > 0 && Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    for (const node of [...missing.keys()]) {
      const response = await fetch(`${url}/api/readings?node=${node}&limit=${READINGS}`);
      const count = ((await response.json()) as unknown[]).length;
      if (count >= READINGS) missing.delete(node);
      else missing.set(node, READINGS - count);
    }
  }
  return [...missing].map(([node, count]) => `${node}: ${count} readings short of ${READINGS}`);
}
