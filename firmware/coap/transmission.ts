/** Transmission parameters and the times that follow from them (RFC 7252 §4.8). Milliseconds, where a name says nothing else. */

export interface TransmissionParameters {
  /** ACK_TIMEOUT: the first wait for an acknowledgement, before the random factor */
  readonly ackTimeout: number;
  /** ACK_RANDOM_FACTOR, at least 1 */
  readonly ackRandomFactor: number;
  /** MAX_RETRANSMIT: copies of a confirmable message behind the first */
  readonly maxRetransmit: number;
  /** NSTART: outstanding interactions with one endpoint */
  readonly nstart: number;
  /** PROBING_RATE: bytes per second, on average, to an endpoint that does not answer; Infinity for no limit */
  readonly probingRate: number;
  /** MAX_LATENCY: the longest way of a datagram */
  readonly maxLatency: number;
  /** PROCESSING_DELAY: the longest turn-around of a confirmable message at the peer */
  readonly processingDelay: number;
  /** DEFAULT_LEISURE: answers to multicast requests are spread over it (§8.2) */
  readonly leisure: number;
}

/** RFC 7252 table 2, and the assumptions of §4.8.2. */
export const DEFAULT_TRANSMISSION: TransmissionParameters = {
  ackTimeout: 2000,
  ackRandomFactor: 1.5,
  maxRetransmit: 4,
  nstart: 1,
  probingRate: 1,
  maxLatency: 100_000,
  processingDelay: 2000,
  leisure: 5000,
};

/** MAX_TRANSMIT_SPAN: from the first to the last copy of a confirmable message. */
export function maxTransmitSpan(p: TransmissionParameters): number {
  return p.ackTimeout * (2 ** p.maxRetransmit - 1) * p.ackRandomFactor;
}

/** MAX_TRANSMIT_WAIT: from the first copy of a confirmable message to giving up. */
export function maxTransmitWait(p: TransmissionParameters): number {
  return p.ackTimeout * (2 ** (p.maxRetransmit + 1) - 1) * p.ackRandomFactor;
}

/**
 * EXCHANGE_LIFETIME: how long a confirmable message's ID may not be used again. With long waits (a mesh) the last one
 * may exceed MAX_LATENCY, and the simplification of §4.8.2 no longer covers MAX_TRANSMIT_WAIT.
 */
export function exchangeLifetime(p: TransmissionParameters): number {
  return Math.max(maxTransmitSpan(p) + 2 * p.maxLatency + p.processingDelay, maxTransmitWait(p));
}

/** NON_LIFETIME: how long a non-confirmable message's ID may not be used again. */
export function nonLifetime(p: TransmissionParameters): number {
  return maxTransmitSpan(p) + p.maxLatency;
}
