import type { NetworkPdu } from "../../firmware/mesh/network.js";
import { SEGMENT_HEADER, writeSegmentHeader } from "../../firmware/mesh/segmentation.js";

/** A network PDU that was heard and decrypted with the NetKey. */
export interface OverheardPdu {
  readonly ivIndex: number;
  readonly ctl: boolean;
  readonly ttl: number;
  readonly seq: number;
  readonly src: number;
  readonly dst: number;
  /** Lower transport PDU. */
  readonly transport: Uint8Array;
  /** The AD structure as it was on the air. */
  readonly raw: Uint8Array;
}

/** A whole access message as the upper transport layer encrypted it: the AppKey would be needed to go on. */
export interface OverheardMessage {
  readonly ivIndex: number;
  readonly ttl: number;
  /** SEQ; SeqAuth of a segmented message. */
  readonly seq: number;
  readonly src: number;
  readonly dst: number;
  readonly segmented: boolean;
  /** AKF ‖ AID. */
  readonly header: number;
  readonly szmic: boolean;
  /** Encrypted access payload and TransMIC. */
  readonly upper: Uint8Array;
}

interface Partial {
  readonly first: OverheardPdu;
  readonly segN: number;
  readonly segments: (Uint8Array | undefined)[];
  missing: number;
}

const SEGMENT = 12;
const KEPT_PDUS = 512;
const KEPT_MESSAGES = 64;

/** What a radio with the NetKey has picked up: PDUs, and messages put together from their segments. */
export class Overheard {
  /** Oldest first. */
  readonly pdus: OverheardPdu[] = [];
  readonly messages: OverheardMessage[] = [];
  /** Highest SEQ heard from each source. */
  readonly newestSeq = new Map<number, number>();
  readonly #partial = new Map<string, Partial>();

  /** @returns the PDU as it is kept */
  add(pdu: NetworkPdu, raw: Uint8Array): OverheardPdu {
    const { ivIndex, ctl, ttl, seq, src, dst } = pdu;
    const kept: OverheardPdu = {
      ivIndex,
      ctl,
      ttl,
      seq,
      src,
      dst,
      transport: new Uint8Array(pdu.transport),
      raw: new Uint8Array(raw),
    };
    push(this.pdus, kept, KEPT_PDUS);
    this.newestSeq.set(src, Math.max(seq, this.newestSeq.get(src) ?? 0));
    if (!ctl) this.#addAccess(kept);
    return kept;
  }

  #addAccess(pdu: OverheardPdu): void {
    const { transport } = pdu;
    if (transport[0] < 0x80) {
      this.#complete(pdu, pdu.seq, false, false, transport.slice(1));
      return;
    }
    if (transport.length <= SEGMENT_HEADER) return;
    const seqZero = ((transport[1] & 0x7f) << 6) | (transport[2] >> 2);
    const segO = ((transport[2] & 3) << 3) | (transport[3] >> 5);
    const segN = transport[3] & 0x1f;
    const seqAuth = pdu.seq - ((pdu.seq - seqZero) & 0x1fff);
    const key = `${pdu.src} ${pdu.dst} ${pdu.ivIndex} ${seqAuth}`;
    let partial = this.#partial.get(key);
    if (partial === undefined) {
      partial = { first: pdu, segN, segments: [], missing: segN + 1 };
      this.#partial.set(key, partial);
      // The oldest one that never became whole goes.
      for (const old of this.#partial.keys()) {
        if (this.#partial.size <= KEPT_MESSAGES) break;
        this.#partial.delete(old);
      }
    }
    if (partial.segN !== segN || segO > segN || partial.segments[segO] !== undefined) return;
    partial.segments[segO] = transport.slice(SEGMENT_HEADER);
    partial.missing--;
    if (partial.missing > 0) return;
    this.#partial.delete(key);
    const upper = Uint8Array.from(partial.segments.flatMap((segment) => [...segment!]));
    this.#complete(partial.first, seqAuth, true, transport[1] > 0x7f, upper);
  }

  #complete(pdu: OverheardPdu, seq: number, segmented: boolean, szmic: boolean, upper: Uint8Array): void {
    const { ivIndex, ttl, src, dst } = pdu;
    const header = pdu.transport[0] & 0x7f;
    push(this.messages, { ivIndex, ttl, seq, src, dst, segmented, header, szmic, upper }, KEPT_MESSAGES);
  }
}

/** The lower transport PDUs of a message; those of a segmented one name `seq` as its beginning. */
export function transportPdus(message: OverheardMessage): Uint8Array[] {
  const { header, szmic, upper, seq } = message;
  if (!message.segmented) return [Uint8Array.of(header, ...upper)];
  const segN = Math.ceil(upper.length / SEGMENT) - 1;
  return Array.from({ length: segN + 1 }, (_, segO) => {
    const data = upper.subarray(segO * SEGMENT, (segO + 1) * SEGMENT);
    const transport = new Uint8Array(SEGMENT_HEADER + data.length);
    writeSegmentHeader(transport, header, szmic, seq & 0x1fff, segO, segN);
    transport.set(data, SEGMENT_HEADER);
    return transport;
  });
}

function push<T>(list: T[], item: T, limit: number): void {
  if (list.length === limit) list.shift();
  list.push(item);
}
