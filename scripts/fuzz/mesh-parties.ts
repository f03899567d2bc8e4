/** Who sends what to whom when the mesh is fuzzed. */

import { hex } from "../../firmware/bytes/hex.js";
import { KeyStore } from "../../firmware/mesh/keys.js";
import { MessageCache } from "../../firmware/mesh/message-cache.js";
import { NetworkCodec } from "../../firmware/mesh/network.js";
import { type MeshConfig, MeshStack } from "../../firmware/mesh/stack.js";
import type { KeyValueStore } from "../../hal/hal.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { MemoryStore } from "../../hal/host/storage.js";
import { Random } from "../../sim/random.js";

export const NET_KEY = hex("7dd7364cd842ad18c17c2b820c84c3d6");
export const APP_KEY = hex("63964771734fbd76e3b40519d1d94a48");
export const DEVICE_KEY = hex("9d6dd0e96eb25dc19a40ed9914f8f03f");
/** Of the node that is fuzzed. */
export const ADDRESS = 2;
export const IV_INDEX = 1;

/** One who has the NetKey and puts whatever it likes into lower transport PDUs. */
export class Insider {
  readonly keys = new KeyStore(hostCrypto);
  readonly #credentials;
  readonly #codec: NetworkCodec;

  constructor() {
    this.#credentials = this.keys.addSubnet(0, NET_KEY).transmit.credentials;
    this.#codec = new NetworkCodec(this.keys, new MessageCache(1));
  }

  /** The AD structure of a network PDU; an array of its own. */
  frame(ctl: boolean, ttl: number, seq: number, src: number, dst: number, transport: Uint8Array): Uint8Array {
    return this.#codec.encode(this.#credentials, IV_INDEX, ctl, ttl, seq, src, dst, transport).slice();
  }
}

export interface Party {
  readonly stack: MeshStack;
  readonly clock: { now: number };
  /** What it has put on the air since somebody looked last. */
  readonly frames: Uint8Array[];
}

/** A node with all features. */
export function makeParty(
  config: Partial<MeshConfig> = {},
  clock = { now: 0 },
  storage: KeyValueStore = new MemoryStore(),
): Party {
  const random = new Random(4);
  const frames: Uint8Array[] = [];
  const stack = new MeshStack({
    crypto: hostCrypto,
    storage,
    random: () => random.next(),
    now: () => clock.now,
    transmit: (bytes) => {
      // Now and then there is no room.
      if (random.next() > 0.9) return false;
      frames.push(bytes.slice());
      return true;
    },
    config: {
      unicastAddress: ADDRESS,
      netKeys: [{ index: 0, key: NET_KEY }],
      appKeys: [{ index: 0, key: APP_KEY }],
      deviceKey: DEVICE_KEY,
      ivIndex: IV_INDEX,
      relay: true,
      friend: true,
      subscriptions: [0xc001],
      limits: { rxSessions: 4, txSessions: 4, replayEntries: 8 },
      ...config,
    },
  });
  return { stack, clock, frames };
}

/** Lets everything happen that is due within `milliseconds`, but no more than `ticks` of it. */
export function settle({ stack, clock }: Party, milliseconds: number, ticks = 400): void {
  const end = clock.now + milliseconds;
  for (let i = 0; i < ticks && stack.deadline < end; i++) {
    clock.now = Math.max(clock.now, stack.deadline);
    stack.tick(clock.now);
  }
}

/** @throws Error with the sentence */
export function must(holds: boolean, sentence: string): void {
  if (!holds) throw new Error(sentence);
}
