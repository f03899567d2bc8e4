import type { Cancel } from "../../hal/hal.js";
import type { VirtualClock } from "../clock.js";
import { Random } from "../random.js";
import { type InterferenceOptions, InterferenceSource } from "./interference.js";
import { dBmOf, LEVEL_POWER, levelOf, NeighbourTable } from "./neighbours.js";
import { airtime, FIRST_CHANNEL, MAXIMUM_ADVERTISING_DATA, SYNC_TIME } from "./phy.js";
import { logDistance, type Propagation } from "./propagation.js";
import { RadioCounters, type RadioOptions, SimulatedRadio, type Transmission } from "./radio.js";
import { ScanTable } from "./scan-table.js";

export interface AirOptions {
  readonly clock: VirtualClock;
  /** A seed, or a generator. Default 1. */
  readonly random?: Random | number | string;
  /** Default: `logDistance()`. */
  readonly propagation?: Propagation;
  /** Probability that a PDU is lost on a link for no reason that is modelled. Default 0. */
  readonly loss?: number;
  readonly interference?: readonly InterferenceOptions[];
  /** dB by which a PDU must be above all others on the channel together. Default 10. */
  readonly capture?: number;
  /** Time between the PDUs of one advertising event, ms. Default 0.15: the radio's ramp-up. */
  readonly channelGap?: number;
}

/** A PDU as a sniffer that hears everything would see it. `data` and `address` must not be changed. */
export interface AirFrame {
  /** When it began, ms. */
  readonly time: number;
  /** When it ended; listeners are called then. */
  readonly end: number;
  /** 37, 38 or 39; one advertising event has one PDU on each. */
  readonly channel: number;
  /** 6 bytes, least significant first. */
  readonly address: Uint8Array;
  /** 2 is ADV_NONCONN_IND. */
  readonly pduType: number;
  /** The advertising data: AD structures. */
  readonly data: Uint8Array;
  readonly radio: SimulatedRadio;
}

/** A PDU can still meet another one whose end lies at most this far back, ms. */
const LONGEST = airtime(MAXIMUM_ADVERTISING_DATA);

/**
 * The simulated air: radios at positions, legacy advertising PDUs on three channels in virtual time.
 *
 * A receiver gets a PDU when it listened on its channel from beginning to end and did not transmit, the signal is
 * above its sensitivity, no earlier PDU had caught it, all others on the channel together are `capture` dB below, no
 * burst of interference lay on it, and chance let it through. One seed gives one history.
 */
export class Air {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly counters = new RadioCounters();
  readonly channelGap: number;
  /** For the radios. */
  readonly scans = new ScanTable();
  readonly #fading: number;
  readonly #capture: number;
  readonly #neighbours: NeighbourTable;
  readonly #interference: InterferenceSource[];
  readonly #chance: Random;
  readonly #active: Transmission[][] = [[], [], []];
  readonly #listeners = new Set<(frame: AirFrame) => void>();
  readonly #radios = new Map<number, SimulatedRadio>();
  #loss: number;
  #count = 0;

  /** What `onReceive` gets: one buffer, so that a receiver that keeps or changes it hurts no other. */
  readonly #deliveries: Uint8Array[];

  constructor(options: AirOptions) {
    this.clock = options.clock;
    this.random = options.random instanceof Random ? options.random : new Random(options.random ?? 1);
    this.channelGap = options.channelGap ?? 0.15;
    const propagation = options.propagation ?? logDistance();
    this.#fading = propagation.fading;
    this.#capture = options.capture ?? 10;
    this.#neighbours = new NeighbourTable(propagation, this.random.fork("shadowing").u32());
    this.#chance = this.random.fork("chance");
    this.#loss = checkProbability(options.loss ?? 0);
    this.#interference = (options.interference ?? []).map(
      (source, i) => new InterferenceSource(source, this.random.fork(`interference ${i}`), this.clock.now()),
    );
    const scratch = new Uint8Array(MAXIMUM_ADVERTISING_DATA);
    this.#deliveries = Array.from({ length: MAXIMUM_ADVERTISING_DATA + 1 }, (_, n) => scratch.subarray(0, n));
  }

  /** Puts a radio into the air. It scans at once. */
  attach(options: RadioOptions = {}): SimulatedRadio {
    const radio = new SimulatedRadio(this, this.#count++, options);
    this.#radios.set(radio.index, radio);
    this.#neighbours.add(radio);
    return radio;
  }

  /** The radios that are attached, in the order of attaching. */
  get radios(): IterableIterator<SimulatedRadio> {
    return this.#radios.values();
  }

  /** The loss probability of links that have none of their own. */
  get loss(): number {
    return this.#loss;
  }

  set loss(probability: number) {
    this.#loss = checkProbability(probability);
    this.#neighbours.invalidate();
  }

  /** Loss probability of the link in one direction; 1 cuts it, `undefined` gives it the general one again. */
  setLoss(from: SimulatedRadio, to: SimulatedRadio, probability: number | undefined): void {
    if (probability !== undefined) checkProbability(probability);
    this.#neighbours.setLoss(from, to, probability);
  }

  /** dBm at `to` of what `from` sends, before fading; −Infinity where nothing arrives. */
  rssi(from: SimulatedRadio, to: SimulatedRadio): number {
    return this.#neighbours.rssi(from, to);
  }

  /** The radios that can receive `radio`. */
  neighbours(radio: SimulatedRadio): readonly SimulatedRadio[] {
    return this.#neighbours.of(radio, this.#loss).receivers;
  }

  /** Calls `listener` for every PDU of every radio: for captures and pictures. @returns how to stop it */
  onFrame(listener: (frame: AirFrame) => void): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A radio moved. */
  topologyChanged(): void {
    this.#neighbours.invalidate();
  }

  /** A radio is gone. */
  remove(radio: SimulatedRadio): void {
    this.#radios.delete(radio.index);
    this.#neighbours.remove(radio);
  }

  /** A PDU's times are known. */
  begin(transmission: Transmission): void {
    const active = this.#active[transmission.channel - FIRST_CHANNEL];
    const old = this.clock.now() - LONGEST;
    let kept = 0;
    for (const other of active) if (other.end >= old) active[kept++] = other;
    active.length = kept;
    active.push(transmission);
  }

  /** A PDU has ended: who received it? */
  finish(transmission: Transmission): void {
    const { radio, data, channel, start, end, pduType } = transmission;
    this.counters.frames++;
    this.counters.airtime += end - start;
    if (this.#listeners.size > 0) {
      const frame: AirFrame = { time: start, end, channel, address: radio.address, pduType, data, radio };
      for (const listener of this.#listeners) listener(frame);
    }
    const table = this.#neighbours.of(radio, this.#loss);
    const others = this.#others(transmission);
    const burst = this.#interference.filter((source) => source.busy(channel, start, end));
    for (let i = 0; i < table.receivers.length; i++) {
      if (!this.scans.listens(table.indexes[i], channel, start, end)) {
        this.counters.deaf++;
        continue;
      }
      const receiver = table.receivers[i];
      const rssi = this.#fading === 0 ? table.rssi[i] : table.rssi[i] + this.#fading * this.#chance.normal();
      const fate = this.#fate(receiver, rssi, table.loss[i], transmission, others, burst);
      this.counters[fate]++;
      if (fate !== "received") {
        receiver.counters[fate]++;
        continue;
      }
      const delivery = this.#deliveries[data.length];
      delivery.set(data);
      receiver.take(delivery, radio, rssi);
    }
  }

  #fate(
    receiver: SimulatedRadio,
    rssi: number,
    loss: number,
    transmission: Transmission,
    others: readonly Meeting[],
    burst: readonly InterferenceSource[],
  ): "received" | "faded" | "collided" | "interfered" | "lost" {
    if (rssi < receiver.sensitivity) return "faded";
    if (others.length > 0 && this.#collides(receiver, rssi, transmission, others)) return "collided";
    for (const source of burst) if (source.drowns(receiver.position)) return "interfered";
    return this.#chance.chance(loss) ? "lost" : "received";
  }

  #collides(
    receiver: SimulatedRadio,
    rssi: number,
    { channel, start }: Transmission,
    others: readonly Meeting[],
  ): boolean {
    let power = 0;
    let strongest = 0;
    for (let i = 0; i < others.length; i++) {
      const { levels, synchronised, transmission } = others[i];
      const level = levels[receiver.index];
      if (level === 0) continue;
      power += LEVEL_POWER[level];
      if (level > strongest) strongest = level;
      // It was caught before this one began: the receiver stays with it.
      if (
        synchronised <= start &&
        level >= levelOf(receiver.sensitivity) &&
        this.scans.listens(receiver.index, channel, transmission.start, synchronised)
      ) {
        return true;
      }
    }
    if (strongest === 0) return false;
    // One of them alone is most often enough, which spares the logarithm.
    const bound = rssi - this.#capture;
    return dBmOf(strongest) > bound || 10 * Math.log10(power) > bound;
  }

  /** Other PDUs on the same channel at the same time, for however short. */
  #others({ channel, start, end, radio }: Transmission): Meeting[] {
    const others: Meeting[] = [];
    for (const other of this.#active[channel - FIRST_CHANNEL]) {
      if (other.start >= end || other.end <= start || other.radio === radio) continue;
      const { levels } = this.#neighbours.of(other.radio, this.#loss);
      others.push({ transmission: other, levels, synchronised: other.start + SYNC_TIME });
    }
    return others;
  }
}

/** Another PDU that meets the one in question. */
interface Meeting {
  readonly transmission: Transmission;
  /** By the receivers' numbers, see `Neighbours`. */
  readonly levels: Uint8Array;
  /** When receivers had caught it. */
  readonly synchronised: number;
}

function checkProbability(probability: number): number {
  if (!(probability >= 0 && probability <= 1)) {
    throw new RangeError(`loss probability must be from 0 to 1, not ${probability}`);
  }
  return probability;
}
