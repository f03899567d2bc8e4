import { Counters } from "../../firmware/bytes/counters.js";
import type { Clock } from "../../hal/hal.js";
import type { Random } from "../random.js";
import { Cellular } from "./cellular.js";
import { type Call, MALFORMED, parseLine } from "./command-line.js";
import { type Answer, type Commands, Later, Prompt } from "./commands/commands.js";
import { registrationUrc } from "./commands/network.js";
import { CmeError, PLAIN_ERROR } from "./errors.js";
import { ArmedFaults } from "./faults.js";
import type { FirmwareVariant } from "./firmware.js";
import { StoredSettings, VolatileSettings } from "./memory.js";
import type { ModemNetwork } from "./modem-network.js";
import type { SimulatorSettings } from "./settings.js";
import { type ModemSocket, SocketTable } from "./sockets.js";
import { Terminal } from "./terminal.js";
import { activeSeconds } from "./timers3gpp.js";

/** Where the modem is between dead and awake. `stopping` still answers nothing new; `asleep` is PSM. */
export type PowerState = "off" | "booting" | "on" | "stopping" | "asleep";

/** AT silence after which UPSV=4 stops the UART and T3324 begins to count. */
const UART_SILENCE = 6000;

export interface CoreOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: SimulatorSettings;
  readonly firmware: FirmwareVariant;
  readonly network: ModemNetwork;
  readonly commands: Commands;
  onOutput(bytes: Uint8Array): void;
  onPower(state: PowerState): void;
}

/** The modem's inside: power, settings, the running command, and what is between sockets and network. */
export class ModemCore {
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: SimulatorSettings;
  readonly firmware: FirmwareVariant;
  readonly network: ModemNetwork;
  readonly terminal: Terminal;
  readonly cellular: Cellular;
  readonly sockets: SocketTable;
  readonly faults = new ArmedFaults();
  readonly counters = new Counters();
  readonly stored: StoredSettings;
  volatile = new VolatileSettings();
  /** The speed of the modem's side. */
  baud: number;
  /** +UPSV as it is in force. */
  uartSleep = 0;
  #psm = false;
  #state: PowerState = "off";
  #epoch = 0;
  #onAt = 0;
  readonly #commands: Commands;
  readonly #options: CoreOptions;

  constructor(options: CoreOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.random = options.random;
    this.settings = options.settings;
    this.firmware = options.firmware;
    this.network = options.network;
    this.#commands = options.commands;
    this.stored = new StoredSettings(options.firmware.rats);
    this.stored.pin = options.settings.pin;
    this.baud = this.stored.baud;
    this.terminal = new Terminal(options.clock, options.settings, {
      onOutput: (bytes) => {
        if (this.#audible) options.onOutput(bytes);
      },
      onLine: (line) => this.#onLine(line),
      onOffence: (kind) => this.counters.add(kind),
    });
    this.sockets = new SocketTable(options.network);
    this.cellular = new Cellular(options.clock, options.random.fork("cellular"), options.settings, {
      onRegistration: () => this.#onRegistration(),
      onConnected: (connected) => {
        if (this.volatile.connectionReports) this.urc(`+CSCON: ${connected ? 1 : 0}`);
      },
    });
    options.network.onDatagram = (socket, address, port, datagram) =>
      this.#onDatagram(socket, address, port, datagram);
  }

  get state(): PowerState {
    return this.#state;
  }

  /** V_INT: high from shortly after PWR_ON to the end of the shut-down, and low in PSM. */
  get powered(): boolean {
    return this.#state === "booting" || this.#state === "on" || this.#state === "stopping";
  }

  /** Milliseconds since the modem was switched on. */
  get uptime(): number {
    return this.powered ? this.clock.now() - this.#onAt : 0;
  }

  /** Calls back later, unless the modem has restarted by then. */
  later(delay: number, callback: () => void): void {
    const epoch = this.#epoch;
    this.clock.at(this.clock.now() + delay, () => {
      if (epoch === this.#epoch) callback();
    });
  }

  #enter(state: PowerState): void {
    this.#state = state;
    this.#options.onPower(state);
  }

  /** Everything that a restart or the loss of power forgets. */
  #forget(): void {
    this.#epoch++;
    this.faults.locked = false;
    this.terminal.reset();
    this.sockets.closeAll();
    this.volatile = new VolatileSettings();
    this.baud = this.stored.baud;
  }

  /** PWR_ON, or the end of a reboot. */
  start(boot: number, fromSleep = false): void {
    this.#forget();
    if (!fromSleep) this.cellular.powerDown();
    this.#onAt = this.clock.now();
    this.#enter("booting");
    this.counters.add("starts");
    const junk = Uint8Array.from(this.firmware.bootJunk);
    this.later(boot / 2, () => {
      if (junk.length > 0) this.#options.onOutput(junk);
    });
    this.later(boot, () => {
      this.#enter("on");
      this.terminal.reset();
      if (this.stored.greeting !== undefined) this.urc(this.stored.greeting);
      this.uartSleep = this.stored.uartSleep;
      this.#psm = this.stored.psm.on && this.settings.psm && this.stored.pin === undefined;
      this.cellular.pagingCycle = this.#pagingCycle();
      this.cellular.setSelection(this.stored.selection !== 2);
      this.cellular.setRadio(true);
      this.later(this.settings.simReady, () => {
        this.volatile.simReady = true;
        this.updateSim();
      });
      this.#watchSleep();
    });
  }

  /** Off without a word: the end of a shut-down, RESET_N, or the supply. */
  cutPower(): void {
    this.#forget();
    this.cellular.powerDown();
    this.#enter("off");
  }

  /** +CFUN=15 and a restart by itself. */
  reboot(): void {
    this.#forget();
    this.cellular.powerDown();
    this.start(this.settings.reboot);
  }

  /** +CPWROFF and the long pulse on PWR_ON. */
  shutDown(): void {
    if (this.uptime < 30000) this.counters.add("early-power-off");
    this.cellular.setRadio(false);
    this.#enter("stopping");
    this.later(this.settings.powerOff, () => this.cutPower());
  }

  #pagingCycle(): number {
    const bits = this.stored.edrx.get(4) ?? this.stored.edrx.get(5);
    if (bits === undefined) return 0;
    const cycles = [1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 64, 128, 256, 512, 1024, 2048];
    return (cycles[Number.parseInt(bits, 2)] ?? 0) * 5120;
  }

  /** Whether the SIM can be used now. */
  get simUsable(): boolean {
    const now = this.clock.now();
    return (
      this.volatile.simReady &&
      now >= this.faults.simFailureUntil &&
      (this.stored.pin === undefined || this.volatile.pinEntered)
    );
  }

  /** The radio hears of a SIM that has come or gone. */
  updateSim(): void {
    this.cellular.setSim(this.powered && this.simUsable);
  }

  // ---- UART

  /** Whether bytes pass at all. */
  get #audible(): boolean {
    return (
      (this.#state === "on" || this.#state === "stopping") &&
      !this.faults.locked &&
      this.clock.now() >= this.faults.silentUntil
    );
  }

  receive(bytes: Uint8Array): void {
    if (!this.#audible || this.#state !== "on") return;
    const idle = this.clock.now() - this.terminal.lastActivity;
    // The first character wakes the UART and is lost itself.
    const heard = this.uartSleep === 4 && idle > UART_SILENCE ? bytes.subarray(1) : bytes;
    const tear = heard.length > 3 && !this.terminal.busy ? this.faults.take("urc-while-typing") : undefined;
    if (tear === undefined) {
      this.terminal.receive(heard);
      return;
    }
    const middle = heard.length >> 1;
    this.terminal.receive(heard.subarray(0, middle));
    this.terminal.urc(tear.text);
    this.terminal.receive(heard.subarray(middle));
  }

  urc(text: string): void {
    if (this.#state !== "on") return;
    if (this.faults.take("drop-urcs") !== undefined) return;
    this.terminal.urc(text);
  }

  #onLine(line: string): void {
    const calls = parseLine(line);
    if (calls === undefined) {
      this.terminal.release();
      return;
    }
    this.counters.add("commands");
    const command = line.slice(line.search(/at/i) + 2);
    const fault = this.faults.forCommand(command);
    switch (fault?.kind) {
      case "no-answer":
        this.#run(calls, 0, [], () => this.terminal.release());
        return;
      case "error":
        this.later(this.settings.latency, () => this.#finish([], new CmeError(fault.code)));
        return;
      case "ok-without-data":
        this.later(this.settings.latency, () => this.#finish([], undefined));
        return;
      case "reset-in-command":
        this.later(this.settings.latency / 2, () => this.reboot());
        return;
      case "slow":
        this.#run(calls, 0, [], (lines, error) => this.later(fault.delay, () => this.#finish(lines, error)));
        return;
      case "urc-in-answer":
        this.#run(calls, 0, [], (lines, error) => {
          lines.splice(this.random.below(lines.length + 1), 0, fault.text);
          this.#finish(lines, error);
        });
        return;
      default:
        this.#run(calls, 0, [], (lines, error) => this.#finish(lines, error));
    }
  }

  /** Carries out one call after the other, until one fails. */
  #run(
    calls: readonly (Call | typeof MALFORMED)[],
    index: number,
    lines: string[],
    done: (lines: string[], error: CmeError | undefined) => void,
  ): void {
    if (index >= calls.length) {
      this.later(this.settings.latency, () => done(lines, undefined));
      return;
    }
    const call = calls[index];
    const answer: Answer = call === MALFORMED ? PLAIN_ERROR : this.#commands.run(this, call, lines);
    this.#settle(answer, (error) => {
      if (error !== undefined) this.later(this.settings.latency, () => done(lines, error));
      else this.#run(calls, index + 1, lines, done);
    });
  }

  #settle(answer: Answer, done: (error: CmeError | undefined) => void): void {
    if (answer === undefined || answer instanceof CmeError) done(answer);
    else if (answer instanceof Later) this.later(answer.delay, () => this.#settle(answer.proceed(), done));
    else if (answer instanceof Prompt) {
      this.later(this.settings.latency, () =>
        this.terminal.prompt(answer.character, answer.length, (bytes) =>
          this.#settle(answer.proceed(bytes), done),
        ),
      );
    }
    // Nothing: the command never ends.
  }

  #finish(lines: readonly string[], error: CmeError | undefined): void {
    if (error === undefined) this.terminal.finish(lines, "OK", "0");
    else if (error === PLAIN_ERROR || error.code < 0 || this.volatile.errors === 0)
      this.terminal.finish(lines, "ERROR", "4");
    else {
      const detail = this.volatile.errors === 1 ? String(error.code) : error.text;
      this.terminal.finish(lines, `+CME ERROR: ${detail}`, `+CME ERROR: ${detail}`);
    }
  }

  // ---- registration

  #onRegistration(): void {
    this.volatile.contextOff = false;
    if (this.#state !== "on") return;
    for (const command of ["+CREG", "+CGREG", "+CEREG"]) {
      const urc = registrationUrc(this, command);
      if (urc !== undefined && urc !== this.volatile.reported.get(command)) {
        this.volatile.reported.set(command, urc);
        this.urc(urc);
      }
    }
  }

  // ---- datagrams

  /** Whether a datagram has a way out now, as far as the modem knows. */
  get connectedToNetwork(): boolean {
    return this.cellular.attached && !this.volatile.contextOff;
  }

  /** Sends from a socket. */
  transmit(socket: ModemSocket, address: string, port: number, datagram: Uint8Array): void {
    socket.sent += datagram.length;
    if (this.faults.take("lose-sends") !== undefined) return;
    const bytes = Uint8Array.from(datagram);
    this.cellular.uplink(socket.id, bytes.length, () => {
      if (this.sockets.get(socket.id) === socket) this.network.send(socket.id, address, port, bytes);
    });
  }

  #onDatagram(id: number, address: string, port: number, datagram: Uint8Array): void {
    const socket = this.sockets.get(id);
    if (socket === undefined) return;
    const bytes = Uint8Array.from(datagram);
    this.cellular.downlink(id, bytes.length, () => {
      if (this.sockets.get(id) !== socket) return;
      if (socket.push(address, port, bytes)) this.announce(socket);
      else this.counters.add("socket-full");
    });
  }

  /** The URC of data that waits. */
  announce(socket: ModemSocket): void {
    this.urc(`${this.firmware.datagramUrc}: ${socket.id},${socket.pending(this.firmware.counts)}`);
  }

  // ---- PSM

  /** +CPSMS? and +UCPSMS? tell of it. */
  get psmActive(): boolean {
    return this.#psm && this.cellular.registered;
  }

  /** Seconds of T3324 that the network has granted. */
  get grantedActiveTime(): number {
    return this.settings.grantedActiveTime ?? activeSeconds(this.stored.psm.activeTime) ?? 0;
  }

  #watchSleep(): void {
    if (!this.#psm) return;
    this.later(1000, () => {
      const quiet =
        this.clock.now() - Math.max(this.terminal.lastActivity + UART_SILENCE, this.cellular.idleSince);
      if (this.psmActive && !this.terminal.busy && quiet >= this.grantedActiveTime * 1000) this.#sleep();
      else this.#watchSleep();
    });
  }

  #sleep(): void {
    if (this.volatile.psmReports) this.urc("+UUPSMR: 1");
    this.#forget();
    this.cellular.suspend();
    this.counters.add("sleeps");
    this.#enter("asleep");
  }
}
