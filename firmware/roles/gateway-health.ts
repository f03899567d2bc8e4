import { sort } from "../bytes/sort.js";
import { encodeHealth } from "../reading/codec.js";
import type { Health } from "../reading/reading.js";

/** What a report tells besides drops and neighbours. */
export type GatewayState = Omit<Health, "drops" | "heard">;

/** A report in its stored form, and what to do once the server has it. */
export interface HealthReport {
  readonly health: Health;
  readonly payload: Uint8Array;
  /** Notes that it was told: the next report says what has changed since. */
  told(): void;
}

/** A node not heard for so long is not reported as heard. */
const HEARD_LIFETIME = 3_600_000;
/** Nodes remembered as heard. */
const HEARD_LIMIT = 256;
const NEVER = Number.NEGATIVE_INFINITY;
/** In one report. The server puts the reports together. */
const HEARD_REPORTED = 24;
const DROPS_REPORTED = 8;
/** The server takes no longer reasons. */
const LONGEST_REASON = 60;
/** CBOR: the heads of two maps of up to 24 entries, and their keys. */
const MAP_HEADS = 6;

/**
 * What a gateway says of itself (DESIGN §4.7): a report that always fits into one datagram. Of the drops it tells those
 * that grew most since they were last told, of the nodes heard those that were not told for longest.
 */
export class GatewayHealth {
  // Columns of numbers: a Map of objects takes ten times as much, and a gateway has some 100 KB for everything.
  /** Unicast addresses; 0 in a free place. */
  readonly #addresses = new Uint16Array(HEARD_LIMIT);
  readonly #hops = new Uint8Array(HEARD_LIMIT);
  /** When it was heard last, ms. */
  readonly #heardAt = new Float64Array(HEARD_LIMIT);
  /** When the server was told, ms. */
  readonly #toldAt = new Float64Array(HEARD_LIMIT).fill(NEVER);
  readonly #dropsTold = new Map<string, number>();

  /** A node was heard directly (1) or over relays. The most recently heard are remembered. */
  hear(address: number, hops: number, now: number): void {
    let place = this.#addresses.indexOf(address);
    if (place < 0) {
      place = this.#addresses.indexOf(0);
      if (place < 0) place = this.#longestUnheard();
      this.#addresses[place] = address;
      this.#toldAt[place] = NEVER;
    }
    this.#hops[place] = Math.max(1, hops);
    this.#heardAt[place] = now;
  }

  #longestUnheard(): number {
    let longest = 0;
    for (let place = 1; place < HEARD_LIMIT; place++) {
      if (this.#heardAt[place] < this.#heardAt[longest]) longest = place;
    }
    return longest;
  }

  /**
   * @param drops everything that was dropped since the start, by reason
   * @param longest bytes that the report may have
   */
  report(
    state: GatewayState,
    drops: ReadonlyMap<string, number>,
    longest: number,
    now: number,
  ): HealthReport {
    let room = longest - encodeHealth(state).length - MAP_HEADS;
    const take = (length: number): boolean => {
      if (length > room) return false;
      room -= length;
      return true;
    };
    // Drops first: they are few, and why something is missing matters more than the way it would have come.
    const grown = this.#grown(drops).filter(([reason, count]) =>
      take(headLength(reason.length) + reason.length + headLength(count)),
    );
    const heard = this.#due(now).filter((place) =>
      take(headLength(this.#addresses[place]) + headLength(this.#hops[place])),
    );
    const health: Health = {
      ...state,
      drops: new Map(grown),
      heard: new Map(heard.map((place) => [this.#addresses[place], this.#hops[place]])),
    };
    return {
      health,
      payload: encodeHealth(health),
      told: () => {
        for (const [reason, count] of grown) this.#dropsTold.set(reason, count);
        for (const address of health.heard?.keys() ?? []) {
          const place = this.#addresses.indexOf(address);
          if (place >= 0) this.#toldAt[place] = now;
        }
      },
    };
  }

  #grown(drops: ReadonlyMap<string, number>): [reason: string, count: number][] {
    const growth = (reason: string, count: number) => count - (this.#dropsTold.get(reason) ?? 0);
    const grown = [...drops]
      .map(([reason, count]): [string, number] => [reason.slice(0, LONGEST_REASON), count])
      .filter(([reason, count]) => growth(reason, count) > 0);
    return sort(grown, (a, b) => growth(...b) - growth(...a)).slice(0, DROPS_REPORTED);
  }

  /** The places of the nodes that were not told for longest. */
  #due(now: number): number[] {
    const due: number[] = [];
    for (let place = 0; place < HEARD_LIMIT; place++) {
      if (this.#addresses[place] === 0) continue;
      if (now - this.#heardAt[place] > HEARD_LIFETIME) this.#addresses[place] = 0;
      else due.push(place);
    }
    return sort(due, (a, b) => this.#toldAt[a] - this.#toldAt[b]).slice(0, HEARD_REPORTED);
  }
}

/** Bytes of a CBOR head with this number (RFC 8949 §3). */
function headLength(value: number): number {
  if (value < 24) return 1;
  if (value < 0x100) return 2;
  if (value < 0x1_0000) return 3;
  return value < 0x1_0000_0000 ? 5 : 9;
}
