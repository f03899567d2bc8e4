import { Random } from "../../sim/random.js";
import { drawOutages, type Outage } from "../../sim/soak/outages.js";
import type { AbsentStore } from "./absent-store.js";
import type { Field } from "./field.js";
import type { SoakOptions } from "./soak.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Whose power was cut gets it back after this. */
const DARK = 60_000;
/** How long the server's clock is wrong, and by how much in turn: a summer time, a bad time server, a slow drift. */
const WRONG_FOR = 5 * HOUR;
const WRONG_BY = [HOUR, -HOUR, 90_000, -90_000];

/** What happens to the server: between two runs of the clock, because a start takes more than one turn. */
export interface ServerFault {
  /** virtual ms */
  readonly at: number;
  happen(): void | Promise<void>;
}

/** What goes wrong, and when. */
export class Faults {
  readonly outages: Outage[] = [];
  resets = 0;
  cuts = 0;
  nodeCuts = 0;
  restarts = 0;
  absences = 0;
  steps = 0;
  /** Of gateways, over all their lives: what they had counted and used. */
  readonly drops = new Map<string, number>();
  readonly cellular = new Map<string, number>();
  /** Of nodes, likewise. */
  readonly nodes = new Map<string, number>();
  readonly #field: Field;
  readonly #database: AbsentStore;
  readonly #dark = new Map<string, boolean>();
  #ofServer: ServerFault[];
  #startsWhenBack = false;
  #ended = false;

  constructor(field: Field, options: SoakOptions, database: AbsentStore) {
    this.#field = field;
    this.#database = database;
    const random = new Random(options.seed).fork("outages");
    const duration = options.days * DAY;
    const gateways = [...field.gateways.keys()];
    for (const [i, name] of gateways.entries()) {
      for (const outage of drawOutages(random.fork(name), duration, options.outage)) {
        this.outages.push(outage);
        this.#at(outage.from, () => this.#setCoverage(name, false));
        this.#at(outage.to, () => this.#setCoverage(name, true));
      }
      const shift = i / gateways.length;
      this.#every(options.resetEvery * HOUR, shift, duration, () => {
        this.resets++;
        field.gateways.get(name)?.modem.fault({ kind: "reset" });
      });
      this.#every(options.cutEvery * HOUR, shift, duration, () => this.#cut(name));
    }
    const nodes = field.devices.filter(({ kind }) => kind === "node").map(({ name }) => name);
    for (const [i, name] of nodes.entries()) {
      this.#every(options.nodeCutEvery * HOUR, i / nodes.length, duration, () => this.#cutNode(name));
    }
    this.#ofServer = this.#planServer(options, duration);
  }

  #planServer(options: SoakOptions, duration: number): ServerFault[] {
    const { restartEvery, awayEvery, stepEvery } = options;
    const field = this.#field;
    const faults: ServerFault[] = [];
    // In another hour than the other faults of the server: each has to be got over alone, too.
    for (const at of moments(restartEvery * HOUR, 0.25, 0, duration)) {
      const happen = () => {
        // It cannot start without its database.
        if (this.#database.away) {
          this.#startsWhenBack = true;
          return;
        }
        this.restarts++;
        return field.server.restart();
      };
      faults.push({ at, happen });
    }
    for (const at of moments(awayEvery * HOUR, 0.5, HOUR, duration)) {
      this.absences++;
      faults.push(
        { at, happen: () => this.#setAway(true) },
        { at: at + HOUR, happen: () => this.#setAway(false) },
      );
    }
    for (const [i, at] of moments(stepEvery * HOUR, 0.7, WRONG_FOR, duration).entries()) {
      this.steps++;
      faults.push({ at, happen: () => field.server.stepWallClock(WRONG_BY[i % WRONG_BY.length]) });
      faults.push({ at: at + WRONG_FOR, happen: () => field.server.stepWallClock(0) });
    }
    return faults.sort((a, b) => a.at - b.at);
  }

  async #setAway(away: boolean): Promise<void> {
    this.#database.away = away;
    if (away || !this.#startsWhenBack) return;
    this.#startsWhenBack = false;
    this.restarts++;
    await this.#field.server.restart();
  }

  /** What happens to the server until then and was not asked for before, in order. */
  ofServer(until: number): ServerFault[] {
    const due = this.#ofServer.filter(({ at }) => at <= until);
    this.#ofServer = this.#ofServer.slice(due.length);
    return due;
  }

  /** Everything is well from now on. */
  end(): void {
    this.#ended = true;
    this.#database.away = false;
    for (const name of this.#dark.keys()) this.#setCoverage(name, true);
    const { devices, gateways, nodes } = this.#field;
    for (const { name, kind } of devices) {
      if (kind !== "relay" && !gateways.has(name) && !nodes.has(name)) this.#field.switchOn(name);
    }
  }

  /** Adds what a gateway has counted and used in this life. */
  account(name: string): void {
    const gateway = this.#field.gateways.get(name);
    if (gateway === undefined) return;
    for (const [reason, count] of gateway.role.drops()) add(this.drops, reason, count);
    for (const [what, count] of Object.entries(gateway.modem.cellular.use)) add(this.cellular, what, count);
  }

  /** Adds what a node has counted in this life. */
  accountNode(name: string): void {
    const node = this.#field.nodes.get(name);
    if (node === undefined) return;
    for (const [reason, count] of node.role.counters.entries()) add(this.nodes, reason, count);
  }

  #setCoverage(name: string, coverage: boolean): void {
    this.#dark.set(name, !coverage);
    this.#field.gateways.get(name)?.modem.cellular.setCoverage(coverage);
  }

  #cut(name: string): void {
    if (!this.#field.gateways.has(name)) return;
    this.cuts++;
    this.account(name);
    this.#field.cutPower(name);
    this.#at(this.#field.clock.now() + DARK, () => {
      this.#field.switchOn(name);
      this.#setCoverage(name, this.#dark.get(name) !== true);
    });
  }

  #cutNode(name: string): void {
    if (!this.#field.nodes.has(name)) return;
    this.nodeCuts++;
    this.accountNode(name);
    this.#field.cutPower(name);
    this.#at(this.#field.clock.now() + DARK, () => this.#field.switchOn(name));
  }

  #at(time: number, happen: () => void): void {
    this.#field.clock.post(time, () => {
      if (!this.#ended) happen();
    });
  }

  /** @param shift share of the period by which it is later for this one than for the first */
  #every(period: number, shift: number, duration: number, happen: () => void): void {
    if (period <= 0) return;
    const next = (time: number) => {
      if (time >= duration) return;
      this.#at(time, () => {
        happen();
        next(time + period);
      });
    };
    next(period * (1 + shift));
  }
}

/** @param lasts what begins then has to end before the run does */
function moments(period: number, first: number, lasts: number, duration: number): number[] {
  const times: number[] = [];
  if (period <= 0) return times;
  for (let time = period * first; time + lasts < duration; time += period) times.push(time);
  return times;
}

export function add(counts: Map<string, number>, name: string, count: number): void {
  counts.set(name, (counts.get(name) ?? 0) + count);
}

export function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1]));
}
