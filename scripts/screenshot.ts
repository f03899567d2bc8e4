/** `npm run screenshot`: takes the README's picture of the page anew, from a real run with tampering. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { fail, newCommand, wholeNumber } from "./cli.js";
import { findChromium } from "./start/chromium.js";
import { startSystem } from "./start/system.js";

const options = newCommand(
  "screenshot",
  "Starts the whole system with tampering, waits for readings, and takes a picture of the page.",
)
  .option("--out <file>", "where the picture goes", "docs/page.png")
  .option("--readings <n>", "readings to wait for", wholeNumber(1, 10_000), 150)
  .option("--width <px>", "width of the window", wholeNumber(320, 4000), 1280)
  .option("--height <px>", "height of the window", wholeNumber(320, 4000), 900)
  .option("--dark", "the dark theme", false)
  .option("--at <place>", 'where on the page, such as "#/node/node-1"', "#/")
  .allowExcessArguments(false)
  .parse()
  .opts<{ out: string; readings: number; width: number; height: number; dark: boolean; at: string }>();

const executablePath = findChromium();
if (executablePath === undefined)
  fail("No Chromium found: install Debian's chromium, or name one in CHROMIUM.");

const dataDir = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
const system = await startSystem({
  nodes: 5,
  relays: 3,
  gateways: 1,
  interval: 2,
  loss: 0.1,
  seed: 1,
  tamper: true,
  dataDir,
  httpPort: 0,
  coapPort: 0,
});
try {
  let seen = 0;
  await new Promise<void>((resolve) => {
    system.server.live.on("reading", () => {
      seen++;
      if (process.stdout.isTTY) process.stdout.write(`\r${seen} of ${options.readings} readings`);
      if (seen === options.readings) resolve();
    });
  });
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  const page = await browser.newPage({
    viewport: { width: options.width, height: options.height },
    colorScheme: options.dark ? "dark" : "light",
  });
  await page.goto(`${system.server.httpUrl}/${options.at}`);
  await page.getByTestId("connection").filter({ hasText: "Live" }).waitFor();
  await page.getByTestId("event-row").first().waitFor();
  if (options.at === "#/") await page.getByTestId("node-card").nth(4).waitFor();
  await page.screenshot({ path: options.out });
  await browser.close();
  process.stdout.write(`\n${options.out}\n`);
} finally {
  await system.stop();
  rmSync(dataDir, { recursive: true });
}
