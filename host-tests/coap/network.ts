/** A network in virtual time for the tests of CoAP: datagrams with delay, loss, copies; layers ticked when they ask. */

import type { MessageLayer } from "../../firmware/coap/message-layer.js";

/** Random bytes that are the same in every run (mulberry32). */
export function seeded(seed: number): (length: number) => Uint8Array {
  let state = seed >>> 0;
  return (length) => {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), state | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      bytes[i] = ((t ^ (t >>> 14)) >>> 0) & 255;
    }
    return bytes;
  };
}

/** Random bytes from a list, then zeros: to give a layer the message IDs and tokens of an example. */
export function scripted(...values: number[][]): (length: number) => Uint8Array {
  return (length) => {
    const next = values.shift();
    if (next === undefined) return new Uint8Array(length);
    if (next.length !== length) throw new Error(`${length} random bytes asked for, ${next.length} scripted`);
    return new Uint8Array(next);
  };
}

export interface Datagram {
  readonly time: number;
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
}

/** What becomes of a datagram: ms of delay for each copy that arrives; none when it is lost. */
export type Fate = (datagram: Datagram, index: number) => readonly number[];

export class Network {
  now = 0;
  readonly sent: Datagram[] = [];
  fate: Fate = () => [10];
  readonly #layers = new Map<string, MessageLayer>();
  #events: { time: number; order: number; run: () => void }[] = [];
  #order = 0;

  attach(name: string, layer: MessageLayer): void {
    this.#layers.set(name, layer);
  }

  /** The `send` of the layer with this name. */
  sender(from: string): (to: string, bytes: Uint8Array) => void {
    return (to, bytes) => {
      const datagram = { time: this.now, from, to, bytes };
      const index = this.sent.length;
      this.sent.push(datagram);
      for (const delay of this.fate(datagram, index)) {
        this.at(this.now + delay, () => {
          const received = bytes.slice();
          this.#layers.get(to)?.receive(from, received, this.now);
          // A datagram lives during the call only; who kept a view of it has rubbish now.
          received.fill(0xff);
        });
      }
    };
  }

  at(time: number, run: () => void): void {
    this.#events.push({ time, order: this.#order++, run });
  }

  /** Runs until nothing is left to do before `end`. */
  run(end: number): void {
    for (;;) {
      let next: { time: number; order: number; run: () => void } | undefined;
      for (const event of this.#events) {
        if (
          next === undefined ||
          event.time < next.time ||
          (event.time === next.time && event.order < next.order)
        ) {
          next = event;
        }
      }
      let time = next?.time ?? Number.POSITIVE_INFINITY;
      let due: MessageLayer | undefined;
      for (const layer of this.#layers.values()) {
        if (layer.deadline < time) {
          time = layer.deadline;
          due = layer;
        }
      }
      if (time > end) break;
      this.now = Math.max(this.now, time);
      if (due !== undefined) {
        due.tick(this.now);
      } else if (next !== undefined) {
        this.#events = this.#events.filter((event) => event !== next);
        next.run();
      }
    }
    this.now = end;
  }
}
