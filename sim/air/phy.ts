/** Facts of Bluetooth LE's legacy advertising on the 1 Mbit/s PHY that the simulated air is built from. */

/** The advertising channels in the order in which an advertising event uses them (Core 5.3, vol 6 part B §4.4.2.1). */
export const ADVERTISING_CHANNELS = [37, 38, 39] as const;
export const FIRST_CHANNEL = ADVERTISING_CHANNELS[0];

/** Longest advertising data of a legacy PDU, bytes. */
export const MAXIMUM_ADVERTISING_DATA = 31;

/** ADV_NONCONN_IND: what a mesh advertising bearer sends (Core vol 6 part B §2.3). */
export const ADV_NONCONN_IND = 2;

/**
 * Milliseconds on the air of one legacy advertising PDU with `length` bytes of data: preamble 1, access address 4,
 * header 2, advertiser's address 6, data, CRC 3, at 8 µs each (Core vol 6 part B §2.1).
 */
export function airtime(length: number): number {
  return (16 + length) * 0.008;
}

/** Preamble and access address, ms: a receiver that has taken them in stays with that packet to its end. */
export const SYNC_TIME = 0.04;

/** The largest random delay before an advertising event, ms (advDelay, Core vol 6 part B §4.4.2.2.1). */
export const MAXIMUM_ADVERTISING_DELAY = 10;

/** The shortest advertising interval that controllers take, ms (Core vol 6 part B §4.4.2.2.1; S140 too). */
export const MINIMUM_ADVERTISING_INTERVAL = 20;
