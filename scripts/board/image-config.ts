/** What a node's image may be told at its build: `config` in its manifest, or options of the commands that build. */

import { type Command, Option } from "commander";

const CHOICES = {
  listen: ["always", "answers", "friend"],
  sensor: ["sht3x", "shtc3", "si7021"],
} as const;

const MEANINGS = {
  listen:
    "a node's receiver: always on; for batteries on while an answer is to come (answers), or with a relay nearby that hears for it (friend)",
  sensor: "what a node measures with",
} as const;

export type ImageConfig = { readonly [name in keyof typeof CHOICES]?: string };

/** Gives a command the choices of a node's image. */
export function withImageConfig(command: Command): Command {
  for (const name of Object.keys(CHOICES) as (keyof typeof CHOICES)[]) {
    command.addOption(new Option(`--${name} <${name}>`, MEANINGS[name]).choices(CHOICES[name]));
  }
  return command;
}

/** Of a command's options those that are the image's. */
export function imageConfigOf({ listen, sensor }: ImageConfig): Record<string, string> {
  return { ...(listen !== undefined && { listen }), ...(sensor !== undefined && { sensor }) };
}

/** @returns what is wrong with an image's `config`, in words */
export function wrongConfig(config: Readonly<Record<string, unknown>>): string | undefined {
  for (const [name, choices] of Object.entries(CHOICES)) {
    const value = config[name];
    if (value === undefined || (choices as readonly unknown[]).includes(value)) continue;
    return `config.${name} is ${JSON.stringify(value)}; it can be ${choices.join(", ")}.`;
  }
  return undefined;
}
