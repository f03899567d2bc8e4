/** How a network grows: the same density, the same readings from each node, more and more nodes; what arrives, and what simulating it costs. */

import { OPCODE_COAP_STATUS } from "../../firmware/mesh/numbers.js";
import type { MeshConfig } from "../../firmware/mesh/stack.js";
import { Air } from "../air/air.js";
import type { Position } from "../air/interference.js";
import { logDistance } from "../air/propagation.js";
import { VirtualClock } from "../clock.js";
import { Random } from "../random.js";
import { MeshNode } from "./mesh-node.js";

/** How gateways are placed. */
export interface Plan {
  readonly name: string;
  /** Nodes for which there is one gateway; `Infinity` for one in the middle of all. */
  readonly nodesPerGateway: number;
  /** Hops that every message may make: what the farthest node of a gateway needs, so that floods end there. */
  readonly ttl: (nodesOfGateway: number) => number;
}

export interface GrowthOptions {
  readonly nodes: number;
  readonly plan: Plan;
  readonly seed: number;
  /** ms between two readings of a node. */
  readonly interval: number;
  /** Readings that are wanted; the run is as long as that takes. */
  readonly readings: number;
  /** ms that it is long at least, default a minute. */
  readonly shortest?: number;
}

export interface Growth {
  readonly nodes: number;
  readonly gateways: number;
  readonly ttl: number;
  /** s of virtual time. */
  readonly seconds: number;
  readonly sent: number;
  readonly delivered: number;
  /** Readings whose answer came back. */
  readonly answered: number;
  /** ms until the gateway's application has it, of those delivered. */
  readonly median: number;
  readonly p95: number;
  /** ms of air of all radios and channels together, for each reading; beacons included. */
  readonly airtime: number;
  /** Share of the time in which a radio hears somebody on a channel, on average: the offered load of its surroundings. */
  readonly channelUse: number;
  /** Share of PDUs at receivers on their channel that a collision destroyed. */
  readonly collided: number;
  /** Radios that can hear one, on average. */
  readonly neighbours: number;
  /** Of the clock, and PDUs taken by a receiver. */
  readonly events: number;
  readonly receptions: number;
  /** ms of a core, without the building of the network: what wall time would be on an idle one. */
  readonly cpu: number;
  /** MiB of the process's heap and buffers at the end. */
  readonly memory: number;
}

/** Square metres for each node: a hall or an office floor with a sensor every ten metres. */
export const AREA = 100;
/** One node in so many relays. */
export const RELAY_EVERY = 10;
/** Metres that a hop makes when flooding, found from the runs: less than the mean reach of 67 m, since relays stand where they stand. */
export const HOP = 45;
/** Bytes of a protected reading as a CoAP message with a Sender ID of two bytes, and of its answer. */
const READING = 23;
const ANSWER = 16;
/** Time for the last messages to arrive, ms; nothing is reported in it. */
const TAIL = 10_000;

/** TTL that takes a message over the half diagonal of the square that `nodes` fill, one hop to spare. */
export function ttlFor(nodes: number): number {
  return Math.max(2, Math.ceil(Math.sqrt((nodes * AREA) / 2) / HOP) + 1);
}

export const PLANS: readonly Plan[] = [
  { name: "a gateway for every 100 nodes", nodesPerGateway: 100, ttl: ttlFor },
  { name: "one gateway", nodesPerGateway: Number.POSITIVE_INFINITY, ttl: ttlFor },
];

/** Runs a network in virtual time. The same options give the same result but for `cpu` and `memory`. */
export function measureGrowth(options: GrowthOptions): Growth {
  const { nodes, plan, seed, interval, readings, shortest = 60_000 } = options;
  const clock = new VirtualClock();
  const random = new Random(seed);
  const air = new Air({ clock, random: random.fork("air"), propagation: logDistance(), loss: 0.1 });
  const side = Math.sqrt(nodes * AREA);
  const columns = Math.max(1, Math.round(Math.sqrt(nodes / plan.nodesPerGateway)));
  const gateways = columns * columns;
  const ttl = plan.ttl(nodes / gateways);
  const duration = Math.max(shortest, (readings / nodes) * interval);

  const sentAt: number[] = [];
  const latency: number[] = [];
  const answered = new Set<number>();
  const add = (address: number, position: Position, more: Partial<MeshConfig>) =>
    new MeshNode({
      air,
      address,
      position,
      random: random.fork(`node ${address}`),
      config: { defaultTtl: ttl, ...more },
    });

  for (let i = 0; i < gateways; i++) {
    const position = {
      x: (((i % columns) + 0.5) * side) / columns,
      y: ((Math.floor(i / columns) + 0.5) * side) / columns,
    };
    const gateway = add(1 + i, position, {
      relay: true,
      limits: { replayEntries: nodes, rxSessions: 32, txSessions: 32, messageCache: 512 },
    });
    gateway.stack.onMessage = ({ source, parameters }) => {
      const serial = serialOf(parameters);
      latency[serial] ??= clock.now() - sentAt[serial];
      gateway.stack.send(source, OPCODE_COAP_STATUS, parameters.slice(0, ANSWER));
    };
  }
  for (let i = 0; i < nodes; i++) {
    const position = { x: random.between(0, side), y: random.between(0, side) };
    const column = Math.floor((position.x / side) * columns);
    const row = Math.floor((position.y / side) * columns);
    const gateway = 1 + row * columns + column;
    const node = add(gateways + 1 + i, position, {
      relay: i % RELAY_EVERY === 0,
      limits: { replayEntries: gateways + 16 },
    });
    node.stack.onMessage = ({ parameters }) => answered.add(serialOf(parameters));
    const payload = new Uint8Array(READING);
    const report = () => {
      const serial = sentAt.length;
      sentAt.push(clock.now());
      payload.set([serial >> 16, serial >> 8, serial]);
      node.stack.send(gateway, OPCODE_COAP_STATUS, payload);
      post(clock.now() + node.random.exponential(interval));
    };
    const post = (time: number) => {
      if (time < duration) clock.post(time, report);
    };
    post(node.random.exponential(interval));
  }

  // Makes the tables of who hears whom, too.
  let links = 0;
  for (const radio of air.radios) links += air.neighbours(radio).length;
  const neighbours = links / (nodes + gateways);

  const before = process.cpuUsage();
  clock.run(duration + TAIL);
  const { user, system } = process.cpuUsage(before);

  const latencies = Object.values(latency).sort((a, b) => a - b);
  const { counters } = air;
  const { heapUsed, external } = process.memoryUsage();
  return {
    nodes,
    gateways,
    ttl,
    seconds: (duration + TAIL) / 1000,
    sent: sentAt.length,
    delivered: latencies.length,
    answered: answered.size,
    median: quantile(latencies, 0.5),
    p95: quantile(latencies, 0.95),
    airtime: counters.airtime / Math.max(1, sentAt.length),
    // Each channel has a third; of all transmissions a radio hears the share of its neighbours.
    channelUse: (counters.airtime / 3 / (duration + TAIL)) * (neighbours / (nodes + gateways)),
    collided: counters.collided / Math.max(1, counters.collided + counters.received + counters.lost),
    neighbours,
    events: clock.executed,
    receptions: counters.received,
    cpu: (user + system) / 1000,
    memory: (heapUsed + external) / 2 ** 20,
  };
}

function serialOf(parameters: Uint8Array): number {
  return (parameters[0] << 16) | (parameters[1] << 8) | parameters[2];
}

/** @returns NaN where nothing arrived */
function quantile(sorted: readonly number[], share: number): number {
  return sorted.length === 0
    ? Number.NaN
    : sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
