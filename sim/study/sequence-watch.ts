import { Refusal } from "../../firmware/bytes/refusal.js";
import { KeyStore } from "../../firmware/mesh/keys.js";
import { MessageCache } from "../../firmware/mesh/message-cache.js";
import { NetworkCodec } from "../../firmware/mesh/network.js";
import { AdType } from "../../firmware/mesh/numbers.js";
import { hostCrypto } from "../../hal/host/crypto.js";

/**
 * Reads along what nodes hand to their bearers, and finds sequence numbers that are used for two different PDUs: the
 * same nonce twice, the one thing that must never happen (Mesh Profile §3.8.8).
 */
export class SequenceWatch {
  /** PDUs of the nodes' own, repetitions not counted. */
  pdus = 0;
  /** Numbers used a second time for something else. */
  reused = 0;
  readonly #keys = new KeyStore(hostCrypto);
  readonly #codec = new NetworkCodec(this.#keys, new NoCache());
  /** For each source and IV Index: a fingerprint of what was sent under each number. */
  readonly #used = new Map<number, Map<number, number>>();

  constructor(netKeys: readonly Uint8Array[]) {
    for (const [index, key] of netKeys.entries()) this.#keys.addSubnet(index, key);
  }

  /** @param ivIndex the node's own */
  see(address: number, adStructure: Uint8Array, ivIndex: number): void {
    if (adStructure[1] !== AdType.MESH_MESSAGE) return;
    const pdu = this.#codec.decode(adStructure, ivIndex);
    if (pdu instanceof Refusal) throw new Error(`node ${address} sent what nobody can read: ${pdu.reason}`);
    if (pdu.src !== address) return;
    const life = address * 2 ** 32 + pdu.ivIndex;
    let used = this.#used.get(life);
    if (used === undefined) {
      used = new Map();
      this.#used.set(life, used);
    }
    const fingerprint = fingerprintOf(adStructure);
    const before = used.get(pdu.seq);
    if (before === fingerprint) return;
    this.pdus++;
    if (before !== undefined) this.reused++;
    else used.set(pdu.seq, fingerprint);
  }
}

/** Forgets at once: the watch wants to see every PDU. */
class NoCache extends MessageCache {
  constructor() {
    super(1);
  }

  override has(): boolean {
    return false;
  }
}

function fingerprintOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash >>> 0;
}
