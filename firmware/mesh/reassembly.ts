import type { Counters } from "../bytes/counters.js";
import { isUnicast } from "./addresses.js";
import type { NetworkCredentials } from "./keys.js";
import type { NetworkPdu } from "./network.js";
import { ACCESS_SEGMENT, CONTROL_SEGMENT, UPPER_PDU_MAX } from "./numbers.js";
import type { ReplayList } from "./replay.js";
import { lowBits, SEGMENT_HEADER } from "./segmentation.js";
import type { MeshTiming } from "./timing.js";

/** An upper transport PDU that is whole. One object is used again and again: valid during the callback only. */
export interface UpperPdu {
  credentials: NetworkCredentials;
  ivIndex: number;
  ctl: boolean;
  /** TTL of the PDU that completed it. */
  ttl: number;
  /** SEQ, or SeqAuth's lower part of a segmented message. */
  seq: number;
  src: number;
  dst: number;
  /** AKF ‖ AID, or a control message's opcode. */
  header: number;
  szmic: boolean;
  segmented: boolean;
  payload: Uint8Array;
  rssi: number;
  /** Of a segmented message: the SEQ that each segment came with last. */
  segmentSeqs: Uint32Array | undefined;
}

/** Why a segment is not taken. */
export type SegmentReason =
  | "segment-length"
  | "segment-number"
  | "segment-seq"
  | "segment-old"
  | "segment-late"
  | "segment-mismatch"
  | "segment-duplicate"
  | "segment-busy"
  | "replay"
  | "replay-list-full";

/** What a {@link Reassembler} is put between. */
export interface ReassemblerOptions {
  readonly timing: MeshTiming;
  readonly counters: Counters;
  readonly replay: ReplayList;
  /** Messages received at the same time. */
  readonly sessions: number;
  /** A message is whole; valid during the call. */
  readonly complete: (upper: UpperPdu, now: number) => void;
  /** Sends a segment acknowledgment from `dst` to `src`; `blockAck` 0 refuses the message. */
  readonly acknowledge: (
    credentials: NetworkCredentials,
    ttl: number,
    src: number,
    dst: number,
    seqZero: number,
    blockAck: number,
  ) => void;
}

interface Session {
  /** 0 when the place is free. */
  src: number;
  dst: number;
  ivIndex: number;
  seqAuth: number;
  header: number;
  ctl: boolean;
  szmic: boolean;
  segN: number;
  received: number;
  length: number;
  ttl: number;
  credentials: NetworkCredentials | undefined;
  /** Highest SEQ of any of its segments. */
  newestSeq: number;
  acknowledgeAt: number;
  incompleteAt: number;
  readonly bytes: Uint8Array;
  readonly seqs: Uint32Array;
}

/** A message that is over, completed or given up; its late segments must not open it again. */
interface Finished {
  src: number;
  dst: number;
  ivIndex: number;
  seqAuth: number;
  complete: boolean;
  segN: number;
  ttl: number;
  credentials: NetworkCredentials | undefined;
  newestSeq: number;
  acknowledgeAt: number;
}

const PER_SOURCE = 2;
const NEVER = Number.POSITIVE_INFINITY;

/**
 * The receiving half of segmentation and reassembly (Mesh Profile §3.5.3.4).
 *
 * Its memory is a fixed number of sessions, two of them for one source at most, and a ring of messages that are over.
 * A repeated segment of a finished message is acknowledged again only when its SEQ is new: recorded segments, played
 * again, get no answer.
 */
export class Reassembler {
  readonly #options: ReassemblerOptions;
  readonly #sessions: Session[] = [];
  readonly #finished: Finished[] = [];
  #finishedNext = 0;
  readonly #upper: UpperPdu = {
    credentials: undefined as unknown as NetworkCredentials,
    ivIndex: 0,
    ctl: false,
    ttl: 0,
    seq: 0,
    src: 0,
    dst: 0,
    header: 0,
    szmic: false,
    segmented: true,
    payload: new Uint8Array(0),
    rssi: 0,
    segmentSeqs: undefined,
  };
  deadline = NEVER;

  constructor(options: ReassemblerOptions) {
    this.#options = options;
  }

  /** Messages of which some segments are here. */
  get size(): number {
    let size = 0;
    for (const session of this.#sessions) if (session.src !== 0) size++;
    return size;
  }

  /** Takes a segment that is meant for this node. */
  segment(pdu: NetworkPdu, rssi: number, now: number): void {
    const reason = this.#take(pdu, rssi, now);
    if (reason !== undefined) this.#options.counters.add(`drop.${reason}`);
  }

  #take(pdu: NetworkPdu, rssi: number, now: number): SegmentReason | undefined {
    const { transport, src, dst, ivIndex } = pdu;
    const data = transport.length - SEGMENT_HEADER;
    if (data < 1) return "segment-length";
    const header = transport[0] & 0x7f;
    const szmic = transport[1] > 0x7f;
    const seqZero = ((transport[1] & 0x7f) << 6) | (transport[2] >> 2);
    const segO = ((transport[2] & 3) << 3) | (transport[3] >> 5);
    const segN = transport[3] & 0x1f;
    const size = pdu.ctl ? CONTROL_SEGMENT : ACCESS_SEGMENT;
    if (segO > segN) return "segment-number";
    if (segO < segN ? data !== size : data > size) return "segment-length";
    // SeqAuth is the highest number with these 13 bits that is not above SEQ (§3.5.3.1).
    const seqAuth = pdu.seq - ((pdu.seq - seqZero) & 0x1fff);
    if (seqAuth < 0) return "segment-seq";

    let session = this.#find(src, dst);
    if (session !== undefined && !(session.seqAuth === seqAuth && session.ivIndex === ivIndex)) {
      if (ivIndex < session.ivIndex || (ivIndex === session.ivIndex && seqAuth < session.seqAuth)) {
        return "segment-old";
      }
      // §3.5.3.4: the sender has gone on to another message, so this one will never be whole.
      this.#options.counters.add("drop.segment-superseded");
      this.#finish(session, false);
      session = undefined;
    }
    if (session === undefined) {
      if (this.#late(pdu, seqAuth, now)) return "segment-late";
      const opened = this.#open(pdu, seqAuth, seqZero);
      if (typeof opened === "string") return opened;
      session = opened;
      session.header = header;
      session.szmic = szmic;
      session.segN = segN;
    } else if (
      session.header !== header ||
      session.szmic !== szmic ||
      session.segN !== segN ||
      session.ctl !== pdu.ctl
    ) {
      return "segment-mismatch";
    }

    const fresh = pdu.seq > session.newestSeq;
    if (fresh) session.newestSeq = pdu.seq;
    session.ttl = pdu.ttl;
    session.seqs[segO] = pdu.seq;
    const bit = 1 << segO;
    const { timing } = this.#options;
    if ((session.received & bit) !== 0) {
      if (fresh && session.acknowledgeAt === NEVER) this.#scheduleAcknowledgment(session, segN - segO, now);
      this.#settle();
      return "segment-duplicate";
    }
    session.bytes.set(transport.subarray(SEGMENT_HEADER), segO * size);
    session.received |= bit;
    if (segO === segN) session.length = segO * size + data;
    if (session.received !== lowBits(segN + 1)) {
      session.incompleteAt = now + timing.incomplete;
      if (session.acknowledgeAt === NEVER) this.#scheduleAcknowledgment(session, segN - segO, now);
      this.#settle();
      return undefined;
    }
    this.#complete(session, pdu, rssi, now);
    return undefined;
  }

  /** Acknowledges and gives up what is due at `now` (ms). */
  tick(now: number): void {
    for (const session of this.#sessions) {
      if (session.src === 0) continue;
      if (session.incompleteAt <= now) {
        this.#options.counters.add("drop.segment-timeout");
        this.#finish(session, false);
      } else if (session.acknowledgeAt <= now) {
        session.acknowledgeAt = NEVER;
        this.#acknowledge(session, session.received);
      }
    }
    for (const finished of this.#finished) {
      if (finished.acknowledgeAt > now) continue;
      finished.acknowledgeAt = NEVER;
      this.#acknowledge(finished, lowBits(finished.segN + 1));
    }
    this.#settle();
  }

  /** Forgets all messages that are not whole. */
  clear(): void {
    for (const session of this.#sessions) session.src = 0;
    this.#finished.length = 0;
    this.#finishedNext = 0;
    this.deadline = NEVER;
  }

  #complete(session: Session, pdu: NetworkPdu, rssi: number, now: number): void {
    const upper = this.#upper;
    upper.credentials = pdu.credentials;
    upper.ivIndex = session.ivIndex;
    upper.ctl = session.ctl;
    upper.ttl = pdu.ttl;
    upper.seq = session.seqAuth;
    upper.src = session.src;
    upper.dst = session.dst;
    upper.header = session.header;
    upper.szmic = session.szmic;
    upper.payload = session.bytes.subarray(0, session.length);
    upper.rssi = rssi;
    upper.segmentSeqs = session.seqs;
    if (isUnicast(session.dst)) this.#acknowledge(session, session.received);
    this.#finish(session, true);
    this.#settle();
    this.#options.complete(upper, now);
  }

  #find(src: number, dst: number): Session | undefined {
    for (let i = 0; i < this.#sessions.length; i++) {
      const session = this.#sessions[i];
      if (session.src === src && session.dst === dst) return session;
    }
    return undefined;
  }

  /** Whether the segment is of a message that is over, which is answered here if an answer is due. */
  #late(pdu: NetworkPdu, seqAuth: number, now: number): boolean {
    for (let i = 0; i < this.#finished.length; i++) {
      const finished = this.#finished[i];
      if (finished.src !== pdu.src || finished.seqAuth !== seqAuth || finished.dst !== pdu.dst) continue;
      if (finished.ivIndex !== pdu.ivIndex) continue;
      if (finished.complete && isUnicast(finished.dst) && pdu.seq > finished.newestSeq) {
        finished.newestSeq = pdu.seq;
        finished.ttl = pdu.ttl;
        finished.credentials = pdu.credentials;
        if (finished.acknowledgeAt === NEVER) {
          finished.acknowledgeAt = now + this.#options.timing.acknowledgeAgain;
          this.#settle();
        }
      }
      return true;
    }
    return false;
  }

  #open(pdu: NetworkPdu, seqAuth: number, seqZero: number): Session | SegmentReason {
    const verdict = this.#options.replay.check(pdu.src, pdu.ivIndex, seqAuth);
    if (verdict === "replay") return verdict;
    let free: Session | undefined;
    let ofSource = 0;
    for (const session of this.#sessions) {
      if (session.src === 0) free ??= session;
      else if (session.src === pdu.src) ofSource++;
    }
    if (free === undefined && this.#sessions.length < this.#options.sessions) {
      free = this.#newSession();
      this.#sessions.push(free);
    }
    if (verdict === "replay-list-full" || free === undefined || ofSource >= PER_SOURCE) {
      // §3.5.3.4: an acknowledgment without any bit tells the sender to give up.
      if (isUnicast(pdu.dst)) {
        this.#options.acknowledge(pdu.credentials, pdu.ttl, pdu.src, pdu.dst, seqZero, 0);
      }
      return verdict === "new" ? "segment-busy" : verdict;
    }
    free.src = pdu.src;
    free.dst = pdu.dst;
    free.ivIndex = pdu.ivIndex;
    free.seqAuth = seqAuth;
    free.ctl = pdu.ctl;
    free.received = 0;
    free.length = 0;
    free.credentials = pdu.credentials;
    free.newestSeq = -1;
    free.acknowledgeAt = NEVER;
    return free;
  }

  #newSession(): Session {
    return {
      src: 0,
      dst: 0,
      ivIndex: 0,
      seqAuth: 0,
      header: 0,
      ctl: false,
      szmic: false,
      segN: 0,
      received: 0,
      length: 0,
      ttl: 0,
      credentials: undefined,
      newestSeq: -1,
      acknowledgeAt: NEVER,
      incompleteAt: NEVER,
      bytes: new Uint8Array(UPPER_PDU_MAX),
      seqs: new Uint32Array(32),
    };
  }

  /** At least 150 ms and 50 per hop (§3.5.3.4), counted from when the segments that are to follow should be here. */
  #scheduleAcknowledgment(session: Session, following: number, now: number): void {
    if (!isUnicast(session.dst)) return;
    const { timing } = this.#options;
    session.acknowledgeAt =
      now +
      timing.acknowledgeBase +
      timing.acknowledgePerHop * session.ttl +
      timing.segmentInterval * following;
  }

  #acknowledge(message: Session | Finished, blockAck: number): void {
    this.#options.acknowledge(
      message.credentials!,
      message.ttl,
      message.src,
      message.dst,
      message.seqAuth & 0x1fff,
      blockAck,
    );
  }

  #finish(session: Session, complete: boolean): void {
    const finished: Finished = {
      src: session.src,
      dst: session.dst,
      ivIndex: session.ivIndex,
      seqAuth: session.seqAuth,
      complete,
      segN: session.segN,
      ttl: session.ttl,
      credentials: session.credentials,
      newestSeq: session.newestSeq,
      acknowledgeAt: NEVER,
    };
    this.#finished[this.#finishedNext] = finished;
    this.#finishedNext = (this.#finishedNext + 1) % (4 * this.#options.sessions);
    session.src = 0;
  }

  #settle(): void {
    let deadline = NEVER;
    for (let i = 0; i < this.#sessions.length; i++) {
      const session = this.#sessions[i];
      if (session.src === 0) continue;
      deadline = Math.min(deadline, session.incompleteAt, session.acknowledgeAt);
    }
    for (let i = 0; i < this.#finished.length; i++) {
      deadline = Math.min(deadline, this.#finished[i].acknowledgeAt);
    }
    this.deadline = deadline;
  }
}
