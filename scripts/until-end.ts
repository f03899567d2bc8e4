/** How often a command looks whether whoever started it is still there, ms. */
const LOOK_INTERVAL = 500;

/**
 * Calls `end` once, when this process is told to end: Ctrl-C, SIGTERM, or the npm that started it is gone. (npm does
 * not always pass on the signal that ends it, and nobody wants to find the process and its ports taken later.)
 * @param end has ended everything when it resolves; the process then exits with 0
 */
export function untilEnd(end: () => Promise<void>): void {
  let ending = false;
  const once = async (): Promise<void> => {
    if (ending) return;
    ending = true;
    await end();
    process.exit(0);
  };
  process.on("SIGINT", once);
  process.on("SIGTERM", once);
  if (process.env.npm_lifecycle_event !== undefined) {
    const parent = process.ppid;
    setInterval(() => {
      if (process.ppid !== parent) void once();
    }, LOOK_INTERVAL).unref();
  }
}
