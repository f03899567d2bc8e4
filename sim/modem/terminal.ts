import type { Clock } from "../../hal/hal.js";
import { latin1 } from "./latin1.js";

const NUL = 0;
const CR = 13;
const LF = 10;
const BACKSPACE = 8;

/** Longest line that is kept; the rest of it is lost. */
const LINE_LIMIT = 1200;

/** The pause that u-blox asks for between a final result or URC and the next command. */
const PAUSE = 20;

export interface TerminalEvents {
  onOutput(bytes: Uint8Array): void;
  /** A line, without its end. The terminal is busy until `finish`. */
  onLine(line: string): void;
  /** Something is wrong with how the host talks. */
  onOffence(kind: "too-early" | "overrun"): void;
}

/** What may be different from start to start, and what a firmware lacks. */
export interface TerminalRules {
  readonly strictPause: boolean;
  readonly noFlowControl: boolean;
}

/**
 * The modem's end of the UART: lines in, answers and URCs out, echo, data by length, URCs held back while a command
 * runs.
 */
export class Terminal {
  echo = true;
  /** V.250 V: words or numbers. */
  verbose = true;
  /** V.250 Q: no result codes. */
  quiet = false;
  readonly #clock: Clock;
  readonly #events: TerminalEvents;
  readonly #rules: TerminalRules;
  #line = "";
  #busy = false;
  #early = false;
  #typed: number[] = [];
  #held: string[] = [];
  #data: { bytes: Uint8Array; length: number; done: (bytes: Uint8Array) => void } | undefined;
  #quietSince = -Infinity;
  #lastActivity = 0;
  #burst = 0;
  #burstStart = -Infinity;

  constructor(clock: Clock, rules: TerminalRules, events: TerminalEvents) {
    this.#clock = clock;
    this.#rules = rules;
    this.#events = events;
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** Whether the host is in the middle of a line. */
  get typing(): boolean {
    return this.#line.length > 0 && !this.#busy;
  }

  /** When the last byte went either way. */
  get lastActivity(): number {
    return this.#lastActivity;
  }

  /** As after power on. */
  reset(): void {
    this.echo = true;
    this.verbose = true;
    this.quiet = false;
    this.#line = "";
    this.#busy = false;
    this.#typed = [];
    this.#held = [];
    this.#data = undefined;
    this.#lastActivity = this.#clock.now();
  }

  receive(bytes: Uint8Array): void {
    this.#lastActivity = this.#clock.now();
    let echoed = 0;
    const echo: number[] = [];
    for (const byte of bytes) {
      if (this.#overruns()) continue;
      if (this.#data !== undefined) this.#take(byte);
      else if (this.#busy) this.#typed.push(byte);
      else {
        // The LF of a host that ends its lines in CR LF is no character of the next line, and is not echoed.
        // A NUL is a line that is being pulled about, by a host that boots.
        if ((byte === LF && this.#line.length === 0) || byte === NUL) continue;
        if (this.echo) echo.push(byte);
        if (this.#key(byte)) {
          this.#emitBytes(Uint8Array.from(echo.slice(echoed)));
          echoed = echo.length;
          this.#execute();
        }
      }
    }
    if (echo.length > echoed) this.#emitBytes(Uint8Array.from(echo.slice(echoed)));
  }

  /** Firmware without flow control drops what comes faster than it reads. */
  #overruns(): boolean {
    if (!this.#rules.noFlowControl) return false;
    const now = this.#clock.now();
    if (now - this.#burstStart >= 50) {
      this.#burstStart = now;
      this.#burst = 0;
    }
    if (++this.#burst <= 512) return false;
    if (this.#burst === 513) this.#events.onOffence("overrun");
    return true;
  }

  /** One character of a line. Returns whether the line is complete. */
  #key(byte: number): boolean {
    if (byte === CR) return true;
    if (byte === LF) return false;
    if (byte === BACKSPACE) this.#line = this.#line.slice(0, -1);
    else {
      if (this.#line.length === 0) this.#early = this.#clock.now() - this.#quietSince < PAUSE;
      if (this.#line.length < LINE_LIMIT) this.#line += String.fromCharCode(byte);
    }
    return false;
  }

  #execute(): void {
    const line = this.#line;
    this.#line = "";
    if (line.length === 0) return;
    if (this.#early) {
      this.#events.onOffence("too-early");
      if (this.#rules.strictPause) return;
    }
    this.#busy = true;
    this.#events.onLine(line);
  }

  #take(byte: number): void {
    const data = this.#data!;
    data.bytes[data.length++] = byte;
    if (data.length < data.bytes.length) return;
    this.#data = undefined;
    data.done(data.bytes);
  }

  /** Prompts, and takes the next `length` bytes as data: they are not echoed and cannot be aborted. */
  prompt(character: string, length: number, done: (bytes: Uint8Array) => void): void {
    this.emit(`\r\n${character}`);
    this.#data = { bytes: new Uint8Array(length), length: 0, done };
  }

  /** The end of a command: its lines and its result, then the URCs that had to wait. */
  finish(lines: readonly string[], result: string, number: string): void {
    let text = "";
    for (const line of lines) text += this.#dressed(line);
    if (!this.quiet) text += this.verbose ? `\r\n${result}\r\n` : `${number}\r`;
    this.emit(text);
    this.release();
  }

  #dressed(line: string): string {
    return this.verbose ? `\r\n${line}\r\n` : `${line}\r\n`;
  }

  /** The terminal takes the next command: what was typed meanwhile, and the URCs that waited. */
  release(): void {
    this.#busy = false;
    this.#quietSince = this.#clock.now();
    const held = this.#held;
    this.#held = [];
    for (const urc of held) this.urc(urc);
    if (this.#typed.length > 0) {
      const typed = Uint8Array.from(this.#typed);
      this.#typed = [];
      // Typed over a running command: too early by definition.
      this.receive(typed);
    }
  }

  /** An unsolicited line: now, also into a line that the host is typing, or after the running command. */
  urc(text: string): void {
    if (this.#busy) {
      this.#held.push(text);
      return;
    }
    this.emit(this.#dressed(text));
    this.#quietSince = this.#clock.now();
  }

  /** Raw output, one character for each byte. */
  emit(text: string): void {
    if (text.length > 0) this.#emitBytes(latin1(text));
  }

  #emitBytes(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#lastActivity = this.#clock.now();
    this.#events.onOutput(bytes);
  }
}
