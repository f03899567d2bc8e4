/**
 * A long time in the life of a large network: frames are lost, power fails anywhere, an attacker plays recordings, the
 * IV Index moves on and all keys change; every message is followed from its sender to the gateway.
 */

import { type DayOptions, DayWorld, HOUR, MINUTE, NEW_NET_KEY } from "./day-world.js";

export { DAY_DEFAULTS, type DayOptions } from "./day-world.js";

export interface DayResult extends DayOptions {
  readonly wallSeconds: number;
  /** Messages that sensors wanted to bring to the gateway, and how many arrived. */
  readonly messages: number;
  readonly arrived: number;
  /** Attempts: a message is sent again until its acknowledgment is there. */
  readonly attempts: number;
  /** Attempts that the stack reported as acknowledged; how many of them did not arrive; arrived more than once. */
  readonly acknowledged: number;
  readonly acknowledgedNotArrived: number;
  readonly attemptsTwice: number;
  /** Own PDUs of all nodes, and numbers that were used twice. */
  readonly pdus: number;
  readonly sequenceReused: number;
  /** Times that a node had a lower IV Index than before. */
  readonly ivBack: number;
  readonly powerCuts: number;
  readonly cutsInWrites: number;
  /** Recorded frames that were sent again. */
  readonly replayed: number;
  /** Nodes that ended with the new IV Index and the new keys only, of all. */
  readonly renewed: number;
  readonly medianLatency: number;
  readonly p95Latency: number;
  /** Writes to storage per node and day. */
  readonly writesPerDay: number;
  /** ms of air per message, all radios and channels. */
  readonly airtimePerMessage: number;
  readonly passed: boolean;
}

export interface DayProgress {
  readonly hour: number;
  readonly messages: number;
  readonly arrived: number;
  readonly waiting: number;
  readonly powerCuts: number;
  readonly phase: string;
}

/** Runs it in virtual time; `progress` is called every virtual hour, or more often in a short one. */
export function runDay(options: DayOptions, progress: (progress: DayProgress) => void = () => {}): DayResult {
  const started = performance.now();
  const day = new DayWorld(options);
  day.plan();
  const end = options.hours * HOUR;
  const step = Math.min(HOUR, end / 4);
  for (let time = step; time <= end + 1; time += step) {
    day.clock.run(time);
    const { messages, arrivals, waiting, powerCuts, phase } = day;
    progress({ hour: time / HOUR, messages, arrived: arrivals.size, waiting, powerCuts, phase });
  }
  return resultOf(day, (performance.now() - started) / 1000);
}

function resultOf(day: DayWorld, wallSeconds: number): DayResult {
  const { options, nodes, latencies, attemptsHeard, clock } = day;
  latencies.sort((a, b) => a - b);
  // Those of the last minutes are still on their way.
  let young = 0;
  for (const waiting of day.outbox.values()) {
    for (const { serial, since } of waiting) {
      if (!day.arrivals.has(serial) && since > clock.now() - 2 * MINUTE) young++;
    }
  }
  let twice = 0;
  for (const count of attemptsHeard.values()) if (count > 1) twice++;
  const missing = day.acknowledged.filter((attempt) => !attemptsHeard.has(attempt)).length;
  const renewed = nodes.filter(({ stack }) => {
    const subnet = stack.keys.subnet(0);
    return (
      stack.iv.current === 1 &&
      !stack.iv.updating &&
      subnet?.phase === 0 &&
      subnet.current.key.every((byte) => byte === NEW_NET_KEY[0])
    );
  }).length;
  const messages = day.messages - young;
  const writes = nodes.reduce((sum, node) => sum + node.writes, 0);
  const faults = missing + twice + day.watch.reused + day.ivBack;
  return {
    ...options,
    wallSeconds,
    messages,
    arrived: day.arrivals.size,
    attempts: day.attempts,
    acknowledged: day.acknowledged.length,
    acknowledgedNotArrived: missing,
    attemptsTwice: twice,
    pdus: day.watch.pdus,
    sequenceReused: day.watch.reused,
    ivBack: day.ivBack,
    powerCuts: day.powerCuts,
    cutsInWrites: day.cutsInWrites,
    replayed: day.replayed,
    renewed,
    medianLatency: latencies[latencies.length >> 1] ?? Number.NaN,
    p95Latency: latencies[Math.floor(latencies.length * 0.95)] ?? Number.NaN,
    writesPerDay: (writes / nodes.length / options.hours) * 24,
    airtimePerMessage: day.air.counters.airtime / Math.max(1, day.messages),
    passed: faults === 0 && renewed === nodes.length && day.arrivals.size >= 0.999 * messages,
  };
}
