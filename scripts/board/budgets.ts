/** DESIGN §6: what an image may take. */

export interface Budget {
  readonly name: string;
  readonly limit: number;
  readonly unit: "KB" | "ms";
}

export interface Measured extends Budget {
  readonly value: number;
}

/** Bytes of the application region that an image may take; what a relay takes is held where it is. */
export const FLASH_LIMIT: Readonly<Record<string, number>> = {
  node: 480 * 1024,
  relay: 370 * 1024,
  gateway: 480 * 1024,
};

/** What the JavaScript heap may have at the peak, garbage left out, by image. */
export const HEAP_LIMIT: Readonly<Record<string, number>> = {
  node: 64 * 1024,
  relay: 64 * 1024,
  gateway: 96 * 1024,
};

/** CPU time of one turn, ms, by the names that the image manifests/bench gives. */
export const TIME_LIMIT: Readonly<Record<string, number>> = {
  "protect a reading": 1.8,
  "publish a reading of 3 segments": 25,
  "relay a network PDU": 5,
};

export function exceeded(measured: readonly Measured[]): Measured[] {
  return measured.filter(({ value, limit }) => value > limit);
}
