import type { Counters } from "../../bytes/counters.js";
import type { AtLine } from "./line.js";
import { type AtLog, redact, redactLine } from "./log.js";
import { AtParser } from "./parser.js";
import { AtWriter } from "./writer.js";

/**
 * How a command ended: `incomplete` is OK without the line that the command is for, `timeout` no final result within
 * the command's own limit, `cancelled` dropped by {@link AtChannel.cancel}.
 */
export type AtOutcome = "ok" | "error" | "incomplete" | "timeout" | "cancelled";

/** A command and what belongs to it. */
export interface AtCommand {
  /** Writes the line with `AT` and without the line end. */
  write(writer: AtWriter): void;
  /** Milliseconds within which the final result must come, counted from the last byte of the command. */
  readonly limit: number;
  /**
   * What the command's information lines start with; `""` for commands that answer with a bare line (+CGSN).
   * Without it the command has none.
   */
  readonly prefix?: string | undefined;
  /** The command may end in OK without an information line (a list that can be empty). */
  readonly optional?: boolean | undefined;
  /**
   * An information line; the cursor stands behind the prefix.
   * @returns false when this line is not for the command after all: it is passed on as a URC.
   */
  onLine?(line: AtLine): boolean;
  /** Bytes to send when the modem has asked for them with `@`. Not copied. */
  readonly data?: Uint8Array | undefined;
  /** The information line carries binary data whose length stands in this field (counted from 0). */
  readonly binaryField?: number | undefined;
  /** Called once. `detail` is the text behind `+CME ERROR: `, empty for others. */
  done(outcome: AtOutcome, detail: string): void;
}

/** Pauses that the modem needs, ms. */
export interface AtChannelTiming {
  /** Silence between a final result or URC and the next command (AT manual R16: at least 20 ms). */
  pause: number;
  /** Silence between the prompt `@` and the data (AT manual +USOST: at least 50 ms). */
  promptPause: number;
  /** At most `burst` bytes in `burstTime`: firmware without flow control on its side loses more (trap 11). */
  burst: number;
  burstTime: number;
}

/** What the manual asks for, with a margin for the prompt. */
export const CHANNEL_TIMING: AtChannelTiming = { pause: 20, promptPause: 60, burst: 512, burstTime: 55 };

/** What an {@link AtChannel} is put between. */
export interface AtChannelOptions {
  /** Bytes to the modem, valid during the call. */
  write(bytes: Uint8Array): void;
  /** A line that belongs to no command: URC or noise. */
  onUrc(line: AtLine): void;
  /** A command was echoed although {@link AtChannel.echo} is off: the modem has forgotten its settings. */
  onEcho(): void;
  readonly counters: Counters;
  readonly timing?: Partial<AtChannelTiming> | undefined;
  readonly log?: AtLog | undefined;
  /** Longest datagram that goes out in hex. */
  readonly longestData?: number;
}

const AT_SIGN = 64;
const CR = 13;

/**
 * One command at a time over a byte stream that also carries URCs (3GPP TS 27.007, u-blox AT manual).
 *
 * Commands wait in a queue; a line is, in this order, a piece of the running command's echo, a final result, an
 * information line of the running command, or a URC.
 */
export class AtChannel {
  /** Whether the modem is known to echo: true until ATE0 was answered. */
  echo = true;
  readonly #options: AtChannelOptions;
  readonly #timing: AtChannelTiming;
  readonly #counters: Counters;
  readonly #parser: AtParser;
  readonly #writer: AtWriter;
  readonly #queue: AtCommand[] = [];
  #current: AtCommand | undefined;
  #limitAt = Infinity;
  #answered = false;
  #echoed = 0;
  #prompted = false;
  #output: Uint8Array | undefined;
  #outputAt = Infinity;
  /** When bytes went out in the last `burstTime`, and how many. */
  readonly #sentAt: number[] = [];
  readonly #sentBytes: number[] = [];
  #quietUntil = 0;
  #lastActivity = 0;
  #now = 0;

  constructor(options: AtChannelOptions) {
    this.#options = options;
    this.#timing = { ...CHANNEL_TIMING, ...options.timing };
    this.#counters = options.counters;
    this.#writer = new AtWriter(options.longestData);
    this.#parser = new AtParser(
      (line) => this.#onLine(line),
      () => this.#onPrompt(),
      options.counters,
    );
  }

  /** Whether nothing runs or waits. */
  get idle(): boolean {
    return this.#current === undefined && this.#queue.length === 0;
  }

  /** When the last byte went either way: the modem's UART and PSM timers count from there. */
  get lastActivity(): number {
    return this.#lastActivity;
  }

  get deadline(): number {
    if (this.#output !== undefined) return this.#outputAt;
    if (this.#current !== undefined) return this.#limitAt;
    return this.#queue.length > 0 ? this.#quietUntil : Infinity;
  }

  /** Puts a command behind those that wait. */
  execute(command: AtCommand, now: number): void {
    this.#now = now;
    this.#queue.push(command);
    this.#next();
  }

  /** Bytes came from the modem, cut anywhere. */
  receive(bytes: Uint8Array, now: number): void {
    this.#now = now;
    this.#lastActivity = now;
    this.#parser.feed(bytes);
  }

  /** Sends what had to wait, and ends commands that have run out of time at `now` (ms). */
  tick(now: number): void {
    this.#now = now;
    if (this.#current !== undefined && this.#output === undefined && now >= this.#limitAt) {
      this.#parser.reset();
      this.#finish("timeout", "");
    }
    if (this.#output !== undefined && now >= this.#outputAt) this.#send();
    this.#next();
  }

  /** Drops the running command and all that wait, without an answer; what has come of a line is forgotten. */
  cancel(now: number): void {
    this.#now = now;
    this.#parser.reset();
    this.#output = undefined;
    while (this.#queue.length > 0) this.#queue.shift()!.done("cancelled", "");
    if (this.#current !== undefined) this.#finish("cancelled", "");
  }

  /** Nothing goes out before `time`: after +IPR, after a reset. */
  holdUntil(time: number): void {
    if (time > this.#quietUntil) this.#quietUntil = time;
  }

  #next(): void {
    if (this.#current !== undefined || this.#output !== undefined) return;
    if (this.#queue.length === 0 || this.#now < this.#quietUntil) return;
    const command = this.#queue.shift()!;
    this.#writer.begin();
    command.write(this.#writer);
    this.#current = command;
    this.#answered = false;
    this.#echoed = 0;
    this.#prompted = false;
    if (this.#options.log !== undefined) {
      let text = "";
      const bytes = this.#writer.view();
      for (let i = 0; i < bytes.length && i < 120; i++) text += String.fromCharCode(bytes[i]);
      this.#options.log(">", redact(text));
    }
    this.#writer.end();
    if (command.data !== undefined) this.#parser.expectPrompt(AT_SIGN);
    if (command.binaryField !== undefined) this.#parser.expectData(`${command.prefix} `, command.binaryField);
    this.#output = this.#writer.view();
    this.#send();
  }

  /** Sends what the modem can take now. */
  #send(): void {
    const output = this.#output!;
    this.#lastActivity = this.#now;
    const room = this.#room();
    if (output.length > room) {
      this.#output = output.subarray(room);
      if (room > 0) this.#write(output.subarray(0, room));
      this.#outputAt = this.#sentAt[0] + this.#timing.burstTime;
    } else {
      this.#output = undefined;
      this.#outputAt = Infinity;
      if (this.#current !== undefined) this.#limitAt = this.#now + this.#current.limit;
      this.#write(output);
    }
  }

  /** Bytes that may go out now: `burst` less what went out in the last `burstTime`, for whichever command. */
  #room(): number {
    const { burst, burstTime } = this.#timing;
    while (this.#sentAt.length > 0 && this.#now - this.#sentAt[0] >= burstTime) {
      this.#sentAt.shift();
      this.#sentBytes.shift();
    }
    let room = burst;
    for (const bytes of this.#sentBytes) room -= bytes;
    return room;
  }

  #write(bytes: Uint8Array): void {
    this.#sentAt.push(this.#now);
    this.#sentBytes.push(bytes.length);
    this.#options.write(bytes);
  }

  #finish(outcome: AtOutcome, detail: string): void {
    const command = this.#current!;
    this.#current = undefined;
    this.#limitAt = Infinity;
    this.#output = undefined;
    if (outcome === "timeout" && command.data !== undefined) {
      // The modem may still be waiting for data, which nothing can abort: line ends fill it up, and harm no one else.
      this.#output = new Uint8Array(command.data.length).fill(CR);
      this.#outputAt = this.#now;
    }
    this.#parser.expectPrompt(0);
    this.#parser.expectData("");
    this.holdUntil(this.#now + this.#timing.pause);
    if (outcome === "error") this.#options.log?.("-", `error ${detail}`);
    else if (outcome !== "ok") this.#options.log?.("-", outcome);
    command.done(outcome, detail);
  }

  #onPrompt(): void {
    const data = this.#current?.data;
    if (data === undefined) return;
    this.#prompted = true;
    this.#output = data;
    this.#outputAt = this.#now + this.#timing.promptPause;
    this.#options.log?.(">", `<${data.length} bytes>`);
  }

  #onLine(line: AtLine): void {
    this.holdUntil(this.#now + this.#timing.pause);
    const command = this.#current;
    if (command !== undefined && this.#isEcho(line)) return;
    this.#options.log?.("<", redactLine(line));
    if (this.#isFinal(line)) return;
    const prefix = command?.prefix;
    if (command !== undefined && prefix !== undefined) {
      const own = prefix === "" ? !line.startsWith("+") : line.after(prefix);
      if (own && (command.onLine === undefined || command.onLine(line))) {
        this.#answered = true;
        return;
      }
    }
    this.#options.onUrc(line);
  }

  /**
   * A URC that comes while the command is typed tears its echo to pieces, so a line is echo when it goes on where the
   * echo so far has ended.
   */
  #isEcho(line: AtLine): boolean {
    const sent = this.#writer.view();
    const started = this.#echoed > 0;
    if (!started && !line.startsWith("AT")) return false;
    if (!line.matches(sent, this.#echoed)) return false;
    this.#echoed += line.length;
    if (!this.echo && !started) {
      this.#counters.add("at-unexpected-echo");
      this.#options.onEcho();
    }
    return true;
  }

  #isFinal(line: AtLine): boolean {
    const ok = line.equals("OK");
    let detail = "";
    if (!ok) {
      if (line.after("+CME ERROR:") || line.after("+CMS ERROR:")) detail = line.string() ?? "";
      else if (!line.equals("ERROR") && !line.equals("ABORTED")) return false;
    }
    const command = this.#current;
    if (command === undefined) {
      // The answer to a command that was given up: nothing may be concluded from it.
      this.#counters.add("at-late-result");
    } else if (!ok) {
      this.#finish("error", detail);
    } else if (
      (command.prefix !== undefined && !command.optional && !this.#answered) ||
      this.#owesData(command)
    ) {
      this.#counters.add("at-incomplete");
      this.#finish("incomplete", "");
    } else {
      this.#finish("ok", "");
    }
    return true;
  }

  /** OK although the data was never asked for. */
  #owesData(command: AtCommand): boolean {
    return command.data !== undefined && !this.#prompted;
  }
}
