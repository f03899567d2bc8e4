import type { NodeState } from "./node-state.js";

/** Times of the transport layers in milliseconds, with what Mesh Profile 1.0.1 §3.5.3 asks for at least. */
export interface MeshTiming {
  /** Between two segments of a message. Default: what the bearer needs to send one. */
  readonly segmentInterval: number;
  /** Without acknowledgment segments are sent again after this (§3.5.3.3: ≥ 200) … */
  readonly retransmitBase: number;
  /** … plus this per hop that the TTL allows (≥ 50). */
  readonly retransmitPerHop: number;
  /** Rounds of sending in a row that bring no new acknowledgment before a message to a unicast address fails. */
  readonly retransmitRounds: number;
  /** Rounds in which the segments of a message to a group are sent (§3.5.3.3: ≥ 2), and the pause between them. */
  readonly groupRounds: number;
  readonly groupPause: number;
  /** A receiver acknowledges this long after the last segment should have come (§3.5.3.4: ≥ 150) … */
  readonly acknowledgeBase: number;
  /** … plus this per hop of the TTL (≥ 50). */
  readonly acknowledgePerHop: number;
  /** An unfinished message is given up after this without a new segment (§3.5.3.4: ≥ 10,000). */
  readonly incomplete: number;
  /** Pause before a finished message is acknowledged again, so that one answer serves a burst of repeated segments. */
  readonly acknowledgeAgain: number;
  /** When the bearer's queue was full. */
  readonly queueRetry: number;
}

/** The specification's least times; docs/MESH-DELIVERY.md has what longer ones bring. */
export const DEFAULT_TIMING: MeshTiming = {
  segmentInterval: 75,
  retransmitBase: 200,
  retransmitPerHop: 50,
  retransmitRounds: 6,
  groupRounds: 3,
  groupPause: 100,
  acknowledgeBase: 150,
  acknowledgePerHop: 50,
  incomplete: 10_000,
  acknowledgeAgain: 30,
  queueRetry: 20,
};

/** The defaults with what a configuration says otherwise, and an interval of segments that follows the bearer's. */
export function timingOf(configured: Partial<MeshTiming> | undefined, state: NodeState): MeshTiming {
  return {
    ...DEFAULT_TIMING,
    ...configured,
    get segmentInterval() {
      if (configured?.segmentInterval !== undefined) return configured.segmentInterval;
      // One PDU occupies the bearer for all its transmissions; the controller adds up to 10 ms to each.
      const { count, intervalMs } = state.networkTransmit;
      return count * (intervalMs + 5);
    },
  };
}

/** How much a node remembers. Memory of the lists is taken once, at the start. */
export interface MeshLimits {
  /** Sources in the replay protection list; messages of further ones are refused. */
  readonly replayEntries: number;
  /** Most numbers of a busy source that are refused after a power cut, to spare the flash (see ReplayList). */
  readonly replayAbove: number;
  /** Numbers of our own that one write reserves. */
  readonly seqBlock: number;
  /** PDUs in the network message cache. */
  readonly messageCache: number;
  /** Segmented messages received at the same time, at most two of them from one source. */
  readonly rxSessions: number;
  /** Messages that wait or are being sent. */
  readonly txSessions: number;
  /** Relayed PDUs between two of their transmissions; of further ones the bearer makes all transmissions in a row. */
  readonly repetitions: number;
}

/** What fits a node with little memory. */
export const DEFAULT_LIMITS: MeshLimits = {
  replayEntries: 64,
  replayAbove: 32,
  seqBlock: 256,
  messageCache: 128,
  rxSessions: 8,
  txSessions: 6,
  repetitions: 32,
};
