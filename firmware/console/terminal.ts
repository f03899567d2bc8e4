import { Refusal } from "../bytes/refusal.js";
import { type Crc16, decodeFrame, encodeFrame, NOBODY } from "./frame.js";
import { LineReader } from "./line-reader.js";

/** What a command answers: a text, or why it did nothing. */
export type Command = (rest: string) => string | Refusal<string>;

/**
 * The board's side of its console: commands of people, typed as they are, and frames of programs
 * ({@link encodeFrame}). What changes the board for good is taken from frames only, so that no noise and no typing
 * does it.
 */
export class Terminal {
  /** Frames with a wrong checksum, lines without a command, and answers of another board on the same line. */
  damaged = 0;
  unknown = 0;
  /** Lines that had no room on their way out. */
  lost = 0;
  /** Called when a frame or a command has come: somebody is there. */
  onUse: (() => void) | undefined;
  readonly #print: (line: string) => boolean;
  readonly #crc: Crc16;
  readonly #reader = new LineReader((line) => this.#take(line));
  readonly #commands = new Map<string, Command>();
  readonly #framed = new Map<string, Command>();
  #event = 0;

  /** @param print sends a line, or returns false when there is no room for it now */
  constructor(print: (line: string) => boolean, crc: Crc16) {
    this.#print = print;
    this.#crc = crc;
  }

  /** Lines that came too long or with bytes that are none of a line's. */
  get dropped(): number {
    return this.#reader.dropped;
  }

  receive(bytes: Uint8Array): void {
    this.#reader.receive(bytes);
  }

  /** Adds a command by its first word. */
  command(word: string, run: Command): void {
    this.#commands.set(word, run);
  }

  /** Adds a command that is taken from frames only. */
  framed(word: string, run: Command): void {
    this.#framed.set(word, run);
  }

  /** A line for people. */
  log(line: string): void {
    this.#send(line);
  }

  /** A frame that nobody asked for. */
  event(text: string): void {
    this.#event = (this.#event + 1) & 255;
    this.#send(encodeFrame(this.#event, text, this.#crc));
  }

  #send(line: string): void {
    if (!this.#print(line)) this.lost++;
  }

  #take(line: string): void {
    const frame = decodeFrame(line, this.#crc);
    if (frame === "damaged") {
      this.damaged++;
      this.#send(encodeFrame(NOBODY, "no damaged", this.#crc));
      return;
    }
    const text = frame === undefined ? line : frame.text;
    const space = text.indexOf(" ");
    const word = space < 0 ? text : text.slice(0, space);
    // An answer: of another board, or our own from a line that echoes. To answer it would never end.
    if (frame === undefined ? word === "?" : word === "ok" || word === "no") {
      this.unknown++;
      return;
    }
    const command = (frame && this.#framed.get(word)) ?? this.#commands.get(word);
    const rest = space < 0 ? "" : text.slice(space + 1);
    if (command === undefined) this.unknown++;
    else this.onUse?.();
    const answer = command === undefined ? new Refusal("no-such-command") : command(rest);
    if (frame === undefined) this.#send(answer instanceof Refusal ? `? ${answer}` : answer);
    else {
      const text = answer instanceof Refusal ? `no ${answer}` : `ok ${answer}`;
      this.#send(encodeFrame(frame.number, text, this.#crc));
    }
  }
}
