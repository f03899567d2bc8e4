/** What the commands have in common: options that say what is wrong with them, and exit codes (0, 1, 2). */

import { Command, InvalidArgumentError } from "commander";

/** Wrong usage (DESIGN §7). */
export const EXIT_USAGE = 2;

/**
 * A command of ours: `--help` exits 0, a wrong option says what is wrong and exits 2.
 * @param name as it is typed after `npm run`
 */
export function newCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .showHelpAfterError("(--help lists the options)")
    .configureHelp({ showGlobalOptions: true })
    .exitOverride((error) => {
      process.exit(error.exitCode === 0 ? 0 : EXIT_USAGE);
    });
}

/** A parser for a whole number from `least` to `most`. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** A parser for a number from `least` to `most`. */
export function decimal(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value) || value < least || value > most) {
      throw new InvalidArgumentError(`Expected a number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** Ends with a sentence on stderr: exit 1. */
export function fail(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
