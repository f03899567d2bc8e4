import type { Clock, DigitalIn, DigitalOut } from "../../hal/hal.js";
import { Random } from "../random.js";
import type { Cellular } from "./cellular.js";
import { Commands } from "./commands/commands.js";
import { GENERAL } from "./commands/general.js";
import { NETWORK } from "./commands/network.js";
import { POWER } from "./commands/power.js";
import { SIM_CARD } from "./commands/sim-card.js";
import { SOCKETS } from "./commands/sockets.js";
import { ModemCore, type PowerState } from "./core.js";
import type { Fault } from "./faults.js";
import { DEFAULT_FIRMWARE, FIRMWARE, type FirmwareVariant } from "./firmware.js";
import type { ModemNetwork } from "./modem-network.js";
import { DEFAULT_SETTINGS, type SimulatorSettings } from "./settings.js";

/** PWR_ON low for so long switches on; so long, off. */
const POWER_ON_PULSE = 150;
const POWER_OFF_PULSE = 1500;

/** Longer than this is no pulse to switch on: the modem is off after it, whatever it was before. */
const LONGEST_ON_PULSE = 3200;

/** Every command that the simulator knows. */
export const COMMANDS = new Commands(GENERAL, SIM_CARD, NETWORK, POWER, SOCKETS);

export interface SimulatorOptions {
  readonly clock: Clock;
  /** Where datagrams go. */
  readonly network: ModemNetwork;
  /** Bytes from the modem to the host; valid during the call. */
  onOutput(bytes: Uint8Array): void;
  /** Changes of power, for a log. */
  onPower?(state: PowerState): void;
  readonly settings?: Partial<SimulatorSettings>;
  readonly firmware?: FirmwareVariant;
  /** What jitter, loss and garbage are drawn from. Default: a fixed seed. */
  readonly random?: Random;
}

/**
 * A u-blox SARA-R4 at its pins: UART bytes, PWR_ON, RESET_N, V_INT on one side, datagrams on the other.
 *
 * It is off until PWR_ON is pulsed or {@link switchOn} is called. `cellular` is the network around it, {@link fault}
 * what can go wrong with it.
 */
export class SaraR4Simulator {
  /** PWR_ON; `write(false)` pulls it low. */
  readonly powerOn: DigitalOut;
  /** RESET_N, likewise. */
  readonly reset: DigitalOut;
  readonly vInt: DigitalIn;
  readonly #core: ModemCore;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #settings: SimulatorSettings;
  readonly #onOutput: (bytes: Uint8Array) => void;
  #vIntAt = Infinity;
  #powerLow: number | undefined;
  #powerPulse = 0;
  #resetPulse = 0;
  #hostBaud: number;

  constructor(options: SimulatorOptions) {
    const settings = { ...DEFAULT_SETTINGS, ...options.settings };
    const random = options.random ?? new Random("sara-r4");
    this.#clock = options.clock;
    this.#random = random.fork("faults");
    this.#settings = settings;
    this.#onOutput = options.onOutput;
    this.#core = new ModemCore({
      clock: options.clock,
      random,
      settings,
      firmware: options.firmware ?? FIRMWARE[DEFAULT_FIRMWARE],
      network: options.network,
      commands: COMMANDS,
      onOutput: (bytes) => this.#output(bytes),
      onPower: (state) => {
        if (state === "booting" && this.#vIntAt === Infinity)
          this.#vIntAt = this.#clock.now() + settings.vIntRise;
        if (state === "off" || state === "asleep") this.#vIntAt = Infinity;
        options.onPower?.(state);
      },
    });
    this.#hostBaud = this.#core.baud;
    this.powerOn = { write: (high) => this.#writePowerOn(high) };
    this.reset = { write: (high) => this.#writeReset(high) };
    this.vInt = { read: () => this.#core.powered && this.#clock.now() >= this.#vIntAt };
  }

  /** The network around the modem. */
  get cellular(): Cellular {
    return this.#core.cellular;
  }

  get state(): PowerState {
    return this.#core.state;
  }

  /** What it noticed: commands, offences against the pauses, restarts. */
  get counters(): ModemCore["counters"] {
    return this.#core.counters;
  }

  /** Open sockets by their ids. */
  get sockets(): number[] {
    return this.#core.sockets.open.map((socket) => socket.id);
  }

  /** What the modem keeps without power: for tests that start from a used one. */
  get stored(): ModemCore["stored"] {
    return this.#core.stored;
  }

  /** In force from the moment that they are changed on. */
  get settings(): SimulatorSettings {
    return this.#settings;
  }

  /** The inside, for tests of the simulator itself. */
  get core(): ModemCore {
    return this.#core;
  }

  /** Bytes from the host. */
  receive(bytes: Uint8Array): void {
    if (this.#settings.baudMatters && this.#hostBaud !== this.#core.baud) return;
    this.#core.receive(bytes);
  }

  /** The speed of the host's side; counts only with `baudMatters`. */
  setHostBaud(baud: number): void {
    this.#hostBaud = baud;
  }

  /** Bytes to the host: at the wrong speed they mean nothing. */
  #output(bytes: Uint8Array): void {
    if (this.#settings.baudMatters && this.#hostBaud !== this.#core.baud) {
      this.#onOutput(this.#random.bytes(Math.ceil(bytes.length / 2)));
      return;
    }
    this.#onOutput(bytes);
  }

  /** As a pulse on PWR_ON would. */
  switchOn(): void {
    if (this.#core.state === "off") this.#core.start(this.#settings.boot);
    else if (this.#core.state === "asleep") this.#core.start(this.#settings.boot, true);
  }

  /** As a long pulse on PWR_ON would. */
  switchOff(): void {
    if (this.#core.state === "on" || this.#core.state === "booting") this.#core.shutDown();
  }

  #writePowerOn(high: boolean): void {
    const pulse = ++this.#powerPulse;
    if (!high) {
      this.#powerLow = this.#clock.now();
      // It starts while the line is still low, and stops only when it was low for long.
      this.#clock.at(this.#clock.now() + POWER_ON_PULSE, () => {
        if (pulse === this.#powerPulse) this.switchOn();
      });
      return;
    }
    const low = this.#powerLow;
    this.#powerLow = undefined;
    if (low === undefined) return;
    const length = this.#clock.now() - low;
    // A pulse that has just switched it on does not switch it off as well, unless it goes on and on.
    const ownStart = this.#core.uptime < length;
    if (length >= POWER_OFF_PULSE && (!ownStart || length > LONGEST_ON_PULSE)) this.switchOff();
  }

  #writeReset(high: boolean): void {
    const pulse = ++this.#resetPulse;
    if (high) return;
    this.#clock.at(this.#clock.now() + this.#settings.resetPulse, () => {
      if (pulse === this.#resetPulse) this.#core.cutPower();
    });
  }

  /** Makes something go wrong, now or when its moment comes. */
  fault(fault: Fault): void {
    const core = this.#core;
    core.counters.add(`fault-${fault.kind}`);
    if (core.faults.arm(fault)) return;
    switch (fault.kind) {
      case "silence":
        core.faults.silentUntil = this.#clock.now() + fault.duration;
        break;
      case "urc-storm":
        for (let i = 0; i < fault.count; i++)
          this.#clock.at(this.#clock.now() + i * fault.interval, () => core.urc(fault.text));
        break;
      case "garbage":
        this.#onOutput(this.#random.bytes(fault.length));
        break;
      case "reset":
        if (core.powered) core.reboot();
        break;
      case "sim-failure":
        core.faults.simFailureUntil = this.#clock.now() + fault.duration;
        core.updateSim();
        this.#clock.at(this.#clock.now() + fault.duration, () => core.updateSim());
        break;
      case "lock-up":
        if (core.powered) core.faults.locked = true;
        break;
      case "close-socket":
        if (core.sockets.close(fault.socket)) core.urc(`+UUSOCL: ${fault.socket}`);
        break;
      case "power-cut":
        core.cutPower();
        break;
      default:
        throw new RangeError(`fault ${fault.kind} is one that waits`);
    }
  }
}
