/** What a friend keeps for one Low Power node (Mesh Profile §3.6.6.4.1). */

import type { Counters } from "../bytes/counters.js";
import { ControlOpcode } from "./numbers.js";

/** PDUs that are kept for each Low Power node. */
export const QUEUE_SIZE = 16;

/** A network PDU that waits for a Low Power node, as its sender made it but for the TTL. */
export interface StoredPdu {
  readonly ivIndex: number;
  readonly ctl: boolean;
  readonly ttl: number;
  readonly seq: number;
  readonly src: number;
  readonly dst: number;
  readonly transport: Uint8Array;
}

/**
 * Keeps a copy of a PDU behind those that wait.
 * @param delivering the first one was sent, and is not known to have come: it stays
 */
export function enqueue(queue: StoredPdu[], pdu: StoredPdu, delivering: boolean, counters: Counters): void {
  const kept = { ...pdu, transport: pdu.transport.slice() };
  // The same segment sent once more under a new SEQ, or a newer acknowledgment of the same message.
  const same = queue.findIndex((other) => repeats(other, kept));
  if (same >= 0) {
    if (!(same === 0 && delivering)) queue[same] = kept;
    return;
  }
  if (queue.length >= QUEUE_SIZE) {
    // The oldest goes.
    queue.splice(delivering ? 1 : 0, 1);
    counters.add("friend.queue-full");
  }
  queue.push(kept);
  counters.add("friend.stored");
}

/** Whether two PDUs are the same segment, or acknowledgments of the same message. */
function repeats(a: StoredPdu, b: StoredPdu): boolean {
  if (a.src !== b.src || a.dst !== b.dst || a.ctl !== b.ctl || a.ivIndex !== b.ivIndex) return false;
  const acknowledgment = a.ctl && a.transport[0] === ControlOpcode.SEGMENT_ACKNOWLEDGMENT;
  if (a.transport[0] < 0x80 && !acknowledgment) return false;
  // Header, SZMIC and SeqZero, SegO and SegN; of an acknowledgment everything before the BlockAck.
  const length = acknowledgment ? 3 : 4;
  for (let i = 0; i < length; i++) if (a.transport[i] !== b.transport[i]) return false;
  return true;
}
