import type { MeshSendOutcome } from "../../hal/hal.js";
import type { AppKeyMaterial, NetworkCredentials } from "./keys.js";
import { ACCESS_SEGMENT, CONTROL_SEGMENT } from "./numbers.js";
import type { MeshTiming } from "./timing.js";
import { Views } from "./views.js";

/** SEG, SZMIC, SeqZero, SegO, SegN (Mesh Profile §3.5.2.3). */
export const SEGMENT_HEADER = 4;

/** A message on its way out. What `start` fills in is only settled when its turn has come. */
export interface OutgoingMessage {
  readonly src: number;
  readonly dst: number;
  readonly ttl: number;
  readonly ctl: boolean;
  readonly segmented: boolean;
  /** AKF ‖ AID, or a control message's opcode: the first octet without its SEG bit. */
  readonly header: number;
  /** 8-byte TransMIC. */
  readonly szmic: boolean;
  /** Told once what became of the message. */
  readonly done: ((outcome: MeshSendOutcome) => void) | undefined;
  /** A segmented message ends when its receiver has acknowledged all of it, else after its rounds. */
  readonly acknowledged: boolean;
  /** Rounds without acknowledgment; default: those of a group. */
  readonly rounds?: number | undefined;
  /** What the access payload is encrypted with; `undefined` for control messages. */
  readonly key: AppKeyMaterial | undefined;
  /** The Label UUID when `dst` is virtual, empty otherwise. */
  readonly label: Uint8Array;
  /** Upper transport PDU: encrypted in place by `start`. */
  readonly payload: Uint8Array;
  credentials: NetworkCredentials;
  ivIndex: number;
  /** SEQ of the first PDU, and thus SeqAuth's lower part. */
  seq: number;
}

/** What the network layer said to a PDU. */
export type SendResult = "sent" | "queue-full" | "seq-exhausted";

/** What a {@link SegmentSender} is put between. */
export interface SegmentSenderOptions {
  readonly timing: MeshTiming;
  readonly capacity: number;
  /** [0, 1) */
  readonly random: () => number;
  /** Gives the message its SEQ and IV Index and encrypts it; false when there are no numbers left. */
  readonly start: (message: OutgoingMessage) => boolean;
  /** The next SEQ, for the segments after the first. */
  readonly takeSeq: () => number | undefined;
  /** Sends one lower transport PDU. */
  readonly send: (message: OutgoingMessage, seq: number, transport: Uint8Array) => SendResult;
  /** A message has failed without a single acknowledgment. */
  readonly unheard: (now: number) => void;
}

type Phase = "queued" | "sending" | "waiting";

interface Session {
  readonly message: OutgoingMessage;
  readonly segments: number;
  phase: Phase;
  /** When the next segment or the next round is due. */
  at: number;
  /** Bits of the segments that the peer has (§3.5.2.3.1 BlockAck). */
  acknowledged: number;
  /** The next segment to send in this round. */
  cursor: number;
  /** A number that was taken for a segment which the bearer had no room for. */
  heldSeq: number;
  roundsLeft: number;
  /** Nothing of it has been sent yet. */
  fresh: boolean;
}

/** The lowest `count` bits, 1 to 32, as the signed word that JavaScript's operators give. */
export function lowBits(count: number): number {
  return (0xffffffff >>> (32 - count)) | 0;
}

/**
 * The sending half of segmentation and reassembly (Mesh Profile §3.5.3.3).
 *
 * One message per destination is under way at a time, further ones wait: their receivers could tell the segments
 * apart, but would take a later message's higher numbers as the end of the earlier one (§3.8.8). Unsegmented messages
 * wait for the same reason.
 */
export class SegmentSender {
  readonly #options: SegmentSenderOptions;
  readonly #sessions: Session[] = [];
  readonly #transport = new Views(new Uint8Array(SEGMENT_HEADER + ACCESS_SEGMENT));
  deadline = Number.POSITIVE_INFINITY;

  constructor(options: SegmentSenderOptions) {
    this.#options = options;
  }

  /** Messages that wait or are being sent. */
  get size(): number {
    return this.#sessions.length;
  }

  get full(): boolean {
    return this.#sessions.length >= this.#options.capacity;
  }

  /** Whether segmented messages are under way, for which the IV Index must stay (§3.10.5). */
  get busy(): boolean {
    return this.#sessions.some((session) => session.phase !== "queued" && session.message.segmented);
  }

  /** Whether a message to this destination has to wait for its turn. */
  blocks(dst: number): boolean {
    for (let i = 0; i < this.#sessions.length; i++) if (this.#sessions[i].message.dst === dst) return true;
    return false;
  }

  /** Takes a message; the caller has looked at {@link full}. Its first PDU leaves at the next `tick`. */
  add(message: OutgoingMessage, now: number): void {
    const size = message.ctl ? CONTROL_SEGMENT : ACCESS_SEGMENT;
    const session: Session = {
      message,
      segments: message.segmented ? Math.ceil(message.payload.length / size) : 1,
      phase: "queued",
      at: Number.POSITIVE_INFINITY,
      acknowledged: 0,
      cursor: 0,
      heldSeq: -1,
      roundsLeft: 0,
      fresh: true,
    };
    const wait = this.blocks(message.dst);
    this.#sessions.push(session);
    if (!wait) this.#begin(session, now);
    this.#settle();
  }

  /**
   * A segment acknowledgment has come (§3.5.2.3.1).
   * @param src who sent it
   * @param dst to which of our elements
   * @param onBehalf OBO: a Friend speaks for the destination
   * @returns false when no message is under way that it could mean
   */
  acknowledge(
    src: number,
    dst: number,
    onBehalf: boolean,
    seqZero: number,
    blockAck: number,
    now: number,
  ): boolean {
    for (let i = 0; i < this.#sessions.length; i++) {
      const session = this.#sessions[i];
      const { message } = session;
      if (session.phase === "queued" || !message.segmented || message.src !== dst) continue;
      if ((message.seq & 0x1fff) !== seqZero || (!onBehalf && message.dst !== src)) continue;
      if (!message.acknowledged) continue;
      // §3.5.3.3: no bit at all means that the peer cannot take the message.
      if (blockAck === 0) {
        this.#end(session, "busy", now);
        return true;
      }
      const all = lowBits(session.segments);
      const before = session.acknowledged;
      session.acknowledged |= blockAck & all;
      if (session.acknowledged === all) {
        this.#end(session, "acknowledged", now);
        return true;
      }
      if (session.acknowledged !== before) {
        session.roundsLeft = this.#options.timing.retransmitRounds;
        // §3.5.3.3: the missing ones are sent at once. In the middle of a round they are about to be anyhow.
        if (session.phase === "waiting") this.#round(session, now);
        this.#settle();
      }
      return true;
    }
    return false;
  }

  /** Gives up all messages, e.g. because the node is being reset. */
  cancelAll(): void {
    const sessions = this.#sessions.splice(0);
    this.#settle();
    for (const session of sessions) session.message.done?.("cancelled");
  }

  /** Sends, repeats and gives up the segments that are due at `now` (ms). */
  tick(now: number): void {
    for (let i = 0; i < this.#sessions.length; i++) {
      const session = this.#sessions[i];
      if (session.at > now) continue;
      if (session.phase === "waiting") {
        if (session.roundsLeft > 0) this.#round(session, now);
        else {
          const { acknowledged } = session.message;
          if (acknowledged && session.acknowledged === 0) this.#options.unheard(now);
          this.#end(session, acknowledged ? "timed-out" : "sent", now);
          // `done` may have added or ended others, so the list is looked at from its start again.
          i = -1;
          continue;
        }
      }
      if (session.phase === "sending" && this.#sendNext(session, now)) i = -1;
    }
    this.#settle();
  }

  #begin(session: Session, now: number): void {
    const { timing } = this.#options;
    session.phase = "sending";
    session.at = now;
    const { acknowledged, rounds = timing.groupRounds } = session.message;
    session.roundsLeft = (acknowledged ? timing.retransmitRounds : rounds) - 1;
  }

  #round(session: Session, now: number): void {
    session.phase = "sending";
    session.cursor = 0;
    session.roundsLeft--;
    session.at = now;
  }

  /** Sends one PDU of a session. @returns true when the session has ended */
  #sendNext(session: Session, now: number): boolean {
    const { message } = session;
    if (session.fresh) {
      if (!this.#options.start(message)) return this.#end(session, "cancelled", now);
      session.fresh = false;
      session.heldSeq = message.seq;
    }
    while (session.cursor < session.segments && (session.acknowledged >>> session.cursor) & 1)
      session.cursor++;
    if (session.cursor < session.segments) {
      const seq = session.heldSeq >= 0 ? session.heldSeq : this.#options.takeSeq();
      // Beyond 8192 numbers SeqZero would name another SeqAuth (§3.5.3.1).
      if (seq === undefined || seq - message.seq > 0x1fff) return this.#end(session, "cancelled", now);
      const result = this.#options.send(message, seq, this.#pdu(session));
      if (result === "seq-exhausted") return this.#end(session, "cancelled", now);
      if (result === "queue-full") {
        session.heldSeq = seq;
        session.at = now + this.#options.timing.queueRetry;
        return false;
      }
      session.heldSeq = -1;
      session.cursor++;
    }
    if (!message.segmented) return this.#end(session, "sent", now);
    let next = session.cursor;
    while (next < session.segments && (session.acknowledged >>> next) & 1) next++;
    const { timing } = this.#options;
    if (next < session.segments) {
      session.at = now + timing.segmentInterval;
    } else {
      session.phase = "waiting";
      if (!message.acknowledged && session.roundsLeft === 0) return this.#end(session, "sent", now);
      // A little randomness keeps nodes that started together from staying together.
      session.at =
        now +
        timing.segmentInterval +
        (message.acknowledged
          ? timing.retransmitBase + timing.retransmitPerHop * message.ttl
          : timing.groupPause) +
        this.#options.random() * 50;
    }
    return false;
  }

  #pdu(session: Session): Uint8Array {
    const { message } = session;
    const { bytes } = this.#transport;
    if (!message.segmented) {
      bytes[0] = message.header;
      bytes.set(message.payload, 1);
      return this.#transport.view(1 + message.payload.length);
    }
    const size = message.ctl ? CONTROL_SEGMENT : ACCESS_SEGMENT;
    const from = session.cursor * size;
    const length = Math.min(size, message.payload.length - from);
    writeSegmentHeader(
      bytes,
      message.header,
      message.szmic,
      message.seq & 0x1fff,
      session.cursor,
      session.segments - 1,
    );
    bytes.set(message.payload.subarray(from, from + length), SEGMENT_HEADER);
    return this.#transport.view(SEGMENT_HEADER + length);
  }

  #end(session: Session, outcome: MeshSendOutcome, now: number): true {
    this.#sessions.splice(this.#sessions.indexOf(session), 1);
    for (let i = 0; i < this.#sessions.length; i++) {
      const next = this.#sessions[i];
      if (next.message.dst !== session.message.dst) continue;
      if (next.phase === "queued") this.#begin(next, now);
      break;
    }
    this.#settle();
    session.message.done?.(outcome);
    return true;
  }

  #settle(): void {
    let deadline = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#sessions.length; i++) {
      if (this.#sessions[i].at < deadline) deadline = this.#sessions[i].at;
    }
    this.deadline = deadline;
  }
}

/** Octets 0–3 of a segment (§3.5.2.3): header with SEG ‖ SZMIC ‖ SeqZero ‖ SegO ‖ SegN. */
export function writeSegmentHeader(
  bytes: Uint8Array,
  header: number,
  szmic: boolean,
  seqZero: number,
  segO: number,
  segN: number,
): void {
  bytes[0] = 0x80 | header;
  bytes[1] = (szmic ? 0x80 : 0) | (seqZero >> 6);
  bytes[2] = (seqZero << 2) | (segO >> 3);
  bytes[3] = (segO << 5) | segN;
}
