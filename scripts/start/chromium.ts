import { existsSync } from "node:fs";

/** A Chromium for what needs a real browser: the one that CHROMIUM names, or Debian's. */
export function findChromium(): string | undefined {
  const candidates = [
    process.env.CHROMIUM,
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
  ];
  return candidates.find((path) => path !== undefined && path !== "" && existsSync(path));
}
