import type { AdvertisingBearer } from "../../hal/hal.js";
import type { Random } from "../random.js";
import type { Air } from "./air.js";
import { distance, type Position } from "./interference.js";
import {
  ADV_NONCONN_IND,
  ADVERTISING_CHANNELS,
  airtime,
  MAXIMUM_ADVERTISING_DATA,
  MAXIMUM_ADVERTISING_DELAY,
  MINIMUM_ADVERTISING_INTERVAL,
} from "./phy.js";

export interface RadioOptions {
  /** Metres. Default: the origin. */
  readonly position?: Position;
  /** 6 bytes, least significant first, as on the air. Default: a random static address. */
  readonly address?: Uint8Array;
  /** For people: who this is. Default: the radio's number. */
  readonly name?: string;
  /** Default: a fork of the air's by the radio's name. */
  readonly random?: Random;
  /** dBm. Default 0. */
  readonly txPower?: number;
  /** dBm. Default −95, an nRF52840's at 1 Mbit/s. */
  readonly sensitivity?: number;
  /** Time between two changes of the scanned channel, ms. Default 30. */
  readonly scanInterval?: number;
  /** Part of it in which the receiver is on, ms. Default: all of it. */
  readonly scanWindow?: number;
  /** Time after a received frame in which the receiver is off until the host has taken it, ms. Default 0.1. */
  readonly reportPause?: number;
  /** Frames that can be queued. Default 32. */
  readonly queue?: number;
}

/** What happened at one radio, or in all the air. */
export class RadioCounters {
  /** Advertising events: one transmission of a frame on all three channels. */
  events = 0;
  /** Advertising PDUs, three for every event. */
  frames = 0;
  /** Milliseconds on the air. */
  airtime = 0;
  /** Frames that `send` did not take because the queue was full. */
  refused = 0;
  /** PDUs received. */
  received = 0;
  /** PDUs missed because the receiver was on another channel, off, or transmitting; for all the air only. */
  deaf = 0;
  /** PDUs that were too weak this time. */
  faded = 0;
  /** PDUs lost to another one at the same time on the same channel. */
  collided = 0;
  /** PDUs lost to a burst of interference. */
  interfered = 0;
  /** PDUs lost by the configured probability. */
  lost = 0;
}

/** One PDU on one channel, from when its times are known until nobody can collide with it any more. */
export interface Transmission {
  readonly radio: SimulatedRadio;
  readonly channel: number;
  readonly pduType: number;
  readonly data: Uint8Array;
  readonly start: number;
  /** Earlier than planned when the power was cut. */
  end: number;
}

interface Queued {
  readonly data: Uint8Array;
  readonly interval: number;
  readonly pduType: number;
  /** Events still to come. */
  left: number;
  /** Goes out without the random delay. */
  readonly immediate: boolean;
}

/**
 * One chip's radio in the simulated air: transmit queue, advertising events, scanning. Made by `Air.attach`.
 *
 * Half-duplex: it hears nothing from the first to the last PDU of its own advertising events.
 */
export class SimulatedRadio implements AdvertisingBearer {
  readonly name: string;
  /** Its number in the air; the neighbour tables go by it. */
  readonly index: number;
  readonly address: Uint8Array;
  readonly txPower: number;
  readonly sensitivity: number;
  readonly counters = new RadioCounters();
  readonly random: Random;
  onReceive: ((data: Uint8Array, address: Uint8Array, rssi: number) => void) | undefined;

  readonly #air: Air;
  readonly #capacity: number;
  readonly #scanInterval: number;
  readonly #scanWindow: number;
  readonly #reportPause: number;
  #position: Position;
  #powered = true;
  #scanning = true;
  #accountedTo: number;
  #listened = 0;

  readonly #queue: Queued[] = [];
  #busy = false;
  #eventStart = Number.NEGATIVE_INFINITY;
  #eventEnd = Number.NEGATIVE_INFINITY;
  #transmission: Transmission | undefined;
  /** Counts power cycles, so that events scheduled before a cut know that they are void. */
  #life = 0;

  constructor(air: Air, index: number, options: RadioOptions) {
    this.#air = air;
    this.index = index;
    this.name = options.name ?? `radio ${index}`;
    this.random = options.random ?? air.random.fork(this.name);
    this.#position = options.position ?? { x: 0, y: 0 };
    this.txPower = options.txPower ?? 0;
    this.sensitivity = options.sensitivity ?? -95;
    this.#capacity = options.queue ?? 32;
    this.#scanInterval = options.scanInterval ?? 30;
    this.#scanWindow = options.scanWindow ?? this.#scanInterval;
    this.#reportPause = options.reportPause ?? 0.1;
    if (!(this.#scanWindow > 0 && this.#scanWindow <= this.#scanInterval)) {
      throw new RangeError(
        `scanWindow ${this.#scanWindow} must be above 0 and at most ${this.#scanInterval} ms`,
      );
    }
    this.address = options.address?.slice() ?? this.random.fork("address").bytes(6);
    if (this.address.length !== 6) throw new RangeError(`address has ${this.address.length} bytes, not 6`);
    // Random static: the two most significant bits are set (Core vol 6 part B §1.3.2.1).
    if (options.address === undefined) this.address[5] |= 0xc0;
    const phase = this.random.fork("scan").next() * 3 * this.#scanInterval;
    air.scans.add(index, this.#scanInterval, this.#scanWindow, phase);
    this.#accountedTo = air.clock.now();
    this.#setDeafness();
  }

  get free(): number {
    return this.#capacity - this.#queue.length;
  }

  /** Whether everything queued has left. */
  get idle(): boolean {
    return !this.#busy;
  }

  get position(): Position {
    return this.#position;
  }

  /** Takes the radio to another place. */
  move(position: Position): void {
    this.#position = position;
    this.#air.topologyChanged();
  }

  get scanning(): boolean {
    return this.#scanning;
  }

  /** Whether the receiver scans: what a low-power node turns off. */
  set scanning(on: boolean) {
    if (on === this.#scanning) return;
    this.#accountListening();
    this.#scanning = on;
    this.#setDeafness();
  }

  /** {@link scanning}, as the HAL has it. */
  listen(on: boolean): void {
    this.scanning = on;
  }

  get powered(): boolean {
    return this.#powered;
  }

  /** Off: the queue is gone, a PDU under way is torn. On: scanning again, nothing queued. */
  set powered(on: boolean) {
    if (on === this.#powered) return;
    this.#accountListening();
    this.#powered = on;
    this.#scanning = true;
    this.#setDeafness();
    this.#life++;
    this.#queue.length = 0;
    this.#busy = false;
    const now = this.#air.clock.now();
    if (this.#transmission !== undefined && this.#transmission.end > now) this.#transmission.end = now;
    this.#transmission = undefined;
    if (this.#eventEnd > now) this.#setEvent(this.#eventStart, now);
  }

  /** Milliseconds that the receiver was on. */
  get listeningTime(): number {
    this.#accountListening();
    return this.#listened;
  }

  /** As {@link AdvertisingBearer.send}. Intervals below the controller's minimum of 20 ms become 20 ms. */
  send(data: Uint8Array, count: number, interval: number): boolean {
    if (data.length < 2 || data.length > MAXIMUM_ADVERTISING_DATA || data[0] !== data.length - 1) {
      throw new RangeError(`not one AD structure: ${data.length} bytes, its length byte is ${data[0]}`);
    }
    if (!(count >= 1 && Number.isInteger(count)))
      throw new RangeError(`count must be 1 or more, not ${count}`);
    if (!(interval >= 0)) throw new RangeError(`interval must be 0 ms or more, not ${interval}`);
    return this.#enqueue({
      data: new Uint8Array(data),
      interval: Math.max(interval, MINIMUM_ADVERTISING_INTERVAL),
      pduType: ADV_NONCONN_IND,
      left: count,
      immediate: false,
    });
  }

  /**
   * One advertising event as soon as the radio is free, without the random delay and with any data: for a member
   * whose controller is simulated elsewhere and has its own timing.
   */
  sendEvent(pduType: number, data: Uint8Array): boolean {
    if (data.length > MAXIMUM_ADVERTISING_DATA) throw new RangeError(`${data.length} bytes, at most 31 fit`);
    return this.#enqueue({
      data: new Uint8Array(data),
      interval: MINIMUM_ADVERTISING_INTERVAL,
      pduType,
      left: 1,
      immediate: true,
    });
  }

  /** Takes the radio out of the air for good. */
  detach(): void {
    this.powered = false;
    this.#air.remove(this);
  }

  /** Hands a received PDU up. For the air. */
  take(data: Uint8Array, from: SimulatedRadio, rssi: number): void {
    this.counters.received++;
    this.#air.scans.deafUntil(this.index, this.#air.clock.now() + this.#reportPause);
    this.onReceive?.(data, from.address, Math.max(-127, Math.min(20, Math.round(rssi))));
  }

  distanceTo(other: SimulatedRadio): number {
    return distance(this.#position, other.#position);
  }

  #enqueue(frame: Queued): boolean {
    if (!this.#powered) return false;
    if (this.#queue.length >= this.#capacity) {
      this.counters.refused++;
      this.#air.counters.refused++;
      return false;
    }
    this.#queue.push(frame);
    if (!this.#busy) {
      this.#busy = true;
      this.#scheduleEvent(this.#air.clock.now());
    }
    return true;
  }

  #delay(): number {
    return this.#queue[0].immediate ? 0 : this.random.next() * MAXIMUM_ADVERTISING_DELAY;
  }

  #scheduleEvent(earliest: number): void {
    const life = this.#life;
    this.#air.clock.post(earliest + this.#delay(), () => {
      if (life === this.#life) this.#startEvent();
    });
  }

  #startEvent(): void {
    const now = this.#air.clock.now();
    const { data } = this.#queue[0];
    this.#setEvent(now, now + 3 * airtime(data.length) + 2 * this.#air.channelGap);
    this.counters.events++;
    this.#air.counters.events++;
    this.#startPdu(0, now);
  }

  #startPdu(channelIndex: number, start: number): void {
    const { data, pduType } = this.#queue[0];
    const duration = airtime(data.length);
    const end = start + duration;
    const transmission = {
      radio: this,
      channel: ADVERTISING_CHANNELS[channelIndex],
      pduType,
      data,
      start,
      end,
    };
    this.#transmission = transmission;
    this.#air.begin(transmission);
    const life = this.#life;
    this.#air.clock.post(end, () => {
      if (life !== this.#life) return;
      this.counters.frames++;
      this.counters.airtime += duration;
      this.#air.finish(transmission);
      // A receiver's host may have cut this radio's power during the delivery.
      if (life !== this.#life) return;
      if (channelIndex < 2) this.#startPdu(channelIndex + 1, end + this.#air.channelGap);
      else this.#endEvent();
    });
  }

  #endEvent(): void {
    const frame = this.#queue[0];
    frame.left--;
    if (frame.left > 0) {
      this.#scheduleEvent(this.#eventStart + frame.interval);
      return;
    }
    this.#queue.shift();
    if (this.#queue.length > 0) this.#scheduleEvent(this.#eventEnd);
    else this.#busy = false;
  }

  #setEvent(start: number, end: number): void {
    this.#eventStart = start;
    this.#eventEnd = end;
    this.#air.scans.transmits(this.index, start, end);
  }

  /** A receiver that is switched on hears what begins from now on. */
  #setDeafness(): void {
    const on = this.#powered && this.#scanning;
    this.#air.scans.deafUntil(this.index, on ? this.#air.clock.now() : Number.POSITIVE_INFINITY);
  }

  #accountListening(): void {
    const now = this.#air.clock.now();
    if (this.#scanning && this.#powered) {
      this.#listened += ((now - this.#accountedTo) * this.#scanWindow) / this.#scanInterval;
    }
    this.#accountedTo = now;
  }
}
