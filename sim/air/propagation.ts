/** How a signal loses power between two antennas. */
export interface Propagation {
  /**
   * Decibels that a link loses.
   * @param distance metres
   * @param link 32 random bits of this pair of radios, the same in both directions and at every call
   */
  loss(distance: number, link: number): number;
  /** The distance in metres beyond which no link loses less than `loss` decibels. */
  reach(loss: number): number;
  /** Standard deviation in dB of what changes from packet to packet. */
  readonly fading: number;
}

export interface LogDistanceOptions {
  /** Path loss at one metre, dB. Default 40.2: free space at 2.44 GHz. */
  readonly atOneMetre?: number;
  /** Path loss exponent. Default 3, an office with light walls; 2 is free space. */
  readonly exponent?: number;
  /** Standard deviation of the shadowing of a link, dB, normally distributed. Default 4. */
  readonly shadowing?: number;
  /** Standard deviation of the fading from packet to packet, dB. Default 1.5. */
  readonly fading?: number;
}

/** Shadowing beyond this many standard deviations is cut off, so that a reach exists. */
const SHADOWING_LIMIT = 3;

/** A standard normal value of 32 random bits: the sum of its four bytes has nearly that form, and definite ends. */
function normalOf(bits: number): number {
  const sum = (bits & 255) + ((bits >>> 8) & 255) + ((bits >>> 16) & 255) + (bits >>> 24);
  // four uniform bytes: mean 510, variance 4 · (256² − 1) / 12
  return (sum - 510) / 147.8;
}

/** Log-distance path loss with log-normal shadowing per link: the usual model indoors. */
export function logDistance(options: LogDistanceOptions = {}): Propagation {
  const { atOneMetre = 40.2, exponent = 3, shadowing = 4, fading = 1.5 } = options;
  const limit = SHADOWING_LIMIT * shadowing;
  return {
    fading,
    loss(distance, link) {
      const shadow = Math.max(-limit, Math.min(limit, shadowing * normalOf(link)));
      return atOneMetre + 10 * exponent * Math.log10(Math.max(distance, 1)) + shadow;
    },
    reach: (loss) => 10 ** ((loss + limit - atOneMetre) / (10 * exponent)),
  };
}

/** Every link up to `range` metres is there, none beyond: for scenarios that want a topology, not radio planning. */
export function fixedRange(range: number): Propagation {
  if (!(range > 0)) throw new RangeError(`range must be above 0 m, not ${range}`);
  return {
    fading: 0,
    // Still a slope, so that RSSI and capture have something to go by; above any sensitivity up to the edge.
    loss: (distance) => (distance <= range ? 45 + (30 * distance) / range : Number.POSITIVE_INFINITY),
    reach: () => range,
  };
}
