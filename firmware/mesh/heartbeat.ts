import type { Counters } from "../bytes/counters.js";
import type { KeyStore } from "./keys.js";
import type { NodeState } from "./node-state.js";
import { ControlOpcode } from "./numbers.js";
import type { UpperPdu } from "./reassembly.js";
import type { Transport } from "./transport.js";

/** A heartbeat that was subscribed to (Mesh Profile §3.6.5.10). */
export interface HeartbeatHeard {
  readonly source: number;
  readonly destination: number;
  /** 1: heard without any relay. */
  readonly hops: number;
  readonly features: number;
  readonly rssi: number;
}

/** What is listened to, until when, and what came (§4.2.18). */
export interface HeartbeatSubscription {
  readonly source: number;
  readonly destination: number;
  readonly until: number;
  count: number;
  minHops: number;
  maxHops: number;
}

const NEVER = Number.POSITIVE_INFINITY;

/** 2^(n−1), as counts and periods are given (§4.2.17.2); 0 is none. */
export function fromLog(log: number): number {
  return log === 0 ? 0 : 2 ** (log - 1);
}

/** The log that {@link fromLog} turns into at least this number. */
export function toLog(value: number): number {
  return value <= 0 ? 0 : Math.ceil(Math.log2(value)) + 1;
}

/** Publishes and hears heartbeats (§3.6.7). */
export class Heartbeat {
  /** A heartbeat of the subscription came. */
  onHeard: ((heartbeat: HeartbeatHeard) => void) | undefined;
  deadline = NEVER;
  readonly #keys: KeyStore;
  readonly #state: NodeState;
  readonly #transport: Transport;
  readonly #counters: Counters;
  #remaining = 0;
  #features = 0;
  #subscription: HeartbeatSubscription | undefined;

  constructor(keys: KeyStore, state: NodeState, transport: Transport, counters: Counters, now: number) {
    this.#keys = keys;
    this.#state = state;
    this.#transport = transport;
    this.#counters = counters;
    this.#features = state.features;
    this.published(now);
  }

  /** Heartbeats still to send; `Infinity` when they have no end. */
  get remaining(): number {
    return this.#remaining;
  }

  get subscription(): HeartbeatSubscription | undefined {
    return this.#subscription;
  }

  /** The publication state was set: the first heartbeat goes out at once (§4.2.17). */
  published(now: number): void {
    const publication = this.#state.heartbeatPublication;
    const countLog = publication?.countLog ?? 0;
    this.#remaining = countLog === 0xff ? NEVER : fromLog(countLog);
    const periodic = publication !== undefined && publication.periodLog > 0 && this.#remaining > 0;
    this.deadline = periodic ? now : NEVER;
  }

  /** Counts heartbeats of `source` to `destination` for 2^(periodLog−1) s from `now` on (§4.2.18). */
  subscribe(source: number, destination: number, periodLog: number, now: number): void {
    const listening = source !== 0 && destination !== 0 && periodLog > 0;
    if (!listening) {
      // §4.2.18: what was counted can still be read, addresses are gone.
      const last = this.#subscription;
      if (last !== undefined) this.#subscription = { ...last, source: 0, destination: 0, until: now };
      this.#state.heartbeatGroup = 0;
      return;
    }
    this.#subscription = {
      source,
      destination,
      until: now + fromLog(periodLog) * 1000,
      count: 0,
      minHops: 0x7f,
      maxHops: 0,
    };
    this.#state.heartbeatGroup = destination >= 0xc000 ? destination : 0;
  }

  /** Forgets everything: at a node reset. */
  clear(): void {
    this.#subscription = undefined;
    this.#remaining = 0;
    this.deadline = NEVER;
  }

  /** Sends the heartbeat that is due at `now` (ms). */
  tick(now: number): void {
    const publication = this.#state.heartbeatPublication;
    if (this.deadline > now) return;
    if (publication === undefined || this.#remaining <= 0) {
      this.deadline = NEVER;
      return;
    }
    this.#send(now);
    this.#remaining--;
    this.deadline = this.#remaining > 0 ? now + fromLog(publication.periodLog) * 1000 : NEVER;
  }

  /** A feature may have been switched: told at once, outside the period, if that was asked for (§3.6.7.2). */
  featuresChanged(now: number): void {
    const changed = this.#features ^ this.#state.features;
    this.#features = this.#state.features;
    const publication = this.#state.heartbeatPublication;
    if (publication !== undefined && (changed & publication.features) !== 0) this.#send(now);
  }

  #send(now: number): void {
    const publication = this.#state.heartbeatPublication!;
    const subnet = this.#keys.subnet(publication.netKeyIndex);
    if (subnet === undefined || publication.destination === 0) return;
    const { features } = this.#state;
    this.#transport.sendControl(
      subnet.transmit.credentials,
      ControlOpcode.HEARTBEAT,
      this.#state.address,
      publication.destination,
      publication.ttl,
      Uint8Array.of(publication.ttl, features >> 8, features),
      now,
    );
  }

  /** A heartbeat came: counted, where it is subscribed to. */
  receive(upper: UpperPdu, now: number): void {
    if (upper.payload.length !== 3) {
      this.#counters.add("drop.heartbeat-length");
      return;
    }
    const subscription = this.#subscription;
    if (subscription === undefined || now >= subscription.until) return;
    if (upper.src !== subscription.source || upper.dst !== subscription.destination) return;
    const hops = (upper.payload[0] & 0x7f) - upper.ttl + 1;
    subscription.count++;
    subscription.minHops = Math.min(subscription.minHops, hops);
    subscription.maxHops = Math.max(subscription.maxHops, hops);
    this.#counters.add("heartbeat.received");
    this.onHeard?.({
      source: upper.src,
      destination: upper.dst,
      hops,
      features: (upper.payload[1] << 8) | upper.payload[2],
      rssi: upper.rssi,
    });
  }
}
