import { Counters } from "../bytes/counters.js";
import { AtChannel, type AtChannelTiming } from "./at/channel.js";
import type { AtLine } from "./at/line.js";
import type { AtLog } from "./at/log.js";
import { type Rat, resolveConfig, type SaraR4Config } from "./config.js";
import {
  type Activity,
  Context,
  type Identity,
  type ModemLines,
  type ModemState,
  type SendOutcome,
} from "./context.js";
import { course, shutDown } from "./course.js";
import type { Routine, Wait } from "./routine.js";

export type { AtLog } from "./at/log.js";
export type { SaraR4Config } from "./config.js";
export type { Activity, Identity, ModemLines, ModemState, SendOutcome } from "./context.js";

/** What the driver needs of the world. */
export interface SaraR4Options {
  readonly config: SaraR4Config;
  /** Bytes to the UART, valid during the call; at most 512 in 50 ms. */
  write(bytes: Uint8Array): void;
  /** Lines of the board; those that it lacks are absent. */
  readonly lines?: ModemLines;
  /** Changes the UART's speed. Without it the modem is only spoken to at the speed that the UART has. */
  setBaud?(baud: number): void;
  /** A datagram from the server; the bytes are the receiver's to keep. */
  onDatagram(bytes: Uint8Array, now: number): void;
  /** The modem is in another state. */
  onState?(state: ModemState, now: number): void;
  /** Once for every `send` that returned true, in their order. */
  onSent?(outcome: SendOutcome, now: number): void;
  readonly log?: AtLog;
  /** Pauses of the AT channel. */
  readonly channelTiming?: Partial<AtChannelTiming>;
}

/** What the radio last reported. */
export interface Signal {
  /** dBm */
  readonly rsrp: number | undefined;
  readonly rat: Rat | undefined;
  /** Tracking area and cell as hex digits. */
  readonly area: string | undefined;
  readonly cell: string | undefined;
  /** When the RSRP was read. */
  readonly at: number;
}

/** URCs that say nothing that the driver would act upon. */
const IGNORED_URCS = [
  "+CREG:",
  "+CGREG:",
  "+CGEV:",
  "+UUPSDA:",
  "+UUPSDD:",
  "+CEDRXP:",
  "+CIEV:",
  "+CPIN:",
  "+UUPSMR:",
];

/** The longest datagram by mode (AT manual, +USOST). */
const MAX_HEX = 512;
const MAX_BINARY = 1024;

/**
 * Drives a u-blox SARA-R4 as a pipe for UDP datagrams to one server.
 *
 * Sans-IO: bytes and time come in by `receive`, `send` and `tick`, bytes go out by `write`. What it does is written
 * as routines (course.ts and those it calls); this class resumes them. It recovers from whatever the modem does by
 * patient steps and never gives up; what went wrong is in `counters`.
 */
export class SaraR4 {
  readonly counters = new Counters();
  readonly #options: SaraR4Options;
  readonly #context: Context;
  readonly #at: AtChannel;
  #state: ModemState = "off";
  #routine: Routine<void> | undefined;
  #wait: Wait | undefined;
  #pumping = false;

  /** @throws {AtArgumentError} when the configuration holds what cannot stand in an AT command */
  constructor(options: SaraR4Options) {
    const config = resolveConfig(options.config);
    this.#options = options;
    this.#at = new AtChannel({
      write: (bytes) => options.write(bytes),
      onUrc: (line) => this.#onUrc(line),
      onEcho: () => {
        this.#context.fault ??= "restarted";
      },
      counters: this.counters,
      timing: options.channelTiming,
      log: options.log,
      longestData: config.hex ? MAX_HEX : 64,
    });
    this.#context = new Context({
      at: this.#at,
      config,
      counters: this.counters,
      lines: options.lines ?? {},
      log: options.log,
      setBaud: options.setBaud && ((baud) => options.setBaud!(baud)),
      maxDatagram: config.hex ? MAX_HEX : MAX_BINARY,
      onState: (state) => this.#enter(state),
      onSent: (outcome) => options.onSent?.(outcome, this.#context.now),
      onDatagram: (bytes) => options.onDatagram(bytes, this.#context.now),
    });
  }

  get state(): ModemState {
    return this.#state;
  }

  get maxDatagram(): number {
    return this.#context.pending.length;
  }

  /** Whether `send` takes a datagram now. */
  get canSend(): boolean {
    return (this.#state === "ready" || this.#state === "asleep") && this.#context.pendingLength < 0;
  }

  get signal(): Signal {
    return this.#context.network;
  }

  get identity(): Readonly<Identity> {
    return this.#context.identity;
  }

  get activity(): Readonly<Activity> {
    return this.#context.activity;
  }

  /** PSM as the network grants it, in seconds. */
  get granted(): { readonly periodicUpdate: number | undefined; readonly activeTime: number | undefined } {
    return this.#context.granted;
  }

  get deadline(): number {
    return Math.min(this.#wait?.deadline ?? Infinity, this.#at.deadline);
  }

  /** Switches the modem on and goes on from there. Does nothing when it is running. */
  start(now: number): void {
    if (this.#routine !== undefined && this.#state !== "stopping") return;
    this.#context.now = now;
    this.#context.pinRefused = false;
    this.#context.attempts.clear();
    this.#begin(course(this.#context), now);
  }

  /** Switches the modem off in order; `off` is reached when it is, or when it did not answer. */
  stop(now: number): void {
    if (this.#state === "off" || this.#state === "stopping") return;
    this.#context.now = now;
    this.#context.settle("refused");
    this.#begin(shutDown(this.#context), now);
  }

  /** Bytes from the UART, in any pieces. */
  receive(bytes: Uint8Array, now: number): void {
    this.#context.now = now;
    if (this.#routine === undefined) return;
    this.#at.receive(bytes, now);
    this.#pump(now);
  }

  /**
   * Takes a datagram for the server, copies it and reports by `onSent` what became of it. In state `asleep` it wakes
   * the modem first.
   * @returns false, with nothing taken, unless `canSend`
   * @throws {RangeError} when it is longer than `maxDatagram`
   */
  send(datagram: Uint8Array, now: number): boolean {
    const context = this.#context;
    if (datagram.length > this.maxDatagram || datagram.length === 0)
      throw new RangeError(`datagram: ${datagram.length} bytes, 1 to ${this.maxDatagram}`);
    if (!this.canSend) return false;
    context.now = now;
    context.pending.set(datagram);
    context.pendingLength = datagram.length;
    this.#pump(now);
    return true;
  }

  /** Goes on with whatever is due at `now` (ms). */
  tick(now: number): void {
    this.#context.now = now;
    if (this.#routine === undefined) return;
    this.#at.tick(now);
    this.#pump(now);
  }

  #begin(routine: Routine<void>, now: number): void {
    this.#at.cancel(now);
    this.#context.fault = undefined;
    this.#routine = routine;
    this.#wait = undefined;
    this.#pump(now);
  }

  /** Resumes the course as long as what it waits for is there. */
  #pump(now: number): void {
    // A callback may call `send`: the loop below sees what it has left.
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#routine !== undefined) {
        const wait = this.#wait;
        if (wait !== undefined && !wait.ready() && now < wait.deadline) break;
        const routine: Routine<void> = this.#routine;
        const step = routine.next();
        // `stop` or `start` from a callback has put another course in the place of this one.
        if (routine !== this.#routine) continue;
        if (step.done) {
          this.#routine = undefined;
          this.#wait = undefined;
        } else this.#wait = step.value;
      }
    } finally {
      this.#pumping = false;
    }
  }

  #enter(state: ModemState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.log?.("-", `state ${state}`);
    this.#options.onState?.(state, this.#context.now);
  }

  #onUrc(line: AtLine): void {
    const context = this.#context;
    if (line.after("+UUSORF:") || line.after("+UUSORD:")) {
      if (line.int() === context.socket) context.unread = true;
    } else if (line.after("+UUSOCL:")) {
      if (line.int() === context.socket) context.closed = true;
    } else if (line.after("+CEREG:")) {
      context.network.onCereg(line);
    } else {
      for (const prefix of IGNORED_URCS) if (line.startsWith(prefix)) return;
      this.counters.add("at-unexpected-line");
    }
  }
}
