import type { AtLine } from "./at/line.js";
import type { Rat } from "./config.js";

/** +CEREG's <stat> (AT manual, +CEREG). */
export const Registration = {
  IDLE: 0,
  HOME: 1,
  SEARCHING: 2,
  DENIED: 3,
  UNKNOWN: 4,
  ROAMING: 5,
} as const;

/** <AcT> of +CEREG and +COPS as a name. */
function ratOf(accessTechnology: number | undefined): Rat | undefined {
  if (accessTechnology === undefined) return undefined;
  if (accessTechnology === 7) return "lte-m";
  if (accessTechnology === 9) return "nb-iot";
  return accessTechnology <= 3 || accessTechnology === 8 ? "gprs" : undefined;
}

/** What the network side looks like, from +CEREG, +CGATT, +COPS and +CESQ. */
export class Network {
  /** <stat> of +CEREG, `undefined` before the first answer. */
  stat: number | undefined;
  /** <n> of +CEREG as it was last read: how a lost setting shows. */
  reporting: number | undefined;
  /** +CGATT */
  attached = false;
  /** +COPS? names an operator: on an R412M the only sign on 2G. */
  operator = false;
  /** dBm, `undefined` when the modem knows none. */
  rsrp: number | undefined;
  rat: Rat | undefined;
  /** Tracking area and cell, in the network's hex. */
  area: string | undefined;
  cell: string | undefined;
  /** When `rsrp` was read. */
  at = 0;

  get registered(): boolean {
    return this.stat === Registration.HOME || this.stat === Registration.ROAMING;
  }

  /** Registered *and* with packet service: +CEREG alone lies in both directions (trap 5). */
  get usable(): boolean {
    return this.attached && (this.registered || this.operator);
  }

  /** After a restart nothing of this holds. */
  forget(): void {
    this.stat = undefined;
    this.reporting = undefined;
    this.attached = false;
    this.operator = false;
    this.rsrp = undefined;
  }

  /**
   * Takes a +CEREG line of either form, the cursor behind the prefix.
   *
   * The URC is `<stat>[,"tac","ci",AcT…]`, the answer to the query `<n>,<stat>[,…]`: they differ in whether a number
   * follows the first one.
   * @returns whether it was the answer to a query
   */
  onCereg(line: AtLine): boolean {
    let first = line.int();
    let query = false;
    if (line.more && !line.quoted) {
      const second = line.int();
      if (second !== undefined) {
        this.reporting = first;
        first = second;
        query = true;
      }
    }
    if (first === undefined) return query;
    this.stat = first;
    if (!line.quoted) return query;
    this.area = line.string();
    // Some R41x firmware has one more quoted field between tac and ci.
    let cell: string | undefined;
    while (line.quoted) cell = line.string();
    this.cell = cell;
    this.rat = ratOf(line.int()) ?? this.rat;
    return query;
  }

  /** +CESQ: the sixth field is RSRP, 0–97 from −141 dBm on (3GPP TS 27.007 §8.69). */
  onCesq(line: AtLine, now: number): void {
    for (let i = 0; i < 5; i++) line.int();
    const rsrp = line.int();
    this.rsrp = rsrp === undefined || rsrp > 97 ? undefined : rsrp - 141;
    this.at = now;
  }

  /** +COPS? → `<mode>[,<format>,"operator"[,<AcT>]]`. Returns the mode. */
  onCops(line: AtLine): number | undefined {
    const mode = line.int();
    line.int();
    this.operator = line.quoted;
    if (line.quoted) {
      line.string();
      this.rat = ratOf(line.int()) ?? this.rat;
    }
    return mode;
  }
}
