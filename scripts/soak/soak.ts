import { Random } from "../../sim/random.js";
import type { Balance } from "../../sim/soak/ledger.js";
import { drawOutages, type Outage } from "../../sim/soak/outages.js";
import { Field, type FieldOptions } from "./field.js";

export interface SoakOptions {
  readonly days: number;
  readonly nodes: number;
  readonly gateways: number;
  /** Blind relays; with any of them there is an {@link air}. */
  readonly relays: number;
  /** The whole simulated air instead of an ideal mesh. */
  readonly air: boolean;
  /** Seconds between the readings of a node. */
  readonly interval: number;
  readonly seed: number;
  /** Share of the time that a gateway is without coverage. */
  readonly outage: number;
  /** Hours between two silent restarts of a modem; 0: none. */
  readonly resetEvery: number;
  /** Probability that a datagram is lost, in each direction. */
  readonly loss: number;
  /** Readings that a node keeps. */
  readonly outbox: number;
  /** Hours between two power cuts of a gateway; 0: none. */
  readonly cutEvery: number;
  /** Probability that a mesh frame is missed. */
  readonly meshLoss: number;
}

export const SOAK_DEFAULTS: SoakOptions = {
  days: 30,
  nodes: 20,
  gateways: 1,
  relays: 0,
  air: false,
  interval: 600,
  seed: 1,
  outage: 0.05,
  resetEvery: 6,
  loss: 0.02,
  outbox: 64,
  cutEvery: 0,
  meshLoss: 0,
};

export interface SoakResult {
  readonly options: SoakOptions;
  readonly balance: Balance;
  /** All accounts agree, and nothing waits any more. */
  readonly passed: boolean;
  /** Whether every node has the server's word for all that it kept. */
  readonly settled: boolean;
  /** Virtual seconds from the last measurement until that was so. */
  readonly settledAfter: number;
  readonly outages: number;
  /** ms */
  readonly longestOutage: number;
  readonly resets: number;
  readonly cuts: number;
  /** Everything that gateways counted as dropped or wrong, summed over all their lives. */
  readonly drops: Readonly<Record<string, number>>;
  /** Everything that nodes counted, summed. */
  readonly nodes: Readonly<Record<string, number>>;
  /** Security events that the server showed, by reason. */
  readonly security: Readonly<Record<string, number>>;
  readonly cellular: Readonly<Record<string, number>>;
  /** Real ones. */
  readonly seconds: number;
}

export interface SoakProgress {
  readonly day: number;
  readonly measured: number;
  /** Neither stored nor counted yet. */
  readonly open: number;
  /** Datagrams in the gateways' queues. */
  readonly queued: number;
  readonly seconds: number;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** What is still under way at the end is given so long. */
const PATIENCE = DAY;
/** A cut gateway gets its power back after this. */
const DARK = 60_000;

/**
 * Runs nodes, gateways, modems and the real server for days of virtual time with everything going wrong that the
 * options say, and follows each reading from its sensor into the store.
 */
export async function soak(
  options: SoakOptions,
  onDay: (progress: SoakProgress) => void = () => {},
): Promise<SoakResult> {
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  const field = await new Field(fieldOptions(options)).start();
  const faults = new Faults(field, options);
  for (let day = 0; day < options.days; day++) {
    field.run(Math.min(1, options.days - day) * 86_400);
    onDay({
      day: day + 1,
      measured: field.ledger.size,
      open: field.ledger.open,
      queued: sum([...field.gateways.values()].map(({ role }) => role.uplink.queue.length)),
      seconds: seconds(),
    });
  }
  faults.end();
  field.stopMeasuring();
  const ended = field.clock.now();
  while (!field.settled && field.clock.now() < ended + PATIENCE) field.run(60);
  const balance = await field.balance();
  const { settled } = field;
  const result: SoakResult = {
    options,
    balance,
    settled,
    passed:
      settled && balance.doubled.length === 0 && balance.unknown.length === 0 && balance.missing.length === 0,
    settledAfter: (field.clock.now() - ended) / 1000,
    outages: faults.outages.length,
    longestOutage: Math.max(0, ...faults.outages.map(({ from, to }) => to - from)),
    resets: faults.resets,
    cuts: faults.cuts,
    ...accounts(field, faults),
    seconds: seconds(),
  };
  await field.cloud.stop();
  return result;
}

function fieldOptions(options: SoakOptions): FieldOptions {
  return {
    seed: options.seed,
    nodes: options.nodes,
    gateways: options.gateways,
    relays: options.relays,
    air: options.air || options.relays > 0,
    settings: { interval: options.interval },
    outbox: options.outbox,
    meshLoss: options.meshLoss,
    modem: { loss: options.loss },
    spread: options.interval,
  };
}

/** What goes wrong, and when. */
class Faults {
  readonly outages: Outage[] = [];
  resets = 0;
  cuts = 0;
  /** Of gateways that lost their power: what they had counted and used. */
  readonly drops = new Map<string, number>();
  readonly cellular = new Map<string, number>();
  readonly #field: Field;
  readonly #dark = new Map<string, boolean>();
  #ended = false;

  constructor(field: Field, options: SoakOptions) {
    this.#field = field;
    const random = new Random(options.seed).fork("outages");
    const duration = options.days * DAY;
    for (const name of field.gateways.keys()) {
      for (const outage of drawOutages(random.fork(name), duration, options.outage)) {
        this.outages.push(outage);
        this.#at(outage.from, () => this.#setCoverage(name, false));
        this.#at(outage.to, () => this.#setCoverage(name, true));
      }
      this.#every(options.resetEvery * HOUR, duration, () => {
        this.resets++;
        field.gateways.get(name)?.modem.fault({ kind: "reset" });
      });
      this.#every(options.cutEvery * HOUR, duration, () => this.#cut(name));
    }
  }

  /** Everything is well from now on. */
  end(): void {
    this.#ended = true;
    for (const name of this.#dark.keys()) this.#setCoverage(name, true);
    for (const { name, kind } of this.#field.devices) {
      if (kind === "gateway" && !this.#field.gateways.has(name)) this.#field.switchOn(name);
    }
  }

  /** Adds what a gateway has counted and used in this life. */
  account(name: string): void {
    const gateway = this.#field.gateways.get(name);
    if (gateway === undefined) return;
    for (const [reason, count] of gateway.role.drops()) add(this.drops, reason, count);
    for (const [what, count] of Object.entries(gateway.modem.cellular.use)) add(this.cellular, what, count);
  }

  #setCoverage(name: string, coverage: boolean): void {
    this.#dark.set(name, !coverage);
    this.#field.gateways.get(name)?.modem.cellular.setCoverage(coverage);
  }

  #cut(name: string): void {
    this.cuts++;
    this.account(name);
    this.#field.cutPower(name);
    this.#at(this.#field.clock.now() + DARK, () => {
      this.#field.switchOn(name);
      this.#setCoverage(name, this.#dark.get(name) !== true);
    });
  }

  #at(time: number, happen: () => void): void {
    this.#field.clock.post(time, () => {
      if (!this.#ended) happen();
    });
  }

  #every(period: number, duration: number, happen: () => void): void {
    if (period <= 0) return;
    for (let time = period; time < duration; time += period) this.#at(time, happen);
  }
}

function accounts(
  field: Field,
  faults: Faults,
): Pick<SoakResult, "drops" | "nodes" | "security" | "cellular"> {
  const nodes = new Map<string, number>();
  const security = new Map<string, number>();
  for (const name of field.gateways.keys()) faults.account(name);
  for (const { role } of field.nodes.values()) {
    for (const [reason, count] of role.counters.entries()) add(nodes, reason, count);
  }
  for (const { kind, reason } of field.events) if (kind === "security") add(security, reason, 1);
  return {
    drops: sorted(faults.drops),
    nodes: sorted(nodes),
    security: sorted(security),
    cellular: Object.fromEntries(faults.cellular),
  };
}

function add(counts: Map<string, number>, name: string, count: number): void {
  counts.set(name, (counts.get(name) ?? 0) + count);
}

function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1]));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
