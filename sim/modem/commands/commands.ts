import type { Call } from "../command-line.js";
import type { ModemCore } from "../core.js";
import { type CmeError, PLAIN_ERROR } from "../errors.js";

/** The command goes on later. */
export class Later {
  readonly delay: number;
  readonly proceed: () => Answer;

  constructor(delay: number, proceed: () => Answer = () => undefined) {
    this.delay = delay;
    this.proceed = proceed;
  }
}

/** The command asks for `length` bytes with a prompt, and goes on with them. */
export class Prompt {
  readonly character: string;
  readonly length: number;
  readonly proceed: (bytes: Uint8Array) => Answer;

  constructor(character: string, length: number, proceed: (bytes: Uint8Array) => Answer) {
    this.character = character;
    this.length = length;
    this.proceed = proceed;
  }
}

/** The command never ends: the modem has restarted or locked up under it. */
export class Nothing {}

/** How a command goes on: OK (`undefined`), an error, later, after data, or not at all. */
export type Answer = undefined | CmeError | Later | Prompt | Nothing;

/** Carries out one call; information lines go into `lines`. */
export type Handler = (modem: ModemCore, call: Call, lines: string[]) => Answer;

/** All commands by name. */
export class Commands {
  readonly #handlers: ReadonlyMap<string, Handler>;

  constructor(...tables: Readonly<Record<string, Handler>>[]) {
    this.#handlers = new Map(tables.flatMap((table) => Object.entries(table)));
  }

  get names(): string[] {
    return [...this.#handlers.keys()];
  }

  run(modem: ModemCore, call: Call, lines: string[]): Answer {
    const handler = this.#handlers.get(call.name);
    if (handler === undefined) {
      modem.counters.add("unknown-command");
      return PLAIN_ERROR;
    }
    return handler(modem, call, lines);
  }
}
