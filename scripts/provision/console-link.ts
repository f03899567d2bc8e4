/** The computer's side of the console protocol (docs/CONSOLE.md). */

import { encodeUtf8 } from "../../firmware/bytes/utf8.js";
import { decodeFrame, encodeFrame, NOBODY } from "../../firmware/console/frame.js";
import { LineReader } from "../../firmware/console/line-reader.js";
import type { Cancel, Clock } from "../../hal/hal.js";
import { crc16 } from "../../hal/host/crc16.js";
import type { OpenPort, Port } from "./port.js";
import { WayError } from "./way.js";

/**
 * When a board has not answered anything for this long, frames are sent again, ms; then after twice as long each time,
 * because the board may only be slow, and what it has to do twice makes it slower.
 */
const RESEND = 700;
const RESEND_MOST = 3000;
/** A board that has not answered at all is given up after this, and none before, ms. */
const FIRST_ANSWER = 5000;
/** Between two looks for a port that has gone, ms. */
const REOPEN = 300;
/** A log line is a person's; a board's longest is below this. */
const LONGEST_LINE = 1000;

export interface ConsoleLinkOptions {
  readonly open: OpenPort;
  readonly clock: Clock;
  /** How long a pulled cable is waited for, ms. */
  readonly patience: number;
  /** What the board prints for people. */
  readonly onLog?: (line: string) => void;
  /** A frame of the board that answers nothing. */
  readonly onEvent?: (text: string) => void;
  /** The cable is gone, or in again. */
  readonly onCable?: (there: boolean) => void;
}

interface Pending {
  readonly line: Uint8Array;
  readonly resolve: (text: string) => void;
  readonly reject: (error: WayError) => void;
  giveUpAt: number;
  sentAt: number;
  /** What is sent counts up, and boards answer in order. */
  order: number;
}

/**
 * Requests to a board and their answers. A frame is sent again until it is answered; a port that goes away is opened
 * again when it comes back. All requests may come to the board more than once.
 */
export class ConsoleLink {
  /** Lines that began as a frame and were none. */
  damaged = 0;
  readonly #options: ConsoleLinkOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #reader = new LineReader((line) => this.#take(line), LONGEST_LINE);
  #port: Port | undefined;
  #number = 0;
  #answered = false;
  #answeredAt = 0;
  #patience = RESEND;
  #order = 0;
  #closed = false;
  #goneAt = 0;
  #timer: Cancel | undefined;

  private constructor(options: ConsoleLinkOptions) {
    this.#options = options;
  }

  /** @throws {WayError} no-port, no-serial-library */
  static async open(options: ConsoleLinkOptions): Promise<ConsoleLink> {
    const link = new ConsoleLink(options);
    link.#attach(await options.open());
    return link;
  }

  /** Requests that wait for their answer. */
  get outstanding(): number {
    return this.#pending.size;
  }

  /**
   * @returns the answer's text behind `ok`
   * @throws {WayError} refused, with the board's reason; silent; cable-gone
   */
  request(text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new WayError("cable-gone", "the connection is closed"));
        return;
      }
      do this.#number = (this.#number + 1) & 255;
      while (this.#pending.has(this.#number));
      const now = this.#options.clock.now();
      const pending = {
        line: encodeUtf8(`${encodeFrame(this.#number, text, crc16)}\n`),
        resolve,
        reject,
        giveUpAt: now + (this.#answered ? Math.max(this.#options.patience, FIRST_ANSWER) : FIRST_ANSWER),
        sentAt: 0,
        order: 0,
      };
      this.#pending.set(this.#number, pending);
      this.#send(pending, now);
      this.#arm();
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.();
    this.#port?.close();
    this.#port = undefined;
    this.#rejectAll(new WayError("cable-gone", "the connection is closed"));
  }

  #attach(port: Port): void {
    this.#port = port;
    this.#reader.reset();
    port.onData = (bytes) => this.#reader.receive(bytes);
    port.onGone = () => this.#gone();
    // Ends what a cut cable has left of a line at the board.
    port.write(encodeUtf8("\n"));
    const now = this.#options.clock.now();
    for (const pending of this.#pending.values()) this.#send(pending, now);
  }

  #gone(): void {
    this.#port = undefined;
    if (this.#closed) return;
    this.#goneAt = this.#options.clock.now();
    this.#options.onCable?.(false);
    this.#reopen();
  }

  #reopen(): void {
    const { clock, patience, open, onCable } = this.#options;
    if (clock.now() - this.#goneAt > patience) {
      this.#closed = true;
      this.#rejectAll(new WayError("cable-gone", `not back within ${Math.round(patience / 1000)} s`));
      return;
    }
    clock.at(clock.now() + REOPEN, () => {
      if (this.#closed) return;
      open().then(
        (port) => {
          if (this.#closed) {
            port.close();
            return;
          }
          onCable?.(true);
          this.#attach(port);
        },
        () => this.#reopen(),
      );
    });
  }

  #take(line: string): void {
    const { onLog, onEvent } = this.#options;
    const frame = decodeFrame(line, crc16);
    if (frame === undefined) {
      onLog?.(line);
      return;
    }
    if (frame === "damaged") {
      this.damaged++;
      return;
    }
    const { number, text } = frame;
    const answer = /^(ok|no) ?(.*)$/.exec(text);
    if (answer === null) {
      onEvent?.(text);
      return;
    }
    this.#answered = true;
    this.#answeredAt = this.#options.clock.now();
    this.#patience = RESEND;
    if (number === NOBODY) {
      // Something that we sent has come damaged, and nobody knows what.
      const now = this.#options.clock.now();
      for (const pending of this.#pending.values()) this.#send(pending, now);
      return;
    }
    const pending = this.#pending.get(number);
    if (pending === undefined) return;
    this.#pending.delete(number);
    // What was sent before it, and is not answered, has been lost.
    for (const earlier of this.#pending.values()) {
      if (earlier.order < pending.order) this.#send(earlier, this.#answeredAt);
    }
    if (answer[1] === "ok") pending.resolve(answer[2]!);
    else pending.reject(new WayError("refused", answer[2]!));
  }

  #send(pending: Pending, now: number): void {
    pending.sentAt = now;
    pending.order = ++this.#order;
    this.#port?.write(pending.line);
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#pending.size === 0) return;
    const { clock } = this.#options;
    this.#timer = clock.at(clock.now() + RESEND / 2, () => {
      this.#timer = undefined;
      this.#resend(clock.now());
      this.#arm();
    });
  }

  #resend(now: number): void {
    let again = false;
    for (const [number, pending] of [...this.#pending]) {
      if (now >= pending.giveUpAt && this.#port !== undefined) {
        this.#pending.delete(number);
        const reason = this.#answered ? "cable-gone" : "silent";
        pending.reject(
          new WayError(reason, "no answer: is this the console of a board of ours, and is it on?"),
        );
      } else if (now - Math.max(pending.sentAt, this.#answeredAt) >= this.#patience) {
        this.#send(pending, now);
        again = true;
      }
    }
    if (again) this.#patience = Math.min(2 * this.#patience, RESEND_MOST);
  }

  #rejectAll(error: WayError): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}
