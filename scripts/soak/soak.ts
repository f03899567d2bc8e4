import type { Balance } from "../../sim/soak/ledger.js";
import { type AbsentStore, absentStore } from "./absent-store.js";
import { add, Faults, sorted } from "./faults.js";
import { Field, type FieldOptions } from "./field.js";
import { type Course, coursesOf, type Weights, weigh } from "./memory.js";

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
  /** Each gateway hears its share of the nodes, and some of its neighbour's; else everybody hears everybody. */
  readonly cells: boolean;
  /** Nodes run on batteries: they listen only while an answer is to come. */
  readonly battery: boolean;
  /** Seconds between two reports of a gateway about itself. */
  readonly health: number;
  /** Hours between two power cuts of a node; 0: none. */
  readonly nodeCutEvery: number;
  /** Hours between two times that the server's process is killed and starts again; 0: never. */
  readonly restartEvery: number;
  /** Hours between two absences of the database, of an hour each; 0: never. */
  readonly awayEvery: number;
  /** Hours between two times that the server's clock is set wrong, for some hours; 0: never. */
  readonly stepEvery: number;
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
  cells: false,
  battery: false,
  health: 300,
  nodeCutEvery: 0,
  restartEvery: 0,
  awayEvery: 0,
  stepEvery: 0,
};

/** `npm run soak -- --full`: a small town for a quarter of a year, and everything that can go wrong. */
export const FULL_SOAK: SoakOptions = {
  ...SOAK_DEFAULTS,
  days: 90,
  nodes: 200,
  gateways: 10,
  interval: 3600,
  resetEvery: 24,
  cutEvery: 120,
  meshLoss: 0.01,
  cells: true,
  battery: true,
  health: 3600,
  nodeCutEvery: 30 * 24,
  restartEvery: 5 * 24,
  awayEvery: 15 * 24,
  stepEvery: 9 * 24,
};

/** Every kind of fault in half a day, for each commit: battery nodes and cells, whatever is killed. */
export const SHORT_SOAK: SoakOptions = {
  ...SOAK_DEFAULTS,
  days: 0.5,
  nodes: 9,
  gateways: 3,
  interval: 1200,
  outage: 0.1,
  cutEvery: 3,
  meshLoss: 0.02,
  cells: true,
  battery: true,
  health: 3600,
  nodeCutEvery: 4,
  restartEvery: 2,
  awayEvery: 5,
  stepEvery: 6,
};

export interface SoakResult {
  readonly options: SoakOptions;
  /** Virtual ones that have passed: fewer than asked for when somebody had enough. */
  readonly days: number;
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
  /** Of gateways. */
  readonly cuts: number;
  readonly nodeCuts: number;
  readonly restarts: number;
  readonly absences: number;
  readonly steps: number;
  /** What every part held at the end of each day, after a garbage collection. */
  readonly weights: readonly Weights[];
  readonly courses: readonly Course[];
  /** Everything that gateways counted as dropped or wrong, summed over all their lives. */
  readonly drops: Readonly<Record<string, number>>;
  /** Everything that nodes counted, summed. */
  readonly nodes: Readonly<Record<string, number>>;
  /** Security events that the server showed, by reason. */
  readonly security: Readonly<Record<string, number>>;
  readonly cellular: Readonly<Record<string, number>>;
  /** Real ones. */
  readonly seconds: number;
  /** Seconds that this process has computed. */
  readonly processor: number;
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

const DAY = 86_400_000;
/** What is still under way at the end is given so long. */
const PATIENCE = DAY;
/** Shorter runs say nothing about growth. */
const DAYS_OF_COURSES = 10;
/** The heap may be larger by this at the end than after the first fifth of the days: sampling is not exact. */
const GROWTH = 0.05;

/**
 * Runs nodes, gateways, modems and the real server for days of virtual time with everything going wrong that the
 * options say, and follows each reading from its sensor into the store.
 * @param isEnough asked after each day; true ends the run there, and the result says how many days it had
 */
export async function soak(
  options: SoakOptions,
  onDay: (progress: SoakProgress) => void = () => {},
  isEnough: () => boolean = () => false,
): Promise<SoakResult> {
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  const used = cpuSeconds();
  const security = new Map<string, number>();
  let database: AbsentStore | undefined;
  const field = await new Field({
    ...fieldOptions(options),
    remember: false,
    onEvent: ({ kind, reason }) => {
      if (kind === "security") add(security, reason, 1);
    },
    wrapStore: (store) => {
      database = absentStore(store);
      return database.store;
    },
  }).start();
  const faults = new Faults(field, options, database!);
  const weights: Weights[] = [];
  for (let day = 0; day < options.days; day++) {
    const end = Math.min(day + 1, options.days) * DAY;
    for (const { at, happen } of faults.ofServer(end)) {
      field.run((at - field.clock.now()) / 1000);
      await happen();
    }
    field.run((end - field.clock.now()) / 1000);
    await field.cloud.housekeep().catch(() => false);
    weights.push(weigh(field));
    onDay({
      day: day + 1,
      measured: field.ledger.size,
      open: field.ledger.open,
      queued: sum([...field.gateways.values()].map(({ role }) => role.uplink.queue.length)),
      seconds: seconds(),
    });
    // A turn for the signals.
    await new Promise(setImmediate);
    if (isEnough()) break;
  }
  faults.end();
  field.stopMeasuring();
  const ended = field.clock.now();
  while (!field.settled && field.clock.now() < ended + PATIENCE) field.run(60);
  const balance = await field.balance();
  const { settled } = field;
  const courses = weights.length < DAYS_OF_COURSES ? [] : coursesOf(weights);
  const result: SoakResult = {
    options,
    days: Math.min(options.days, weights.length),
    balance,
    settled,
    passed:
      settled &&
      balance.doubled.length === 0 &&
      balance.unknown.length === 0 &&
      balance.missing.length === 0 &&
      (courses[0]?.growth ?? 0) < GROWTH,
    settledAfter: (field.clock.now() - ended) / 1000,
    outages: faults.outages.length,
    longestOutage: Math.max(0, ...faults.outages.map(({ from, to }) => to - from)),
    resets: faults.resets,
    cuts: faults.cuts,
    nodeCuts: faults.nodeCuts,
    restarts: faults.restarts,
    absences: faults.absences,
    steps: faults.steps,
    weights,
    courses,
    ...accounts(field, faults),
    security: sorted(security),
    seconds: seconds(),
    processor: cpuSeconds() - used,
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
    cells: options.cells,
    listens: options.battery ? "answers" : "always",
    gateway: { healthInterval: options.health * 1000 },
    spread: options.interval,
  };
}

function accounts(field: Field, faults: Faults): Pick<SoakResult, "drops" | "nodes" | "cellular"> {
  for (const name of field.gateways.keys()) faults.account(name);
  for (const name of field.nodes.keys()) faults.accountNode(name);
  return {
    drops: sorted(faults.drops),
    nodes: sorted(faults.nodes),
    cellular: Object.fromEntries(faults.cellular),
  };
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
