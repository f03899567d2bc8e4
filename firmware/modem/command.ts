import type { AtCommand, AtOutcome } from "./at/channel.js";
import type { AtLine } from "./at/line.js";
import type { AtWriter } from "./at/writer.js";
import type { Context } from "./context.js";
import type { Wait } from "./routine.js";

/** Milliseconds for those commands of the manual that are answered at once. */
const QUICK = 5000;

/** Tries of `AT` after a command was not answered, and before one that a sleeping UART may swallow. */
const TRIES_AFTER_SILENCE = 4;
const TRIES_TO_WAKE = 5;

/** How long a late answer may still come after the modem has answered `AT` instead. */
const LATE = 500;

/** What a command waits for, and what it does with its lines. */
export interface CommandOptions {
  /** Milliseconds; default 5 s, what the manual's quick commands never need. */
  readonly limit?: number;
  /** What information lines start with; `""` for a bare line. */
  readonly prefix?: string;
  /** OK without an information line is an answer too. */
  readonly optional?: boolean;
  /** Takes an information line, the cursor behind the prefix. Default: the first one becomes {@link Command.answer}. */
  readonly onLine?: (line: AtLine) => boolean;
  /** What to send when the modem prompts. */
  readonly data?: Uint8Array;
  readonly binaryField?: number;
  /** Writes what follows the text, where text alone does not do. */
  readonly write?: (writer: AtWriter) => void;
}

/**
 * A command on its way, and then its end: a routine yields it and reads `ok` or `outcome` afterwards.
 *
 * It knows trap 3: without an answer within its own limit the modem is asked with `AT`; only if that is not answered
 * either is it deaf.
 */
export class Command implements AtCommand, Wait {
  readonly deadline = Infinity;
  readonly limit: number;
  readonly prefix: string | undefined;
  readonly optional: boolean;
  readonly data: Uint8Array | undefined;
  readonly binaryField: number | undefined;
  /** How it ended; `cancelled` until it has. */
  outcome: AtOutcome = "cancelled";
  /** The first information line without its prefix. */
  answer: string | undefined;
  readonly #modem: Context;
  readonly #text: string;
  readonly #arguments: ((writer: AtWriter) => void) | undefined;
  readonly #takeLine: ((line: AtLine) => boolean) | undefined;
  #ended = false;

  constructor(modem: Context, text: string, options: CommandOptions) {
    this.#modem = modem;
    this.#text = text;
    this.#arguments = options.write;
    this.#takeLine = options.onLine;
    this.limit = options.limit ?? QUICK;
    this.prefix = options.prefix;
    this.optional = options.optional === true;
    this.data = options.data;
    this.binaryField = options.binaryField;
  }

  get ok(): boolean {
    return this.outcome === "ok";
  }

  /** Whether its final result has come, or its time is over. */
  ready(): boolean {
    return this.#ended;
  }

  /** Sets out. A command while a fault is noted is not sent; one after a long silence first wakes the UART. */
  start(): this {
    const modem = this.#modem;
    if (modem.fault !== undefined) this.#ended = true;
    else if (modem.config.uartSleep && modem.now - modem.at.lastActivity > modem.timing.uartIdle)
      new Probe(modem, TRIES_TO_WAKE, (heard) => {
        if (heard) modem.at.execute(this, modem.now);
        else this.#deaf();
      }).start();
    else modem.at.execute(this, modem.now);
    return this;
  }

  write(writer: AtWriter): void {
    writer.text("AT").text(this.#text);
    this.#arguments?.(writer);
  }

  onLine(line: AtLine): boolean {
    if (this.#takeLine !== undefined) return this.#takeLine(line);
    let from = this.prefix!.length;
    while (line.startsWith(" ", from)) from++;
    this.answer ??= line.text(from);
    return true;
  }

  done(outcome: AtOutcome): void {
    const modem = this.#modem;
    this.outcome = outcome;
    if (outcome !== "timeout") {
      this.#ended = true;
      return;
    }
    modem.counters.add("no-answer");
    new Probe(modem, TRIES_AFTER_SILENCE, (heard) => {
      // What the late command does or did is unknown; let its answer, if one still comes, pass by.
      if (heard) modem.at.holdUntil(modem.now + LATE);
      else modem.fault ??= "deaf";
      this.#ended = true;
    }).start();
  }

  #deaf(): void {
    this.#modem.fault ??= "deaf";
    this.#ended = true;
  }
}

/** `AT` until it is answered, so many times at most. It is sent whatever the fault. */
export class Probe implements AtCommand, Wait {
  readonly deadline = Infinity;
  readonly limit: number;
  /** Whether the modem has answered. */
  heard = false;
  readonly #modem: Context;
  readonly #then: ((heard: boolean) => void) | undefined;
  #tries: number;
  #ended = false;

  constructor(modem: Context, tries: number, then?: (heard: boolean) => void) {
    this.#modem = modem;
    this.#tries = tries;
    this.#then = then;
    this.limit = modem.timing.probe;
  }

  /** Whether the modem has answered, or all tries are used. */
  ready(): boolean {
    return this.#ended;
  }

  /** Sends the first `AT`. */
  start(): this {
    this.#modem.at.execute(this, this.#modem.now);
    return this;
  }

  write(writer: AtWriter): void {
    writer.text("AT");
  }

  done(outcome: AtOutcome): void {
    this.heard = outcome === "ok";
    if (!this.heard && outcome !== "cancelled" && --this.#tries > 0) {
      this.start();
      return;
    }
    this.#ended = true;
    this.#then?.(this.heard);
  }
}
