/**
 * How fast simulated time goes on one core: the clock alone, the air alone, and networks of real mesh stacks on it.
 * Processor time depends on the machine; everything else is the same at every run.
 */

import { Air } from "../../sim/air/air.js";
import { logDistance } from "../../sim/air/propagation.js";
import { VirtualClock } from "../../sim/clock.js";
import { Random } from "../../sim/random.js";
import { measureGrowth, PLANS } from "../../sim/study/growth.js";
import { type BenchRow, repeat, rowOf } from "./measure.js";

export type { BenchRow } from "./measure.js";

/** Runs `work` and says how many ms of a core it took: what the wall says on an idle machine. */
function cpuTime(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Events that schedule their successors and, as time-outs do, are often cancelled before they come. */
function runClock(): number {
  const clock = new VirtualClock();
  const random = new Random(1);
  let cancel = () => {};
  const tick = () => {
    cancel();
    cancel = clock.at(clock.now() + 5000, () => {});
    clock.post(clock.now() + 1000 * random.next(), tick);
  };
  for (let i = 0; i < 1000; i++) tick();
  const cpu = cpuTime(() => clock.run(1_000_000));
  return clock.executed / cpu / 1000;
}

/** Radios at an even density of one in 100 m², each with a frame of 31 bytes three times every 10 s. */
function runAir(radios: number): number {
  const clock = new VirtualClock();
  const random = new Random(2);
  const air = new Air({ clock, random: 3, propagation: logDistance(), loss: 0.1 });
  const side = Math.sqrt(radios * 100);
  const frame = random.bytes(31);
  frame[0] = 30;
  for (let i = 0; i < radios; i++) {
    const radio = air.attach({ position: { x: random.between(0, side), y: random.between(0, side) } });
    const send = () => {
      radio.send(frame, 3, 20);
      clock.post(clock.now() + random.exponential(10_000), send);
    };
    clock.post(random.between(0, 10_000), send);
  }
  const seconds = 20;
  return (1000 * seconds) / cpuTime(() => clock.run(1000 * seconds));
}

/** A network with a gateway for every 100 nodes, a reading from each node every ten minutes, answered; see docs/GROWTH.md. */
function runMesh(nodes: number, seconds: number): number {
  const shortest = 1000 * seconds;
  const growth = measureGrowth({ nodes, plan: PLANS[0], seed: 1, interval: 600_000, readings: 1, shortest });
  return (1000 * growth.seconds) / growth.cpu;
}

/** The suite. */
export async function runSimBench(scale = 1): Promise<BenchRow[]> {
  const times = scale === 1 ? 5 : 1;
  const realTime = "× real time";
  const rows = [
    rowOf(
      "clock",
      "million events/s",
      await repeat(times, runClock),
      "1,000 periodic events, each with a time-out set and cancelled",
    ),
  ];
  for (const radios of [200, 1000]) {
    const speed = await repeat(times, () => runAir(radios));
    rows.push(
      rowOf(`air, ${radios} radios`, realTime, speed, "a frame from each every 3.3 s, on three channels"),
    );
  }
  for (const [nodes, seconds] of [
    [50, 60],
    [200, 30],
    [1000, 5],
  ]) {
    const speed = await repeat(times, () => runMesh(nodes, scale === 1 ? seconds : 1));
    rows.push(
      rowOf(`mesh, ${nodes} nodes`, realTime, speed, "a reading every 10 min, answered; of one core"),
    );
  }
  return rows;
}

export default runSimBench;
