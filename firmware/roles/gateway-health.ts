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

interface Heard {
  readonly hops: number;
  readonly at: number;
  /** When the server was told, ms. */
  told: number;
}

/** A node not heard for so long is not reported as heard. */
const HEARD_LIFETIME = 3_600_000;
/** Nodes remembered as heard. */
const HEARD_LIMIT = 256;
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
  readonly #heard = new Map<number, Heard>();
  readonly #dropsTold = new Map<string, number>();

  /** A node was heard directly (1) or over relays. The most recently heard are remembered. */
  hear(address: number, hops: number, now: number): void {
    const told = this.#heard.get(address)?.told ?? Number.NEGATIVE_INFINITY;
    this.#heard.delete(address);
    this.#heard.set(address, { hops: Math.max(1, hops), at: now, told });
    if (this.#heard.size <= HEARD_LIMIT) return;
    for (const oldest of this.#heard.keys()) {
      this.#heard.delete(oldest);
      break;
    }
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
    const heard = this.#due(now).filter(([address, { hops }]) =>
      take(headLength(address) + headLength(hops)),
    );
    const health: Health = {
      ...state,
      drops: new Map(grown),
      heard: new Map(heard.map(([address, { hops }]) => [address, hops])),
    };
    return {
      health,
      payload: encodeHealth(health),
      told: () => {
        for (const [reason, count] of grown) this.#dropsTold.set(reason, count);
        for (const [, node] of heard) node.told = now;
      },
    };
  }

  #grown(drops: ReadonlyMap<string, number>): [reason: string, count: number][] {
    const growth = (reason: string, count: number) => count - (this.#dropsTold.get(reason) ?? 0);
    return [...drops]
      .map(([reason, count]): [string, number] => [reason.slice(0, LONGEST_REASON), count])
      .filter(([reason, count]) => growth(reason, count) > 0)
      .sort((a, b) => growth(...b) - growth(...a))
      .slice(0, DROPS_REPORTED);
  }

  #due(now: number): [address: number, heard: Heard][] {
    for (const [address, { at }] of this.#heard) {
      if (now - at > HEARD_LIFETIME) this.#heard.delete(address);
    }
    return [...this.#heard].sort((a, b) => a[1].told - b[1].told).slice(0, HEARD_REPORTED);
  }
}

/** Bytes of a CBOR head with this number (RFC 8949 §3). */
function headLength(value: number): number {
  if (value < 24) return 1;
  if (value < 0x100) return 2;
  if (value < 0x1_0000) return 3;
  return value < 0x1_0000_0000 ? 5 : 9;
}
