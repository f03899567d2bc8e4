/** What the parts of a long run hold, day by day. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Field } from "./field.js";

/** Of one moment; counts, and bytes where the name says so. */
export type Weights = Readonly<Record<string, number>>;

let collect: (() => void) | undefined;

/** Frees what nobody holds any more, so that the heap says what is held. */
function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  collect();
}

/** The JavaScript heap after a collection, and every table of the parts that could grow. */
export function weigh(field: Field): Weights {
  collectGarbage();
  const { peers, remembered, unanswered } = field.cloud.endpoint.tables;
  const nodes = [...field.nodes.values()];
  const gateways = [...field.gateways.values()];
  return {
    "JavaScript heap, KiB": Math.round(process.memoryUsage().heapUsed / 1024),
    "timers waiting": field.clock.pending,
    "nodes: readings in outboxes": sum(nodes, ({ role }) => role.outbox.length),
    "nodes: mesh messages under way": sum(nodes, ({ role }) => role.stack.sending + role.stack.receiving),
    "nodes: bytes in flash": sum(nodes, ({ device }) => bytesIn(field, device.name)),
    "gateways: datagrams in queues": sum(gateways, ({ role }) => role.uplink.queue.length),
    "gateways: exchanges in hops": sum(gateways, ({ role }) => role.hop.size),
    "gateways: mesh messages under way": sum(
      gateways,
      ({ role }) => role.stack.sending + role.stack.receiving,
    ),
    "gateways: reasons counted": sum(gateways, ({ role }) => role.drops().size),
    "gateways: bytes in flash": sum(gateways, ({ device }) => bytesIn(field, device.name)),
    "modems: sockets open": field.internet.sockets,
    "server: CoAP peers": peers,
    "server: messages remembered": remembered,
    "server: requests unanswered": unanswered,
    "server: devices": field.cloud.registry.size,
  };
}

function bytesIn(field: Field, name: string): number {
  const store = field.stores.get(name);
  return store === undefined
    ? 0
    : store.keys().reduce((bytes, key) => bytes + (store.get(key)?.length ?? 0), 0);
}

function sum<T>(parts: readonly T[], measure: (part: T) => number): number {
  return parts.reduce((total, part) => total + measure(part), 0);
}

/** How something went on from day to day. */
export interface Course {
  readonly name: string;
  readonly first: number;
  readonly last: number;
  readonly most: number;
  /** By least squares, a day, over what came after the first fifth of the days: until then everything fills up. */
  readonly slope: number;
  /** What the slope comes to over those days, as a share of their mean. */
  readonly growth: number;
}

export function coursesOf(days: readonly Weights[]): Course[] {
  const settled = days.slice(Math.floor(days.length / 5));
  return Object.keys(days[0] ?? {}).map((name) => {
    const values = settled.map((weights) => weights[name]);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const middle = (values.length - 1) / 2;
    const [over, under] = values.reduce(
      ([a, b], value, i) => [a + (i - middle) * (value - mean), b + (i - middle) ** 2],
      [0, 0],
    );
    const slope = under === 0 ? 0 : over / under;
    return {
      name,
      first: values[0],
      last: values[values.length - 1],
      most: Math.max(...days.map((weights) => weights[name])),
      slope,
      growth: mean === 0 ? 0 : (slope * (values.length - 1)) / mean,
    };
  });
}

const BARS = "▁▂▃▄▅▆▇█";

/** A line of bars from zero to the largest value. */
export function sparkline(values: readonly number[]): string {
  const most = Math.max(...values);
  if (most <= 0) return BARS[0].repeat(values.length);
  return values.map((value) => BARS[Math.round((value / most) * (BARS.length - 1))]).join("");
}
