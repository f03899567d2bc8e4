/** What a message layer remembers of its peers' messages, so as to act on each once (RFC 7252 §4.5). */

import type { Counters } from "../bytes/counters.js";
import type { Incoming, Peer } from "./peer-table.js";

/**
 * All remembered messages of all endpoints. They are looked up at their endpoint, by message ID, without a key to be
 * built; one queue of all of them, the oldest first, makes both expiry and the limit a step at its front.
 */
export class Deduplication {
  readonly #limit: number;
  readonly #counters: Counters;
  #oldest: Incoming | undefined = undefined;
  #newest: Incoming | undefined = undefined;
  #size = 0;

  constructor(limit: number, counters: Counters) {
    this.#limit = limit;
    this.#counters = counters;
  }

  get size(): number {
    return this.#size;
  }

  /** The message that these bytes repeat, if any. */
  find(peer: Peer, messageId: number, print: number, now: number): Incoming | undefined {
    const known = peer.incoming.get(messageId);
    if (known === undefined || known.expires <= now) return undefined;
    if (known.fingerprint === print) return known;
    // The peer restarted, or sends more than 65536 messages in a lifetime. It is a new message all the same.
    this.#counters.add("coap-message-id-reused");
    return undefined;
  }

  /** Remembers a message. All have to live equally long, so that they expire in the order of their coming. */
  remember(incoming: Incoming): void {
    incoming.peer.incoming.set(incoming.messageId, incoming);
    if (this.#newest === undefined) this.#oldest = incoming;
    else this.#newest.next = incoming;
    this.#newest = incoming;
    if (++this.#size > this.#limit) {
      this.#counters.add("coap-remembered-dropped");
      this.#dropOldest();
    }
  }

  /** Forgets what is older than its lifetime at `now` (ms). */
  expire(now: number): void {
    while (this.#oldest !== undefined && this.#oldest.expires <= now) this.#dropOldest();
  }

  #dropOldest(): void {
    const oldest = this.#oldest;
    if (oldest === undefined) return;
    this.#oldest = oldest.next;
    if (this.#oldest === undefined) this.#newest = undefined;
    oldest.next = undefined;
    this.#size--;
    // The ID may have come to mean a newer message.
    if (oldest.peer.incoming.get(oldest.messageId) === oldest) oldest.peer.incoming.delete(oldest.messageId);
  }
}

/** So many bytes at either end of a message are looked at: header, token and first options; authentication tag. */
const FINGERPRINT_HEAD = 24;
const FINGERPRINT_TAIL = 16;

/**
 * A hash (FNV-1a) that tells a copy of a message from another message with its ID; no more than that. The specification
 * goes by endpoint and ID alone: a node that restarts with an ID it has just used would get the answer to another
 * question.
 */
export function fingerprint(bytes: Uint8Array): number {
  const { length } = bytes;
  let hash = 0x811c9dc5 ^ length;
  const head = Math.min(length, FINGERPRINT_HEAD);
  for (let i = 0; i < head; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  for (let i = Math.max(head, length - FINGERPRINT_TAIL); i < length; i++) {
    hash = Math.imul(hash ^ bytes[i], 0x01000193);
  }
  return hash;
}
