/**
 * What a sensor node reports (DESIGN §5). Integers in small units, because that is what travels: the node measures
 * once and never rounds twice.
 */
export interface Reading {
  /** Seconds between the measurement and the sending of the message that carries it. */
  readonly age: number;
  /** 1/100 °C */
  readonly temperature?: number;
  /** 1/100 % relative humidity */
  readonly humidity?: number;
  /** mV */
  readonly battery?: number;
  /** Only when it was sent before: the message that it first travelled in. */
  readonly firstCarriage?: Carriage;
}

/**
 * Where a reading first travelled. With the node's security context it names the reading for good: a reading whose
 * answer was lost is sent again under a new Partial IV, and the server must not store it twice.
 */
export interface Carriage {
  /** Partial IV of the request. */
  readonly partialIv: number;
  /** Position in that request's array of readings, from 0. */
  readonly index: number;
}

/** How a device is, in its own words, protected like a reading. Gateways send it; the server alone can read it. */
export interface Health {
  /** seconds since the start */
  readonly uptime?: number;
  readonly resetReason?: string;
  /** mV */
  readonly battery?: number;
  /** Reference signal received power of the modem, dBm. */
  readonly rsrp?: number;
  /** Radio access technology, "LTE-M" or "NB-IoT". */
  readonly rat?: string;
  /** State of the modem's driver. */
  readonly modem?: string;
  /** Datagrams that wait for coverage. */
  readonly queue?: number;
  /** What was dropped since the start: reason → count. */
  readonly drops?: ReadonlyMap<string, number>;
  /** Mesh addresses heard lately → hops (1 = directly). */
  readonly heard?: ReadonlyMap<number, number>;
}

/** Everything that a device sends to the server on its own. */
export type Report =
  | { readonly kind: "readings"; readonly readings: readonly Reading[] }
  | { readonly kind: "health"; readonly health: Health };
