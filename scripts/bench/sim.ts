/**
 * How fast simulated time goes: the clock alone, the air alone, and networks of real mesh stacks on it. Wall time
 * depends on the machine; everything else is the same at every run.
 */

import { hostCrypto } from "#hal/crypto.js";
import { MemoryStore } from "#hal/storage.js";
import { OPCODE_COAP_STATUS } from "../../firmware/mesh/numbers.js";
import { MeshStack } from "../../firmware/mesh/stack.js";
import { Pump } from "../../firmware/roles/pump.js";
import { Air } from "../../sim/air/air.js";
import { logDistance } from "../../sim/air/propagation.js";
import { VirtualClock } from "../../sim/clock.js";
import { Random } from "../../sim/random.js";

/** One measured value. */
export interface BenchRow {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What was measured, for a person. */
  readonly note: string;
}

const NET_KEY = new Uint8Array(16).fill(0x11);
const APP_KEY = new Uint8Array(16).fill(0x22);
const GATEWAY = 1;
/** Bytes of a protected reading as a CoAP message (DESIGN §5). */
const READING = 28;

/** Runs `work` and says how many wall milliseconds it took. */
function wallTime(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

/** Events that schedule their successors and, as time-outs do, are often cancelled before they come. */
function benchClock(): BenchRow {
  const clock = new VirtualClock();
  const random = new Random(1);
  let cancel = () => {};
  const tick = () => {
    cancel();
    cancel = clock.at(clock.now() + 5000, () => {});
    clock.post(clock.now() + 1000 * random.next(), tick);
  };
  for (let i = 0; i < 1000; i++) tick();
  const wall = wallTime(() => clock.run(1_000_000));
  return {
    name: "clock",
    value: clock.executed / wall / 1000,
    unit: "million events/s",
    note: "1,000 periodic events, each with a time-out set and cancelled",
  };
}

/** Radios at an even density of one in 100 m², each with a frame of 31 bytes three times every 10 s. */
function benchAir(radios: number): BenchRow {
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
  const wall = wallTime(() => clock.run(1000 * seconds));
  return {
    name: `air, ${radios} radios`,
    value: (1000 * seconds) / wall,
    unit: "× real time",
    note: `one event every ${(10 / 3).toFixed(1)} s each, ${air.counters.received} receptions`,
  };
}

/**
 * A network of real stacks in a square with a gateway in the middle, one in ten a relay, all others with a reading of
 * 28 bytes (three segments, acknowledged) every `interval` ms.
 */
function benchMesh(nodes: number, interval: number): BenchRow {
  const clock = new VirtualClock();
  const random = new Random(4);
  const air = new Air({ clock, random: 5, propagation: logDistance(), loss: 0.1 });
  const side = Math.sqrt(nodes * 100);
  let delivered = 0;
  let sent = 0;
  for (let i = 0; i < nodes; i++) {
    const isGateway = i === 0;
    const isRelay = i % 10 === 0;
    const position = isGateway
      ? { x: side / 2, y: side / 2 }
      : { x: random.between(0, side), y: random.between(0, side) };
    const radio = air.attach({ position });
    const own = random.fork(i);
    const stack = new MeshStack({
      crypto: hostCrypto,
      storage: new MemoryStore(),
      random: () => own.next(),
      now: () => clock.now(),
      transmit: (data, count, interval) => radio.send(data, count, interval),
      config: {
        unicastAddress: GATEWAY + i,
        netKeys: [{ index: 0, key: NET_KEY }],
        appKeys: [{ index: 0, key: APP_KEY }],
        ivIndex: 0,
        defaultTtl: 7,
        relay: isRelay,
        limits: { replayEntries: nodes, rxSessions: 32 },
      },
    });
    const pump = new Pump(clock, stack);
    stack.onWake = () => pump.settle();
    radio.onReceive = (data, _address, rssi) => {
      stack.receive(data, rssi, clock.now());
      pump.settle();
    };
    if (isGateway) stack.onMessage = () => delivered++;
    if (isRelay) continue;
    const report = () => {
      sent++;
      stack.send(GATEWAY, OPCODE_COAP_STATUS, own.bytes(READING));
      clock.post(clock.now() + interval, report);
    };
    clock.post(own.between(0, interval), report);
  }
  const seconds = 30;
  const wall = wallTime(() => clock.run(1000 * seconds));
  return {
    name: `mesh, ${nodes} nodes, a reading every ${interval / 60_000} min`,
    value: (1000 * seconds) / wall,
    unit: "× real time",
    note: `${Math.round((nodes * 1000 * seconds) / wall)} nodes × virtual s per wall s; ${delivered} of ${sent} readings delivered`,
  };
}

/** The suite. */
export function runSimBench(): BenchRow[] {
  return [
    benchClock(),
    benchAir(200),
    benchAir(1000),
    benchMesh(50, 60_000),
    benchMesh(200, 60_000),
    benchMesh(1000, 600_000),
  ];
}

export default runSimBench;
