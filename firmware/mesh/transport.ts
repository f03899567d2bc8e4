import type { MeshSendOutcome } from "../../hal/hal.js";
import type { Counters } from "../bytes/counters.js";
import { Refusal } from "../bytes/refusal.js";
import { isUnicast } from "./addresses.js";
import type { AppKeyMaterial, KeyStore, NetworkCredentials } from "./keys.js";
import type { MeshStorage } from "./mesh-storage.js";
import type { NetworkPdu } from "./network.js";
import type { NetworkLayer } from "./network-layer.js";
import type { NodeState } from "./node-state.js";
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
import type { MeshLimits, MeshTiming } from "./timing.js";
import { AKF, type DecryptedAccess, UpperTransport } from "./upper-transport.js";

/** What the transport layers are put between. */
export interface TransportOptions {
  readonly storage: MeshStorage;
  /** [0, 1) */
  readonly random: () => number;
  readonly network: NetworkLayer;
  readonly counters: Counters;
  readonly timing: MeshTiming;
  readonly limits: MeshLimits;
  readonly state: NodeState;
  readonly keys: KeyStore;
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
  /** Told once what became of the message. */
  readonly done?: ((outcome: MeshSendOutcome) => void) | undefined;
}

const EMPTY = new Uint8Array(0);
/** At most so often numbers are skipped for a silent peer: 10 minutes, that is some 2 % of all numbers in a month. */
const SKIP_INTERVAL = 600_000;

/**
 * The lower and upper transport layers of one node (Mesh Profile §3.5, §3.6), over its network layer. Segments are cut
 * in segmentation.ts, put together in reassembly.ts, and AppKeys are at work in upper-transport.ts; both directions are
 * here, because they share the sequence numbers, the replay list and the friend's queue.
 */
export class Transport {
  readonly replay: ReplayList;
  readonly #options: TransportOptions;
  readonly #state: NodeState;
  readonly #counters: Counters;
  readonly #network: NetworkLayer;
  readonly #upper: UpperTransport;
  readonly #sender: SegmentSender;
  readonly #reassembler: Reassembler;
  readonly #acknowledgment = new Uint8Array(7);
  readonly #unsegmented: UpperPdu;
  #skipAgainAt = Number.NEGATIVE_INFINITY;

  constructor(options: TransportOptions) {
    const { storage, limits, timing, keys, counters } = options;
    this.#options = options;
    this.#state = options.state;
    this.#counters = counters;
    this.#network = options.network;
    this.replay = new ReplayList(storage, limits.replayEntries, limits.replayAbove);
    this.#upper = new UpperTransport(keys);
    this.#sender = new SegmentSender({
      timing,
      capacity: limits.txSessions,
      random: options.random,
      start: (message) => this.#start(message),
      takeSeq: () => this.#network.sequence.take(),
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

  /** Does what is due at `now` (ms) for segments and friendship. */
  tick(now: number): void {
    this.#sender.tick(now);
    this.#reassembler.tick(now);
  }

  /** Gives up everything that is under way. */
  clear(): void {
    this.#sender.cancelAll();
    this.#reassembler.clear();
    this.#network.clear();
  }

  /** Takes an AD structure of type Mesh Message. */
  receive(adStructure: Uint8Array, rssi: number, now: number): void {
    const pdu = this.#network.receive(adStructure);
    if (pdu === undefined) return;
    const own = this.#state.listensTo(pdu.dst);
    const { friendshipWith } = pdu.credentials;
    if (friendshipWith !== undefined && own) this.#options.onFriendshipPdu(friendshipWith, now);
    if (own || this.#keeps(pdu)) this.#take(pdu, own, rssi, now);
  }

  /** Whether a PDU is kept for a Low Power node: one that may still go a hop (§3.6.6.4.1). */
  #keeps(pdu: NetworkPdu): boolean {
    const { friend } = this.#network;
    return friend !== undefined && pdu.ttl >= 2 && friend.listensFor(pdu.dst);
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
    const verdict = pdu.ctl ? "new" : this.replay.check(pdu.src, pdu.ivIndex, pdu.seq);
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
    if (upper.ttl >= 2 && this.#network.friend?.listensFor(upper.dst) === true) this.#storeSegments(upper);
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
    this.#network.friend?.store({ ivIndex, ctl, ttl: ttl - 1, seq, src, dst, transport });
  }

  #deliver(upper: UpperPdu, now: number): void {
    if (upper.ctl) {
      const isNew = this.replay.acceptControl(upper.src, upper.ivIndex, upper.seq);
      if (isNew) this.#options.onControl(upper, now);
      else this.#counters.add("drop.control-old");
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
    this.#counters.add("drop.not-remembered");
    return false;
  }

  /**
   * Sends an access message.
   * @returns false when there is no room for it now
   */
  sendAccess(send: AccessToSend, now: number): boolean {
    if (this.#sender.full) return this.#refuse("refused.tx-sessions");
    if (this.#network.sequence.left === 0) return this.#refuse("refused.seq-exhausted");
    const { access } = send;
    const segmented = send.segmented === true || access.length > UNSEGMENTED_ACCESS_MAX;
    const szmic = segmented && send.szmic === true;
    const payload = new Uint8Array(access.length + (szmic ? 8 : 4));
    payload.set(access);
    // A Low Power node of ours gets it from the queue, once.
    const byQueue = this.#network.friend?.owns(send.dst) === true;
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
    if (this.#network.sequence.left === 0) return this.#refuse("refused.seq-exhausted");
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
   * A peer that lost its power may refuse our next numbers, up to a ceiling of its replay list that we cannot know
   * (§3.8.8). When it does not even acknowledge a segment, it may be that, so numbers are skipped now and then.
   */
  #skipNumbers(now: number): void {
    if (now < this.#skipAgainAt) return;
    this.#skipAgainAt = now + SKIP_INTERVAL;
    this.#network.sequence.skip(this.#options.limits.replayAbove);
    this.#counters.add("seq-skipped");
  }

  #refuse(reason: string): false {
    this.#counters.add(reason);
    return false;
  }

  #start(message: OutgoingMessage): boolean {
    const seq = this.#network.sequence.take();
    if (seq === undefined) return false;
    message.seq = seq;
    message.ivIndex = this.#network.ivIndex;
    this.#upper.encrypt(message);
    return true;
  }

  #sendSegment(message: OutgoingMessage, seq: number, transport: Uint8Array): SendResult {
    const { friend } = this.#network;
    if (friend?.listensFor(message.dst) === true) {
      friend.store({ ...message, seq, transport });
      if (friend.owns(message.dst)) return "sent";
    }
    const { credentials, ivIndex, ctl, ttl, src, dst } = message;
    return this.#network.send(credentials, ivIndex, ctl, ttl, seq, src, dst, transport)
      ? "sent"
      : "queue-full";
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
    const seq = this.#network.sequence.take();
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
    this.#network.send(credentials, this.#network.ivIndex, true, hops, seq, from, src, pdu);
  }
}
