import { createWriteStream, openSync, type WriteStream } from "node:fs";
import { Capture } from "./capture.js";

/** Bytes that may wait for a slow disk. */
const WAITING = 16 * 1024 * 1024;

/** A {@link Capture} into a new file. The simulation never waits for the disk: what has no room is dropped and counted. */
export class CaptureFile extends Capture {
  readonly #stream: WriteStream;

  /**
   * @param time the present, ms since 1970-01-01T00:00:00Z
   * @param complain told in a sentence when packets are missing: the file cannot be written, or the disk was too slow
   * @throws Error of the operating system when the file cannot be made, or is there already (EEXIST)
   */
  constructor(path: string, time: () => number, complain: (sentence: string) => void) {
    const stream = createWriteStream(path, { fd: openSync(path, "wx") });
    let failed = false;
    let complained = false;
    const once = (sentence: string) => {
      if (!complained) complain(sentence);
      complained = true;
    };
    stream.on("error", (error: NodeJS.ErrnoException) => {
      failed = true;
      once(`The capture has ended early, ${path} cannot be written: ${error.code ?? error.message}`);
    });
    super({
      time,
      write(block) {
        if (failed) return false;
        if (stream.writableLength > WAITING) {
          once(`The disk of ${path} is too slow: packets are missing in the capture`);
          return false;
        }
        stream.write(block);
        return true;
      },
    });
    this.#stream = stream;
  }

  /** Resolves when all is written and the file is closed, or lost. */
  close(): Promise<void> {
    this.finish();
    return new Promise((resolve) => {
      if (this.#stream.closed) resolve();
      this.#stream.once("close", resolve);
      this.#stream.end();
    });
  }
}
