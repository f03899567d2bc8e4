/** What a node's day costs: times that an emulated run counts, by the currents of the datasheets. */

/** What a node did in some time, start-up left out. */
export interface Work {
  readonly seconds: number;
  readonly readings: number;
  /** Seconds that the processor ran. */
  readonly cpu: number;
  /** Seconds that the receiver was on. */
  readonly listening: number;
  /** Whether it listens for the network's beacons, which a friend spares it. */
  readonly beacons: boolean;
  /** Advertising events, each on three channels. */
  readonly frames: number;
  readonly flashWords: number;
}

export interface Share {
  readonly name: string;
  /** Seconds a day; NaN where it is on all the time. */
  readonly seconds: number;
  readonly milliamperes: number;
  /** mAh a day. */
  readonly charge: number;
}

const DAY = 86_400;

/**
 * nRF52840 Product Specification 1.8, "Electrical specification" of §5.2 (current consumption), 3 V, DC/DC on, typical:
 * System ON with 256 KB RAM and the RTC on LFXO; CPU from flash with cache, HFXO (includes the clock); radio at 1 Mbit/s.
 */
export const NRF52840 = { sleep: 0.00316, cpu: 3.3, receive: 4.6, transmit: 4.8 } as const;
/** Nordic's figures for the crystal: HFXO runs while the radio does. */
const HFXO = 0.25;
/** SHT3x-DIS datasheet 7, tables 3 and 4: measuring 0.6 mA for 12.5 ms (high repeatability), idle 0.2 µA. */
export const SHT3X = { measuring: 0.6, seconds: 0.0125, idle: 0.0002 } as const;

/**
 * An ADV_NONCONN_IND of 31 bytes takes 376 µs on each of three channels at 1 Mbit/s, and the radio 140 µs to start
 * (Bluetooth Core Specification Vol 6 Part B §2.1; nRF52840 PS §6.20).
 */
const FRAME = 3 * (376e-6 + 140e-6);
/** WakeWindow: the network's beacons are listened for this long, four times a day; a short run does not see it. */
const BEACONS = 4 * 15;

export const BATTERIES = [
  {
    name: "2 × AA (alkaline)",
    capacity: 2000,
    note: "2,000 mAh down to 1.08 V a cell, where the SHT3x ends",
  },
  {
    name: "CR2477",
    capacity: 1000,
    note: "1,000 mAh; its pulses of 5 to 8 mA want a capacitor of some 100 µF beside it",
  },
] as const;
/** Whatever the node takes, a cell is empty by itself after so long (makers' shelf life). */
export const SHELF_YEARS = 10;

/** @param interval seconds between readings */
export function dayOf(work: Work, interval: number): Share[] {
  const readings = DAY / interval;
  const each = readings / work.readings;
  const share = (name: string, seconds: number, milliamperes: number): Share => ({
    name,
    seconds,
    milliamperes,
    charge: ((Number.isNaN(seconds) ? DAY : seconds) * milliamperes) / 3600,
  });
  return [
    share("sleep: System ON, RAM kept, RTC", Number.NaN, NRF52840.sleep),
    share("processor", work.cpu * each, NRF52840.cpu),
    share("receiver: for answers", work.listening * each, NRF52840.receive + HFXO),
    ...(work.beacons
      ? [share("receiver: for beacons, four times a day", BEACONS, NRF52840.receive + HFXO)]
      : []),
    share("transmitter, 0 dBm", work.frames * each * FRAME, NRF52840.transmit + HFXO),
    share("sensor: SHT3x measuring", readings * SHT3X.seconds, SHT3X.measuring),
    share("sensor: idle", Number.NaN, SHT3X.idle),
  ];
}

export function chargeOf(shares: readonly Share[]): number {
  return shares.reduce((sum, { charge }) => sum + charge, 0);
}

/** @returns years, at most {@link SHELF_YEARS} */
export function yearsOf(capacity: number, charge: number): number {
  return Math.min(SHELF_YEARS, capacity / charge / 365.25);
}

/** nRF52840 PS, NVMC: a page lasts 10,000 erases. The store turns over three pages of 1,024 words. */
const STORE = { pages: 3, erases: 10_000, words: 1024 } as const;

/**
 * How long the key-value store lasts, in years.
 * @param live words that each turn of the log writes again: what is stored
 */
export function storeYears(work: Work, interval: number, live: number): number {
  const words = (work.flashWords / work.readings) * (DAY / interval);
  const erases = words / (STORE.words - live);
  return (STORE.pages * STORE.erases) / erases / 365.25;
}
