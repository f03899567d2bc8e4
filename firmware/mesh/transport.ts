import type { Crypto, KeyValueStore, MeshSendOutcome } from "../../hal/hal.js";
import type { Counters } from "../bytes/counters.js";
import { Refusal } from "../bytes/refusal.js";
import { isUnicast } from "./addresses.js";
import type { Friend, StoredPdu } from "./friend.js";
import type { AppKeyMaterial, KeyStore, NetworkCredentials } from "./keys.js";
import { MessageCache } from "./message-cache.js";
import { NetworkCodec, type NetworkPdu, type NetworkReason } from "./network.js";
import type { NodeState, Retransmission } from "./node-state.js";
import {
  ACCESS_SEGMENT,
  CONTROL_SEGMENT,
  ControlOpcode,
  UNSEGMENTED_ACCESS_MAX,
  UNSEGMENTED_CONTROL_MAX,
} from "./numbers.js";
import { Reassembler, type UpperPdu } from "./reassembly.js";
import { ReplayList } from "./replay.js";
import {
  type OutgoingMessage,
  SEGMENT_HEADER,
  SegmentSender,
  type SendResult,
  writeSegmentHeader,
} from "./segmentation.js";
import { SequenceCounter } from "./sequence.js";
import type { MeshLimits, MeshTiming } from "./timing.js";
import { AKF, type DecryptedAccess, UpperTransport } from "./upper-transport.js";

/** Which IV Index to send under and which to take (Mesh Profile §3.10.5). */
export interface IvIndexView {
  /** For receiving: this one, or the one before. */
  readonly current: number;
  readonly transmit: number;
}

export interface TransportOptions {
  readonly crypto: Crypto;
  readonly storage: KeyValueStore;
  readonly random: () => number;
  readonly transmit: (adStructure: Uint8Array, count: number, intervalMs: number) => boolean;
  readonly counters: Counters;
  readonly timing: MeshTiming;
  readonly limits: MeshLimits;
  readonly state: NodeState;
  readonly keys: KeyStore;
  readonly iv: IvIndexView;
  /** An access message for this node. Its objects are valid during the call only. */
  readonly onAccess: (upper: UpperPdu, decrypted: DecryptedAccess, now: number) => void;
  /** A control message for this node, other than a segment acknowledgment. */
  readonly onControl: (upper: UpperPdu, now: number) => void;
  /** A PDU for this node has come by the credentials of the friendship with `peer`; before what is in it. */
  readonly onFriendshipPdu: (peer: number, now: number) => void;
}

/** An access message to send. */
export interface AccessToSend {
  readonly src: number;
  readonly dst: number;
  readonly ttl: number;
  /** Opcode and parameters; copied. */
  readonly access: Uint8Array;
  readonly key: AppKeyMaterial;
  /** The key is an AppKey, not a device key. */
  readonly appKey: boolean;
  readonly credentials: NetworkCredentials;
  /** Label UUID when `dst` is virtual. */
  readonly label?: Uint8Array | undefined;
  /** Send it in segments even where it would fit one PDU, so that it is acknowledged. */
  readonly segmented?: boolean | undefined;
  /** 8-byte TransMIC; only segmented messages have one. */
  readonly szmic?: boolean | undefined;
  readonly done?: ((outcome: MeshSendOutcome) => void) | undefined;
}

const EMPTY = new Uint8Array(0);
/** At most so often numbers are skipped for a silent peer: 10 minutes, that is some 2 % of all numbers in a month. */
const SKIP_INTERVAL = 600_000;

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

/** The network, lower and upper transport layers of one node, put together. */
export class Transport {
  readonly sequence: SequenceCounter;
  readonly replay: ReplayList;
  /** Where PDUs for Low Power nodes go. */
  friend: Friend | undefined;
  readonly #options: TransportOptions;
  readonly #state: NodeState;
  readonly #counters: Counters;
  readonly #cache: MessageCache;
  readonly #codec: NetworkCodec;
  readonly #upper: UpperTransport;
  readonly #sender: SegmentSender;
  readonly #reassembler: Reassembler;
  readonly #acknowledgment = new Uint8Array(7);
  readonly #unsegmented: UpperPdu;
  #skipAgainAt = Number.NEGATIVE_INFINITY;

  constructor(options: TransportOptions) {
    const { storage, limits, timing, keys, iv, counters } = options;
    this.#options = options;
    this.#state = options.state;
    this.#counters = counters;
    this.sequence = new SequenceCounter(storage, iv.transmit, limits.seqBlock);
    this.replay = new ReplayList(storage, limits.replayEntries, limits.replayAbove);
    this.#cache = new MessageCache(limits.messageCache);
    this.#codec = new NetworkCodec(keys, this.#cache);
    this.#upper = new UpperTransport(keys);
    this.#sender = new SegmentSender({
      timing,
      capacity: limits.txSessions,
      random: options.random,
      start: (message) => this.#start(message),
      takeSeq: () => this.sequence.take(),
      send: (message, seq, transport) => this.#sendSegment(message, seq, transport),
      unheard: (now) => this.#skipNumbers(now),
    });
    this.#reassembler = new Reassembler({
      timing,
      counters,
      replay: this.replay,
      sessions: limits.rxSessions,
      complete: (upper, now) => this.#complete(upper, now),
      acknowledge: (credentials, ttl, src, dst, seqZero, blockAck) =>
        this.#acknowledge(credentials, ttl, src, dst, seqZero, blockAck),
    });
    this.#unsegmented = {
      credentials: undefined as unknown as NetworkCredentials,
      ivIndex: 0,
      ctl: false,
      ttl: 0,
      seq: 0,
      src: 0,
      dst: 0,
      header: 0,
      szmic: false,
      segmented: false,
      payload: EMPTY,
      rssi: 0,
      segmentSeqs: undefined,
    };
  }

  get deadline(): number {
    return Math.min(this.#sender.deadline, this.#reassembler.deadline);
  }

  /** Own segmented messages are under way: the IV Index must not change now (§3.10.5). */
  get busy(): boolean {
    return this.#sender.busy;
  }

  /** Messages waiting or being sent. */
  get sending(): number {
    return this.#sender.size;
  }

  /** Messages of which only some segments have come. */
  get receiving(): number {
    return this.#reassembler.size;
  }

  tick(now: number): void {
    this.#sender.tick(now);
    this.#reassembler.tick(now);
  }

  /** Gives up everything that is under way. */
  clear(): void {
    this.#sender.cancelAll();
    this.#reassembler.clear();
    this.#cache.clear();
  }

  /** Takes an AD structure of type Mesh Message. */
  receive(adStructure: Uint8Array, rssi: number, now: number): void {
    const pdu = this.#codec.decode(adStructure, this.#options.iv.current);
    if (pdu instanceof Refusal) {
      this.#counters.add(DROP[pdu.reason]);
      return;
    }
    this.#counters.add("received");
    const { state } = this.#options;
    if (state.isOwn(pdu.src)) {
      this.#counters.add("drop.own");
      return;
    }
    const { dst } = pdu;
    const { friendshipWith } = pdu.credentials;
    const own = state.listensTo(dst);
    if (friendshipWith !== undefined && own) this.#options.onFriendshipPdu(friendshipWith, now);
    // Relaying first: the PDU is in the codec's buffers, where an answer of ours would go too.
    if (!state.isOwn(dst)) this.#relay(pdu);
    if (own || this.#keeps(pdu)) this.#take(pdu, own, rssi, now);
  }

  /** Whether a PDU is kept for a Low Power node: one that may still go a hop (§3.6.6.4.1). */
  #keeps(pdu: NetworkPdu): boolean {
    const { friend } = this;
    return friend !== undefined && pdu.ttl >= 2 && friend.listensFor(pdu.dst);
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
      // Nobody but us can bring it to a Low Power node of ours.
      if (!this.#state.relay || this.friend?.owns(pdu.dst) === true) return;
      frame = this.#codec.relay(pdu, pdu.ttl - 1);
    }
    this.#counters.add(this.#transmit(frame, this.#state.relayRetransmit) ? "relayed" : "relay-full");
  }

  #take(pdu: NetworkPdu, own: boolean, rssi: number, now: number): void {
    const { transport } = pdu;
    const header = transport[0] & 0x7f;
    const segmented = transport[0] > 0x7f;
    if (pdu.ctl && header === ControlOpcode.SEGMENT_ACKNOWLEDGMENT) {
      if (segmented) this.#counters.add("drop.control-opcode");
      else if (own) this.#takeAcknowledgment(pdu, now);
      else this.#store(pdu, pdu.seq, transport);
      return;
    }
    if (segmented) {
      this.#reassembler.segment(pdu, rssi, now);
      return;
    }
    if (this.#keeps(pdu)) this.#store(pdu, pdu.seq, transport);
    if (!own) return;
    const verdict = this.replay.check(pdu.src, pdu.ivIndex, pdu.seq);
    if (verdict !== "new") {
      this.#counters.add(`drop.${verdict}`);
      return;
    }
    const upper = this.#unsegmented;
    upper.credentials = pdu.credentials;
    upper.ivIndex = pdu.ivIndex;
    upper.ctl = pdu.ctl;
    upper.ttl = pdu.ttl;
    upper.seq = pdu.seq;
    upper.src = pdu.src;
    upper.dst = pdu.dst;
    upper.header = header;
    upper.payload = transport.subarray(1);
    upper.rssi = rssi;
    this.#deliver(upper, now);
  }

  #takeAcknowledgment(pdu: NetworkPdu, now: number): void {
    const { transport } = pdu;
    if (transport.length !== 7) {
      this.#counters.add("drop.acknowledgment-length");
      return;
    }
    if (!this.replay.acceptAcknowledgment(pdu.src, pdu.ivIndex, pdu.seq)) {
      // Where there is more than one way, acknowledgments overtake each other every day: not to be told from a replay,
      // and worth no alarm.
      this.#counters.add("drop.acknowledgment-old");
      return;
    }
    const seqZero = ((transport[1] & 0x7f) << 6) | (transport[2] >> 2);
    const blockAck = (transport[3] << 24) | (transport[4] << 16) | (transport[5] << 8) | transport[6];
    if (!this.#sender.acknowledge(pdu.src, pdu.dst, transport[1] > 0x7f, seqZero, blockAck, now)) {
      this.#counters.add("drop.acknowledgment-unknown");
    }
  }

  #complete(upper: UpperPdu, now: number): void {
    if (upper.ttl >= 2 && this.friend?.listensFor(upper.dst) === true) this.#storeSegments(upper);
    if (this.#state.listensTo(upper.dst)) this.#deliver(upper, now);
  }

  /** A segmented message for a Low Power node: all segments as they came, each with its own SEQ. */
  #storeSegments(upper: UpperPdu): void {
    const size = upper.ctl ? CONTROL_SEGMENT : ACCESS_SEGMENT;
    const segN = Math.ceil(upper.payload.length / size) - 1;
    for (let segO = 0; segO <= segN; segO++) {
      const data = upper.payload.subarray(segO * size, (segO + 1) * size);
      const transport = new Uint8Array(SEGMENT_HEADER + data.length);
      writeSegmentHeader(transport, upper.header, upper.szmic, upper.seq & 0x1fff, segO, segN);
      transport.set(data, SEGMENT_HEADER);
      this.#store(upper, upper.segmentSeqs![segO], transport);
    }
  }

  #store(
    from: { ivIndex: number; ctl: boolean; ttl: number; src: number; dst: number },
    seq: number,
    transport: Uint8Array,
  ): void {
    const { ivIndex, ctl, ttl, src, dst } = from;
    this.friend?.store({ ivIndex, ctl, ttl: ttl - 1, seq, src, dst, transport });
  }

  #deliver(upper: UpperPdu, now: number): void {
    if (upper.ctl) {
      if (this.#accept(upper, now)) this.#options.onControl(upper, now);
      return;
    }
    const decrypted = this.#upper.decrypt(upper, this.#state.labels);
    if (decrypted instanceof Refusal) {
      this.#counters.add(`drop.${decrypted.reason}`);
      return;
    }
    // Only what could be decrypted moves the replay list: the rest is not delivered, so it cannot be replayed.
    if (this.#accept(upper, now)) this.#options.onAccess(upper, decrypted, now);
  }

  #accept(upper: UpperPdu, now: number): boolean {
    if (this.replay.accept(upper.src, upper.ivIndex, upper.seq, now)) return true;
    this.#counters.add("drop.replay-list-full");
    return false;
  }

  /**
   * Sends an access message.
   * @returns false when there is no room for it now
   */
  sendAccess(send: AccessToSend, now: number): boolean {
    if (this.#sender.full) return this.#refuse("refused.tx-sessions");
    if (this.sequence.left === 0) return this.#refuse("refused.seq-exhausted");
    const { access } = send;
    const segmented = send.segmented === true || access.length > UNSEGMENTED_ACCESS_MAX;
    const szmic = segmented && send.szmic === true;
    const payload = new Uint8Array(access.length + (szmic ? 8 : 4));
    payload.set(access);
    // A Low Power node of ours gets it from the queue, once.
    const byQueue = this.friend?.owns(send.dst) === true;
    this.#sender.add(
      {
        src: send.src,
        dst: send.dst,
        ttl: send.ttl,
        ctl: false,
        segmented,
        header: send.appKey ? AKF | send.key.aid : 0,
        szmic,
        acknowledged: isUnicast(send.dst) && !byQueue,
        rounds: byQueue ? 1 : undefined,
        done: send.done,
        key: send.key,
        label: send.label ?? EMPTY,
        payload,
        credentials: send.credentials,
        ivIndex: 0,
        seq: 0,
      },
      now,
    );
    this.#sender.tick(now);
    return true;
  }

  /** Sends a control message from `src`; in segments when its parameters need them. */
  sendControl(
    credentials: NetworkCredentials,
    opcode: number,
    src: number,
    dst: number,
    ttl: number,
    parameters: Uint8Array,
    now: number,
    done?: (outcome: MeshSendOutcome) => void,
  ): boolean {
    if (this.#sender.full) return this.#refuse("refused.tx-sessions");
    if (this.sequence.left === 0) return this.#refuse("refused.seq-exhausted");
    this.#sender.add(
      {
        src,
        dst,
        ttl,
        ctl: true,
        segmented: parameters.length > UNSEGMENTED_CONTROL_MAX,
        header: opcode,
        szmic: false,
        acknowledged: isUnicast(dst),
        done,
        key: undefined,
        label: EMPTY,
        payload: parameters.slice(),
        credentials,
        ivIndex: 0,
        seq: 0,
      },
      now,
    );
    this.#sender.tick(now);
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
    if (seq === undefined) return this.#refuse("refused.seq-exhausted");
    const transport = new Uint8Array(1 + parameters.length);
    transport[0] = opcode;
    transport.set(parameters, 1);
    const { address } = this.#state;
    return this.#transmitOwn(
      this.#codec.encode(credentials, this.#options.iv.transmit, true, ttl, seq, address, dst, transport),
    );
  }

  /** Sends a PDU of another node as it is, by other credentials. */
  forward(credentials: NetworkCredentials, pdu: StoredPdu): void {
    const { ivIndex, ctl, ttl, seq, src, dst, transport } = pdu;
    this.#transmitOwn(this.#codec.encode(credentials, ivIndex, ctl, ttl, seq, src, dst, transport));
  }

  /**
   * A peer that lost its power may refuse our next numbers, up to a ceiling of its replay list that we cannot know
   * (§3.8.8). When it does not even acknowledge a segment, it may be that, so numbers are skipped now and then.
   */
  #skipNumbers(now: number): void {
    if (now < this.#skipAgainAt) return;
    this.#skipAgainAt = now + SKIP_INTERVAL;
    this.sequence.skip(this.#options.limits.replayAbove);
    this.#counters.add("seq-skipped");
  }

  #refuse(reason: string): false {
    this.#counters.add(reason);
    return false;
  }

  #start(message: OutgoingMessage): boolean {
    const seq = this.sequence.take();
    if (seq === undefined) return false;
    message.seq = seq;
    message.ivIndex = this.#options.iv.transmit;
    this.#upper.encrypt(message);
    return true;
  }

  #sendSegment(message: OutgoingMessage, seq: number, transport: Uint8Array): SendResult {
    const { friend } = this;
    if (friend?.listensFor(message.dst) === true) {
      friend.store({ ...message, seq, transport });
      if (friend.owns(message.dst)) return "sent";
    }
    const adStructure = this.#codec.encode(
      message.credentials,
      message.ivIndex,
      message.ctl,
      message.ttl,
      seq,
      message.src,
      message.dst,
      transport,
    );
    return this.#transmitOwn(adStructure) ? "sent" : "queue-full";
  }

  /** §3.5.2.3.1. From the element that the segments were sent to; without hops if they came without. */
  #acknowledge(
    credentials: NetworkCredentials,
    ttl: number,
    src: number,
    dst: number,
    seqZero: number,
    blockAck: number,
  ): void {
    // The friend of a Low Power node has acknowledged it before (§3.6.6.4.1).
    if (this.#state.lowPower) return;
    const onBehalf = !this.#state.isOwn(dst);
    const seq = this.sequence.take();
    if (seq === undefined) return;
    const pdu = this.#acknowledgment;
    pdu[0] = ControlOpcode.SEGMENT_ACKNOWLEDGMENT;
    pdu[1] = (onBehalf ? 0x80 : 0) | (seqZero >> 6);
    pdu[2] = seqZero << 2;
    pdu[3] = blockAck >>> 24;
    pdu[4] = blockAck >>> 16;
    pdu[5] = blockAck >>> 8;
    pdu[6] = blockAck;
    const from = onBehalf ? this.#state.address : dst;
    const hops = ttl === 0 ? 0 : this.#state.defaultTtl;
    this.#transmitOwn(
      this.#codec.encode(credentials, this.#options.iv.transmit, true, hops, seq, from, src, pdu),
    );
  }

  #transmitOwn(adStructure: Uint8Array): boolean {
    if (!this.#transmit(adStructure, this.#state.networkTransmit)) return false;
    this.#counters.add("sent");
    return true;
  }

  #transmit(adStructure: Uint8Array, how: Retransmission): boolean {
    if (this.#options.transmit(adStructure, how.count, how.intervalMs)) return true;
    this.#counters.add("queue-full");
    return false;
  }
}
