/**
 * What a PDU costs in the mesh stack: to relay, to receive, to drop, to send. Wall time depends on the machine, the
 * bytes of garbage per PDU do not.
 */

import { GCProfiler } from "node:v8";
import { hostCrypto } from "#hal/crypto.js";
import { MemoryStore } from "#hal/storage.js";
import { sealSecureNetworkBeacon } from "../../firmware/mesh/beacon.js";
import { OPCODE_COAP_STATUS } from "../../firmware/mesh/numbers.js";
import { type MeshConfig, MeshStack } from "../../firmware/mesh/stack.js";
import { type BenchRow, type Measured, rowOf, summarise } from "./measure.js";

const NET_KEY = new Uint8Array(16).fill(0x11);
const APP_KEY = new Uint8Array(16).fill(0x22);
const PDUS = 40_000;
/** A reading as DESIGN §5 has it: 20 bytes of CoAP, which are three segments with opcode and TransMIC. */
const READING = new Uint8Array(20).fill(0x5a);

function makeStack(
  address: number,
  config: Partial<MeshConfig>,
  transmit: (frame: Uint8Array) => void = () => {},
  clock = { now: 0 },
): MeshStack {
  return new MeshStack({
    crypto: hostCrypto,
    storage: new MemoryStore(),
    random: () => 0,
    now: () => clock.now,
    transmit: (frame) => {
      transmit(frame);
      return true;
    },
    config: {
      unicastAddress: address,
      netKeys: [{ index: 0, key: NET_KEY }],
      appKeys: [{ index: 0, key: APP_KEY }],
      ivIndex: 1,
      beacon: false,
      ...config,
    },
  });
}

/** PDUs as a node sends them: unsegmented, or the segments of readings to a group. */
function record(segmented: boolean): Uint8Array[] {
  const frames: Uint8Array[] = [];
  const clock = { now: 0 };
  const stack = makeStack(
    1,
    { timing: { groupRounds: 1, segmentInterval: 0 } },
    (frame) => frames.push(frame.slice()),
    clock,
  );
  while (frames.length < PDUS) {
    stack.send(segmented ? 0xc001 : 0x0002, OPCODE_COAP_STATUS, segmented ? READING : READING.subarray(0, 8));
    while (stack.sending > 0) stack.tick(clock.now);
  }
  return frames;
}

/** Of each repetition; the first is warm-up. */
interface Cost {
  readonly microseconds: Measured;
  /** Bytes of garbage per call, the least: a collection in the middle would make it less than nothing. */
  readonly heap: number;
  /** The collector's share of the time. */
  readonly collecting: number;
}

/** A new stack for each repetition, since it remembers what it has seen. */
function measure(rounds: number, calls: number, prepare: () => (i: number) => void): Cost {
  const times: number[] = [];
  let heap = Number.POSITIVE_INFINITY;
  let collected = 0;
  let total = 0;
  for (let round = -1; round < rounds; round++) {
    const work = prepare();
    globalThis.gc?.();
    const profiler = new GCProfiler();
    profiler.start();
    const before = process.memoryUsage().heapUsed;
    const start = performance.now();
    for (let i = 0; i < calls; i++) work(i);
    const elapsed = performance.now() - start;
    const statistics = profiler.stop()?.statistics ?? [];
    if (round < 0) continue;
    times.push((elapsed * 1000) / calls);
    total += elapsed;
    for (const { cost } of statistics) collected += cost / 1000;
    const grown = process.memoryUsage().heapUsed - before;
    if (grown > 0) heap = Math.min(heap, grown / calls);
  }
  return { microseconds: summarise(times), heap, collecting: collected / total };
}

function row(name: string, { microseconds, heap, collecting }: Cost, note: string): BenchRow {
  const share = `${(100 * collecting).toFixed(1)} % of the time for garbage`;
  const garbage = Number.isFinite(heap) ? `${Math.round(heap)} B of heap each, ${share}` : share;
  return rowOf(name, "µs", microseconds, `${note}; ${garbage}`);
}

/** The suite. */
export function runMeshBench(scale = 1): BenchRow[] {
  const rounds = Math.max(2, Math.round(15 * scale));
  const unsegmented = record(false);
  const segments = record(true);
  const rows: BenchRow[] = [];

  rows.push(
    row(
      "relay a network PDU",
      measure(rounds, PDUS, () => {
        const stack = makeStack(9, { appKeys: [], relay: true });
        return (i) => stack.receive(segments[i], -60, 0);
      }),
      "decrypt, decide, encrypt again; goal ≤ 12 µs",
    ),
    row(
      "drop a duplicate",
      measure(rounds, PDUS, () => {
        const stack = makeStack(9, { appKeys: [], relay: true });
        stack.receive(segments[0], -60, 0);
        return () => stack.receive(segments[0], -60, 0);
      }),
      "deobfuscate and find in the message cache",
    ),
    row(
      "drop a PDU of another network",
      measure(rounds, PDUS, () => {
        const stack = makeStack(9, { netKeys: [{ index: 0, key: APP_KEY }], appKeys: [] });
        return (i) => stack.receive(segments[i], -60, 0);
      }),
      "no key with its NID",
    ),
    row(
      "receive an unsegmented message",
      measure(rounds, PDUS, () => {
        const stack = makeStack(2, {});
        return (i) => stack.receive(unsegmented[i], -60, i * 100);
      }),
      "all layers up to the application",
    ),
    row(
      "receive a segment",
      measure(rounds, PDUS, () => {
        const stack = makeStack(2, { subscriptions: [0xc001] });
        return (i) => stack.receive(segments[i], -60, i * 100);
      }),
      "every third one completes a reading",
    ),
    row(
      "send an unsegmented message",
      measure(rounds, PDUS, () => {
        const stack = makeStack(1, {});
        return () => stack.send(2, OPCODE_COAP_STATUS, READING.subarray(0, 8));
      }),
      "all layers down to the bearer",
    ),
    row(
      "send a reading",
      measure(rounds, PDUS / 4, () => {
        const stack = makeStack(1, { timing: { groupRounds: 1, segmentInterval: 0 } });
        return () => {
          stack.send(0xc001, OPCODE_COAP_STATUS, READING);
          while (stack.sending > 0) stack.tick(0);
        };
      }),
      "20 bytes of CoAP in three segments, once",
    ),
    row(
      "hear a beacon again",
      measure(rounds, PDUS, () => {
        const stack = makeStack(9, {});
        const beacon = sealSecureNetworkBeacon(hostCrypto, stack.keys.subnet(0)!.current, {
          keyRefresh: false,
          ivUpdate: false,
          ivIndex: 1,
        });
        return () => stack.receive(beacon, -60, 0);
      }),
      "a secure network beacon without news",
    ),
  );
  return rows;
}

export default runMeshBench;
