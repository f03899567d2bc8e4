/** What a person sees and is asked, and what a script gets instead: one JSON document, and no question. */

import * as clack from "@clack/prompts";
import { ProvisionError, UsageError } from "./errors.js";

export interface UiOptions {
  readonly json: boolean;
  /** Every question that can be answered with yes is. */
  readonly yes: boolean;
}

export interface Question {
  readonly message: string;
  readonly initial?: string;
  /** What to say in a script instead: the option that answers it. */
  readonly option: string;
  /** @returns what is wrong with an answer */
  readonly check?: (text: string) => string | undefined;
}

/** Shows how far something is. */
export interface Meter {
  /** @param done 0 to 1 */
  update(message: string, done?: number): void;
}

/** Steps of a progress bar. */
const STEPS = 100;

export class Ui {
  readonly #json: boolean;
  readonly #yes: boolean;
  /** A person sits there and can be asked. */
  readonly asks: boolean;
  readonly warnings: string[] = [];
  /** Where people read: a script's stdout has the JSON alone. */
  readonly #bar: boolean;

  constructor({ json, yes }: UiOptions) {
    this.#json = json;
    this.#yes = yes;
    this.asks = !json && process.stdin.isTTY === true && process.stdout.isTTY === true;
    this.#bar = !json && process.stdout.isTTY === true;
    // A terminal on a serial line says that it has no columns.
    if (this.#bar && !process.stdout.columns) process.stdout.columns = 80;
  }

  title(text: string): void {
    if (this.#bar) clack.intro(text);
    else this.#line(text);
  }

  info(text: string): void {
    if (this.#bar) clack.log.info(text);
    else this.#line(text);
  }

  success(text: string): void {
    if (this.#bar) clack.log.success(text);
    else this.#line(text);
  }

  warn(text: string): void {
    this.warnings.push(text);
    if (this.#bar) clack.log.warn(text);
    else if (!this.#json) process.stderr.write(`${text}\n`);
  }

  /** As it is: a table, a QR code. */
  raw(text: string): void {
    this.#line(text);
  }

  async confirm(message: string, initial = true): Promise<void> {
    if (this.#yes) return;
    if (!this.asks) throw new UsageError(`"${message}" needs a person, or --yes.`);
    const answer = await clack.confirm({ message, initialValue: initial });
    if (clack.isCancel(answer) || !answer) throw new ProvisionError("cancelled", "Nothing more was done.");
  }

  async text({ message, initial, option, check }: Question): Promise<string> {
    if (!this.asks) throw new UsageError(`${option} is needed.`);
    return taken(
      await clack.text({
        message,
        ...(initial !== undefined && { initialValue: initial }),
        validate: (text) => check?.(text ?? ""),
      }),
    );
  }

  async select<T extends string>(message: string, options: readonly T[], option: string): Promise<T> {
    if (!this.asks) throw new UsageError(`${option} is needed: one of ${options.join(", ")}.`);
    const answer = await clack.select<string>({ message, options: options.map((value) => ({ value })) });
    return taken(answer) as T;
  }

  async secret(message: string, check?: (text: string) => string | undefined): Promise<string> {
    const answer = await clack.password({ message, validate: (text) => check?.(text ?? "") });
    return taken(answer);
  }

  /** Runs something that takes a while, and says how it ended. */
  async during<T>(
    message: string,
    work: (meter: Meter) => Promise<T>,
    ended?: (result: T) => string,
  ): Promise<T> {
    if (!this.#bar) {
      const result = await work({ update: () => {} });
      if (ended !== undefined) this.#line(ended(result));
      return result;
    }
    const bar = clack.progress({ max: STEPS, style: "heavy" });
    let at = 0;
    bar.start(message);
    try {
      const result = await work({
        update: (text, done = at / STEPS) => {
          const to = Math.round(Math.min(1, Math.max(0, done)) * STEPS);
          bar.advance(Math.max(0, to - at), text);
          at = Math.max(at, to);
        },
      });
      bar.stop(ended === undefined ? message : ended(result));
      return result;
    } catch (error) {
      bar.error(message);
      throw error;
    }
  }

  /** The end of a command that did what it was to do. */
  done(result: object, sentence?: string): void {
    if (this.#json) {
      const warnings = this.warnings.length > 0 ? { warnings: this.warnings } : {};
      process.stdout.write(`${JSON.stringify({ ok: true, ...result, ...warnings }, null, 2)}\n`);
    } else if (sentence !== undefined) {
      if (this.#bar) clack.outro(sentence);
      else this.#line(sentence);
    }
  }

  /** The end of one that did not. */
  failed(error: { reason: string; message: string }, result: object = {}): void {
    if (this.#json) {
      const { reason, message } = error;
      process.stdout.write(
        `${JSON.stringify({ ok: false, error: reason, message, ...result, warnings: this.warnings }, null, 2)}\n`,
      );
    }
    if (this.#bar) clack.cancel(error.message);
    else process.stderr.write(`${error.message}\n`);
  }

  #line(text: string): void {
    if (!this.#json) process.stdout.write(`${text}\n`);
  }
}

function taken(answer: string | symbol): string {
  if (typeof answer === "symbol") throw new ProvisionError("cancelled", "Nothing more was done.");
  return answer;
}
