import type { ReadingRecord } from "../model.js";
import type { Batch, ContextState, ReplayRecord } from "./store.js";

/**
 * A batch on its way to another thread. Thousands of requests a second go this way, and cloning objects would cost more
 * than deciding on them did: so numbers go in one array and bytes in another, which are handed over, not copied. What is
 * rare, events and health, is cloned.
 */
export interface PackedBatch extends Pick<Batch, "events" | "health"> {
  readonly numbers: Float64Array;
  readonly bytes: Uint8Array;
}

/** No number and no length: what is not there. */
const NONE = Number.NaN;

class Packer {
  readonly #numbers: number[] = [];
  readonly #parts: Uint8Array[] = [];

  number(value: number | undefined): void {
    this.#numbers.push(value ?? NONE);
  }

  bytes(value: Uint8Array | undefined): void {
    this.#numbers.push(value === undefined ? NONE : value.length);
    if (value !== undefined) this.#parts.push(value);
  }

  finish(): { numbers: Float64Array; bytes: Uint8Array } {
    let length = 0;
    for (const part of this.#parts) length += part.length;
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return { numbers: Float64Array.from(this.#numbers), bytes };
  }
}

class Unpacker {
  readonly #numbers: Float64Array;
  readonly #bytes: Uint8Array;
  #number = 0;
  #byte = 0;

  constructor({ numbers, bytes }: PackedBatch) {
    this.#numbers = numbers;
    this.#bytes = bytes;
  }

  number(): number {
    return this.#numbers[this.#number++];
  }

  optional(): number | undefined {
    const value = this.number();
    return Number.isNaN(value) ? undefined : value;
  }

  bytes(): Uint8Array | undefined {
    const length = this.optional();
    if (length === undefined) return undefined;
    this.#byte += length;
    return this.#bytes.subarray(this.#byte - length, this.#byte);
  }
}

/** The contexts of a batch, each once, in the order of their first requests. */
export function contextsOf({ requests }: Batch): ContextState[] {
  return [...new Set(requests.map(({ context }) => context))];
}

export function packBatch(batch: Batch): PackedBatch {
  const { requests, events, health } = batch;
  const packer = new Packer();
  const contexts = contextsOf(batch);
  const places = new Map(contexts.map((context, place) => [context, place]));
  packer.number(contexts.length);
  for (const context of contexts) {
    const { highest, seen, lastRequest, lastAnswer } = context.state();
    packer.number(context.id);
    packer.number(highest);
    packer.bytes(seen);
    packer.bytes(lastRequest);
    packer.bytes(lastAnswer);
  }
  packer.number(requests.length);
  for (const { context, takeover, partialIv, received, readings, sealed } of requests) {
    packer.number(places.get(context));
    packer.number(partialIv);
    packer.number(received);
    packer.bytes(sealed);
    packer.number(takeover === undefined ? undefined : (places.get(takeover.from as ContextState) ?? -1));
    if (takeover !== undefined) {
      packer.number(takeover.from.id);
      packer.bytes(takeover.fingerprint);
      packer.bytes(takeover.keys);
    }
    packer.number(readings.length);
    for (const reading of readings) {
      packer.number(reading.node);
      packer.number(reading.time);
      packer.number(reading.temperature);
      packer.number(reading.humidity);
      packer.number(reading.battery);
      packer.number(reading.received);
      packer.number(reading.gateway);
      packer.number(reading.hops);
      packer.number(reading.partialIv);
      packer.number(reading.position);
    }
  }
  return { ...packer.finish(), events, health };
}

export function unpackBatch(packed: PackedBatch): Batch {
  const unpacker = new Unpacker(packed);
  const contexts: ContextState[] = Array.from({ length: unpacker.number() }, () => {
    const id = unpacker.number();
    const state: ReplayRecord = {
      highest: unpacker.number(),
      seen: unpacker.bytes(),
      lastRequest: unpacker.bytes(),
      lastAnswer: unpacker.bytes(),
      version: 0,
    };
    return { id, version: 0, state: () => state };
  });
  const requests = Array.from({ length: unpacker.number() }, () => {
    const context = contexts[unpacker.number()];
    const partialIv = unpacker.number();
    const received = unpacker.number();
    const sealed = unpacker.bytes();
    const place = unpacker.optional();
    // A takeover from keys that this very batch has made has their context, whose number comes with its commit.
    const takeover = place === undefined ? undefined : takeoverOf(unpacker, contexts[place]);
    const readings: ReadingRecord[] = Array.from({ length: unpacker.number() }, () => ({
      id: 0,
      node: unpacker.number(),
      time: unpacker.number(),
      temperature: unpacker.optional(),
      humidity: unpacker.optional(),
      battery: unpacker.optional(),
      received: unpacker.number(),
      gateway: unpacker.optional(),
      hops: unpacker.optional(),
      partialIv: unpacker.number(),
      position: unpacker.number(),
    }));
    return { context, takeover, partialIv, received, readings, sealed };
  });
  return { requests, events: packed.events, health: packed.health };
}

function takeoverOf(unpacker: Unpacker, made: ContextState | undefined) {
  const id = unpacker.number();
  return { from: made ?? { id, version: 0 }, fingerprint: unpacker.bytes()!, keys: unpacker.bytes()! };
}
