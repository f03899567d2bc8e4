import type { Fault } from "./faults.js";
import type { SaraR4Simulator } from "./sara-r4-simulator.js";
import { DEFAULT_SETTINGS, type SimulatorSettings } from "./settings.js";

/** A control command that is not understood; the message says what would be. */
export class ControlError extends Error {}

/** Which values a fault takes: a number, or text that may be left out. */
const FAULTS: Readonly<Record<Fault["kind"], readonly string[]>> = {
  silence: ["duration"],
  "no-answer": ["match", "count"],
  error: ["match", "count", "code"],
  "ok-without-data": ["match", "count"],
  slow: ["match", "count", "delay"],
  "urc-in-answer": ["match", "count", "text"],
  "urc-while-typing": ["count", "text"],
  "urc-storm": ["count", "interval", "text"],
  "drop-urcs": ["count"],
  garbage: ["length"],
  reset: [],
  "reset-in-command": ["match", "count"],
  "partial-reads": ["size", "count"],
  "sim-failure": ["duration"],
  "lock-up": [],
  "lose-sends": ["count"],
  "close-socket": ["socket"],
  "power-cut": [],
};

/** What a value is when the command leaves it out. */
const DEFAULTS: Readonly<Record<string, string | number>> = {
  match: "",
  text: "+UUSORF: 0,17",
  count: 1,
  interval: 10,
  duration: 30_000,
  delay: 3000,
  length: 64,
  size: 8,
  socket: 0,
  code: 3,
};

/** What `help` prints. */
export const CONTROL_HELP = `power on | off | cut        as PWR_ON would, or the supply taken away
pulse power|reset MS       PWR_ON or RESET_N low for so long
coverage on | off
denied on | off            the network refuses the subscriber
attach-stuck               packet service comes only with +CGATT=1
signal DBM                 RSRP
set NAME VALUE             a setting: ${Object.entries(DEFAULT_SETTINGS)
  .filter(([, value]) => typeof value === "number")
  .map(([name]) => name)
  .join(", ")}
fault KIND [NAME=VALUE …]  ${Object.keys(FAULTS).join(", ")}
faults clear
status                     as JSON
help`;

function isFaultKind(kind: string): kind is Fault["kind"] {
  return Object.hasOwn(FAULTS, kind);
}

/**
 * `no-answer match=+USOST count=2` as a fault; what is left out has a default. A text value goes to the end of line.
 * @throws {ControlError}
 */
export function parseFault(line: string): Fault {
  const [kind = "", ...rest] = line.trim().split(/\s+/);
  if (!isFaultKind(kind))
    throw new ControlError(`no fault "${kind}"; there are ${Object.keys(FAULTS).join(", ")}`);
  const names = FAULTS[kind];
  const values: Record<string, string | number> = {};
  for (const name of names) values[name] = DEFAULTS[name];
  const words = rest.join(" ");
  for (const match of words.matchAll(/([a-z]+)=(?:"([^"]*)"|(\S*))/g)) {
    const [, name, quoted, plain] = match;
    if (!names.includes(name))
      throw new ControlError(`fault ${kind} has no "${name}"; it has ${names.join(", ") || "none"}`);
    const value = quoted ?? plain;
    if (typeof DEFAULTS[name] === "string") values[name] = value;
    else if (/^\d+$/.test(value)) values[name] = Number(value);
    else throw new ControlError(`${name}=${value} is no number`);
  }
  // The names and types were checked against the table above.
  return { kind, ...values } as unknown as Fault;
}

function onOff(word: string | undefined): boolean {
  if (word === "on") return true;
  if (word === "off") return false;
  throw new ControlError(`"${word ?? ""}" is neither on nor off`);
}

function decimal(word: string | undefined): number {
  const value = Number(word);
  if (word === undefined || !Number.isFinite(value)) throw new ControlError(`"${word ?? ""}" is no number`);
  return value;
}

/**
 * The pins and the surroundings of a simulated modem as lines of text: what a pseudo-terminal cannot carry.
 */
export class ModemControl {
  readonly #modem: SaraR4Simulator;
  readonly #settings: SimulatorSettings;
  readonly #after: (milliseconds: number, callback: () => void) => void;

  /** @param after calls back later, on the modem's clock */
  constructor(modem: SaraR4Simulator, after: (milliseconds: number, callback: () => void) => void) {
    this.#modem = modem;
    this.#settings = modem.settings;
    this.#after = after;
  }

  /**
   * Carries out one command.
   * @returns what to print
   * @throws {ControlError} with what is wrong with it
   */
  run(line: string): string {
    const [command = "", ...words] = line.trim().split(/\s+/);
    const modem = this.#modem;
    switch (command) {
      case "":
        return "";
      case "help":
        return CONTROL_HELP;
      case "status":
        return JSON.stringify(this.status());
      case "power":
        return this.#power(words[0]);
      case "pulse":
        return this.#pulse(words[0], decimal(words[1]));
      case "coverage":
        modem.cellular.setCoverage(onOff(words[0]));
        return "ok";
      case "denied":
        modem.cellular.setDenied(onOff(words[0]));
        return "ok";
      case "attach-stuck":
        modem.cellular.attachStuck = true;
        return "ok";
      case "signal":
        modem.cellular.rsrp = decimal(words[0]);
        return "ok";
      case "set":
        return this.#set(words[0], decimal(words[1]));
      case "fault":
        modem.fault(parseFault(words.join(" ")));
        return "ok";
      case "faults":
        if (words[0] !== "clear") throw new ControlError("faults clear");
        modem.core.faults.clear();
        return "ok";
      default:
        throw new ControlError(`no command "${command}"; help lists them`);
    }
  }

  #power(word: string | undefined): string {
    if (word === "on") this.#modem.switchOn();
    else if (word === "off") this.#modem.switchOff();
    else if (word === "cut") this.#modem.fault({ kind: "power-cut" });
    else throw new ControlError("power on, off or cut");
    return "ok";
  }

  #pulse(line: string | undefined, milliseconds: number): string {
    if (line !== "power" && line !== "reset") throw new ControlError("pulse power or reset");
    const pin = line === "power" ? this.#modem.powerOn : this.#modem.reset;
    pin.write(false);
    this.#after(milliseconds, () => pin.write(true));
    return "ok";
  }

  #set(name: string | undefined, value: number): string {
    const settings: Record<string, unknown> = this.#settings as unknown as Record<string, unknown>;
    if (name === undefined || typeof settings[name] !== "number")
      throw new ControlError(`no number "${name ?? ""}" among the settings`);
    settings[name] = value;
    return "ok";
  }

  status(): Record<string, unknown> {
    const modem = this.#modem;
    return {
      power: modem.state,
      vInt: modem.vInt.read(),
      coverage: modem.cellular.coverage,
      registration: modem.cellular.stat,
      attached: modem.cellular.attached,
      connected: modem.cellular.connected,
      rsrp: modem.cellular.rsrp,
      sockets: modem.sockets,
      radio: modem.cellular.use,
      counters: Object.fromEntries(modem.counters.entries()),
    };
  }
}

/** One line of a fault script. */
export interface ScriptedCommand {
  /** Milliseconds after the start. */
  readonly at: number;
  readonly command: string;
}

/**
 * A fault script: lines of `SECONDS COMMAND`, blank ones and those from `#` on passed over.
 * @throws {ControlError} naming the line
 */
export function parseScript(text: string): ScriptedCommand[] {
  const script: ScriptedCommand[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const body = line.replace(/(^|\s)#.*$/, "").trim();
    if (body === "") continue;
    const match = /^(\d+(?:\.\d+)?)\s+(\S.*)$/.exec(body);
    if (match === null) throw new ControlError(`line ${index + 1}: "${body}" is not SECONDS COMMAND`);
    script.push({ at: Number(match[1]) * 1000, command: match[2] });
  }
  return script.sort((a, b) => a.at - b.at);
}
