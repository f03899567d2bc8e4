import type { Counters } from "../bytes/counters.js";
import { Refusal } from "../bytes/refusal.js";
import type { Friend } from "./friend.js";
import type { StoredPdu } from "./friend-queue.js";
import type { KeyStore, NetworkCredentials } from "./keys.js";
import type { MeshStorage } from "./mesh-storage.js";
import { MessageCache } from "./message-cache.js";
import { NetworkCodec, type NetworkPdu, type NetworkReason } from "./network.js";
import type { NodeState } from "./node-state.js";
import { SequenceCounter } from "./sequence.js";
import type { MeshLimits } from "./timing.js";

/** Which IV Index to send under and which to take (Mesh Profile §3.10.5). */
export interface IvIndexView {
  /** For receiving: this one, or the one before. */
  readonly current: number;
  readonly transmit: number;
}

/** What the network layer is put between. */
export interface NetworkLayerOptions {
  readonly storage: MeshStorage;
  /** For PDUs of this node. */
  readonly transmit: (adStructure: Uint8Array, count: number, intervalMs: number) => boolean;
  /** For PDUs that it relays. */
  readonly relay: (adStructure: Uint8Array, count: number, intervalMs: number) => boolean;
  readonly counters: Counters;
  readonly limits: MeshLimits;
  readonly state: NodeState;
  readonly keys: KeyStore;
  readonly iv: IvIndexView;
}

/** Counter names made once: most PDUs on the air are dropped, as duplicates. */
const DROP: Readonly<Record<NetworkReason, string>> = {
  "pdu-length": "drop.pdu-length",
  nid: "drop.nid",
  "iv-index": "drop.iv-index",
  source: "drop.source",
  duplicate: "drop.duplicate",
  mic: "drop.mic",
  destination: "drop.destination",
};

/** The network layer of one node (Mesh Profile §3.4): numbers, cache, relaying, and the bearer below. */
export class NetworkLayer {
  readonly sequence: SequenceCounter;
  /** Where PDUs for Low Power nodes go. */
  friend: Friend | undefined;
  readonly #options: NetworkLayerOptions;
  readonly #state: NodeState;
  readonly #counters: Counters;
  readonly #cache: MessageCache;
  readonly #codec: NetworkCodec;

  constructor(options: NetworkLayerOptions) {
    this.#options = options;
    this.#state = options.state;
    this.#counters = options.counters;
    this.sequence = new SequenceCounter(options.storage, options.iv.transmit, options.limits.seqBlock);
    this.#cache = new MessageCache(options.limits.messageCache);
    this.#codec = new NetworkCodec(options.keys, this.#cache);
  }

  /** The IV Index that PDUs are sent under. */
  get ivIndex(): number {
    return this.#options.iv.transmit;
  }

  /**
   * Decrypts a PDU and relays it if it is to be relayed.
   * @param adStructure of type Mesh Message
   * @returns the PDU, valid until the next call of anything here; `undefined` when it was dropped, and counted
   */
  receive(adStructure: Uint8Array): NetworkPdu | undefined {
    const pdu = this.#codec.decode(adStructure, this.#options.iv.current);
    if (pdu instanceof Refusal) {
      this.#counters.add(DROP[pdu.reason]);
      return undefined;
    }
    this.#counters.add("received");
    if (this.#state.isOwn(pdu.src)) {
      this.#counters.add("drop.own");
      return undefined;
    }
    // Relaying first: the PDU is in the codec's buffers, where an answer of ours would go too.
    if (!this.#state.isOwn(pdu.dst)) this.#relay(pdu);
    return pdu;
  }

  /** §3.4.6.3: what is for others, or for others too, with one hop less. */
  #relay(pdu: NetworkPdu): void {
    if (pdu.ttl < 2) return;
    let frame: Uint8Array;
    if (pdu.credentials.friendshipWith !== undefined) {
      // What a Low Power node sends by its friend goes on by the credentials that all have (§3.6.6.2).
      if (this.friend === undefined || this.friend.pollTimeout(pdu.src) === 0) return;
      const { credentials } = pdu.credentials.subnet.transmit;
      const { ivIndex, ctl, ttl, seq, src, dst, transport } = pdu;
      frame = this.#codec.encode(credentials, ivIndex, ctl, ttl - 1, seq, src, dst, transport);
    } else {
      // Also what is kept for a Low Power node: it may have given its friend up, or never have asked for one itself.
      if (!this.#state.relay) return;
      frame = this.#codec.relay(pdu, pdu.ttl - 1);
    }
    const { count, intervalMs } = this.#state.relayRetransmit;
    if (this.#options.relay(frame, count, intervalMs)) this.#counters.add("relayed");
    else {
      this.#counters.add("queue-full");
      this.#counters.add("relay-full");
    }
  }

  /** Sends a PDU of this node. @returns false when the bearer has no room */
  send(
    credentials: NetworkCredentials,
    ivIndex: number,
    ctl: boolean,
    ttl: number,
    seq: number,
    src: number,
    dst: number,
    transport: Uint8Array,
  ): boolean {
    const frame = this.#codec.encode(credentials, ivIndex, ctl, ttl, seq, src, dst, transport);
    const { count, intervalMs } = this.#state.networkTransmit;
    if (!this.#options.transmit(frame, count, intervalMs)) {
      this.#counters.add("queue-full");
      return false;
    }
    this.#counters.add("sent");
    return true;
  }

  /**
   * Sends an unsegmented control message at once, past all that waits: polls and their answers are a matter of
   * milliseconds.
   */
  sendControlNow(
    credentials: NetworkCredentials,
    opcode: number,
    dst: number,
    ttl: number,
    parameters: Uint8Array,
  ): boolean {
    const seq = this.sequence.take();
    if (seq === undefined) {
      this.#counters.add("refused.seq-exhausted");
      return false;
    }
    const transport = new Uint8Array(1 + parameters.length);
    transport[0] = opcode;
    transport.set(parameters, 1);
    const { address } = this.#state;
    return this.send(credentials, this.ivIndex, true, ttl, seq, address, dst, transport);
  }

  /** Sends a PDU of another node as it is, by other credentials. */
  forward(credentials: NetworkCredentials, pdu: StoredPdu): void {
    const { ivIndex, ctl, ttl, seq, src, dst, transport } = pdu;
    this.send(credentials, ivIndex, ctl, ttl, seq, src, dst, transport);
  }

  /** Forgets which PDUs were seen. */
  clear(): void {
    this.#cache.clear();
  }
}
