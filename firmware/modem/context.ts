import type { DigitalIn, DigitalOut } from "../../hal/hal.js";
import type { Counters } from "../bytes/counters.js";
import type { AtChannel } from "./at/channel.js";
import type { AtLog } from "./at/log.js";
import { Command, type CommandOptions, Probe } from "./command.js";
import type { ResolvedConfig, Timing } from "./config.js";
import { Network } from "./network.js";
import type { GrantedPowerSaving } from "./power-saving.js";
import type { Wait } from "./routine.js";

/** What the driver is about, as its owner sees it. */
export type ModemState =
  | "off"
  | "starting"
  | "registering"
  | "opening"
  | "ready"
  | "asleep"
  | "recovering"
  | "stopping";

/**
 * What became of a datagram. `sent`: the modem took it, which is neither sent nor delivered. `refused`: it was
 * certainly not sent. `unknown`: no answer, or a restart in between.
 */
export type SendOutcome = "sent" | "refused" | "unknown";

/**
 * Why the driver left its course: `deaf`, the modem does not answer `AT`; `restarted`, it has lost its settings
 * without our doing; `rebooted`, we did it for a setting; `off`, V_INT fell; `stuck`, it answers but does not get on;
 * `asleep`, PSM has begun, which is no fault at all but has the same way out.
 */
export type Fault = "deaf" | "stuck" | "restarted" | "rebooted" | "off" | "asleep";

/** Lines that a board may lack. */
export interface ModemLines {
  /** PWR_ON, active low. */
  readonly powerOn?: DigitalOut | undefined;
  /** RESET_N, active low. */
  readonly reset?: DigitalOut | undefined;
  /** V_INT: high while the modem is on. */
  readonly vInt?: DigitalIn | undefined;
}

/** What goes as it should, counted since the driver was made; what does not is in the counters. */
export interface Activity {
  /** Datagrams that the modem took. */
  sent: number;
  /** Datagrams that came from the server. */
  received: number;
  /** How often PSM began. */
  sleeps: number;
}

/** What the modem says of itself. */
export interface Identity {
  model: string | undefined;
  firmware: string | undefined;
  imei: string | undefined;
  imsi: string | undefined;
  iccid: string | undefined;
}

/** A setting that the modem does not keep is not set again and again: each time costs a reboot. */
const MOST_ATTEMPTS = 2;

/**
 * What the routines of the driver share: the channel, what is known of modem and network, the datagram in hand.
 *
 * A fault is a note, not an exception: once set, every further command ends at once with `cancelled`, so a routine
 * runs down to its end without a check behind each command, and the main course reads the note there. What must be
 * said to a modem with a fault (reboot, power off) clears the note first.
 */
export class Context {
  readonly at: AtChannel;
  readonly config: ResolvedConfig;
  readonly timing: Timing;
  readonly counters: Counters;
  readonly lines: ModemLines;
  readonly log: AtLog | undefined;
  /** Sets our UART's rate; `undefined` where it cannot change. */
  readonly setBaud: ((baud: number) => void) | undefined;
  readonly network = new Network();
  readonly identity: Identity = {
    model: undefined,
    firmware: undefined,
    imei: undefined,
    imsi: undefined,
    iccid: undefined,
  };
  readonly granted: GrantedPowerSaving = { periodicUpdate: undefined, activeTime: undefined };
  readonly activity: Activity = { sent: 0, received: 0, sleeps: 0 };
  now = 0;
  /** The speed that this side speaks. */
  baud: number;
  fault: Fault | undefined;
  /** When the modem was last switched on or rebooted by us. */
  poweredAt = -Infinity;
  /** How long the next search for a network may take before the radio is switched off and on. */
  radioPatience: number;
  /** The PIN was refused once: a second try could lock the SIM. */
  pinRefused = false;
  /** How often each setting was set that was not as wanted. */
  readonly attempts = new Map<string, number>();

  /** The socket, −1 for none. */
  socket = -1;
  /** The server's address once it is known. */
  address: string | undefined;
  /** A URC has announced data, or it is time to look for some. */
  unread = false;
  /** +UUSOCL: the modem has closed our socket. */
  closed = false;
  /** Datagrams since the last answer, and when the first of them went. */
  unanswered = 0;
  unansweredSince = 0;
  /** How often silence was already answered by a step, each harsher than the one before. */
  silences = 0;
  /** +USOST that failed in a row, over new sockets too. */
  refusals = 0;
  /** The datagram that `send` took: its length, −1 for none. */
  pendingLength = -1;
  readonly pending: Uint8Array;

  readonly #onState: (state: ModemState) => void;
  readonly #onSent: (outcome: SendOutcome) => void;
  /** A datagram came from the server; valid during the call. */
  readonly onDatagram: (bytes: Uint8Array) => void;

  constructor(options: {
    at: AtChannel;
    config: ResolvedConfig;
    counters: Counters;
    lines: ModemLines;
    log: AtLog | undefined;
    setBaud: ((baud: number) => void) | undefined;
    maxDatagram: number;
    onState: (state: ModemState) => void;
    onSent: (outcome: SendOutcome) => void;
    onDatagram: (bytes: Uint8Array) => void;
  }) {
    this.at = options.at;
    this.config = options.config;
    this.timing = options.config.timing;
    this.counters = options.counters;
    this.lines = options.lines;
    this.log = options.log;
    this.setBaud = options.setBaud;
    this.baud = options.config.baud;
    this.radioPatience = options.config.timing.radioPatience;
    this.pending = new Uint8Array(options.maxDatagram);
    this.#onState = options.onState;
    this.#onSent = options.onSent;
    this.onDatagram = options.onDatagram;
  }

  /** Tells that the modem is in another state. */
  enter(state: ModemState): void {
    this.#onState(state);
  }

  /** A line for the log, where there is one. */
  note(text: string): void {
    this.log?.("-", text);
  }

  /** Ends the datagram in hand, if there is one. */
  settle(outcome: SendOutcome): void {
    if (this.pendingLength < 0) return;
    this.pendingLength = -1;
    if (outcome === "sent") this.activity.sent++;
    else this.counters.add(`send-${outcome}`);
    this.#onSent(outcome);
  }

  /** Whether a setting that is not as wanted may be set (once more). */
  mayAttempt(setting: string): boolean {
    const attempts = this.attempts.get(setting) ?? 0;
    if (attempts > MOST_ATTEMPTS) return false;
    this.attempts.set(setting, attempts + 1);
    if (attempts === MOST_ATTEMPTS) this.counters.add("setting-not-kept");
    return attempts < MOST_ATTEMPTS;
  }

  /** Waits `milliseconds`, or until `ready` says so. */
  wait(milliseconds: number, ready: () => boolean = never): Wait {
    return { deadline: this.now + milliseconds, ready };
  }

  /** One command; `text` is what stands behind `AT`. To be yielded, and read then. */
  command(text: string, options: CommandOptions = NO_OPTIONS): Command {
    return new Command(this, text, options).start();
  }

  /** A command whose answer is one line. */
  query(text: string, prefix: string, limit?: number): Command {
    return this.command(text, limit === undefined ? { prefix } : { prefix, limit });
  }

  /** `AT`, so many times, whatever the fault. */
  probe(tries: number): Probe {
    return new Probe(this, tries).start();
  }
}

const NO_OPTIONS: CommandOptions = {};

function never(): boolean {
  return false;
}
