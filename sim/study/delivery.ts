/** One measurement of delivery: a topology, a load, parameters of the stack; what arrived, when, and what it cost. */

import { OPCODE_COAP_STATUS } from "../../firmware/mesh/numbers.js";
import type { MeshConfig } from "../../firmware/mesh/stack.js";
import { Air } from "../air/air.js";
import type { Position } from "../air/interference.js";
import { fixedRange } from "../air/propagation.js";
import { VirtualClock } from "../clock.js";
import { Random } from "../random.js";
import { MeshNode } from "./mesh-node.js";

/** What a parameter set changes; the rest are the stack's defaults. */
export type StudyConfig = Pick<
  MeshConfig,
  "networkTransmit" | "relayRetransmit" | "timing" | "defaultTtl" | "limits"
>;

export interface DeliveryOptions {
  readonly seed: number;
  /** From sender to gateway; 1 is within reach. The relays between stand in a row. */
  readonly hops: number;
  /** Senders at the far end, in reach of one another and of the row's last member. */
  readonly senders: number;
  /** Radios beside each relay that relay as well: several ways for every hop. Default 0. */
  readonly spares?: number;
  /** ms between two messages of a sender, exponentially distributed. */
  readonly interval: number;
  /** Messages in all. */
  readonly messages: number;
  /** Probability that a frame is lost on a link, for every event and receiver. */
  readonly loss: number;
  /** To a group instead of to the gateway's unicast address: without acknowledgments. */
  readonly group?: boolean;
  /** The gateway answers every message with one of the same size, as a server behind it does. */
  readonly answers?: boolean;
  /** Bytes of a message; 20 are a reading. Default 20. */
  readonly size?: number;
  readonly config?: StudyConfig;
}

export interface Delivery {
  readonly sent: number;
  readonly delivered: number;
  /** Of all messages that senders wanted to send, refused ones included. */
  readonly ratio: number;
  /** Messages to a unicast address that the stack reported as acknowledged. */
  readonly acknowledged: number;
  /** Acknowledged without having been delivered, or delivered twice: must be none. */
  readonly wrong: number;
  /** Share of all messages whose answer arrived; where answers were asked for. */
  readonly answered: number;
  /** ms from `send` to the gateway's application, of those delivered. */
  readonly median: number;
  readonly p95: number;
  /** ms of air of all radios together per message, over all three channels. */
  readonly airtime: number;
  /** Events that were refused by a full queue of a bearer, per message. */
  readonly refused: number;
  /** Share of PDUs at receivers on their channel that a collision destroyed. */
  readonly collided: number;
}

const GATEWAY = 0x0001;
const GROUP = 0xc001;
const RELAY = 0x0100;
const SENDER = 0x0200;
/** Metres between neighbours of the row, and how far a radio reaches: the next one, never the one after. */
const SPACING = 40;
const RANGE = 60;
/** Time for the last messages to arrive, ms. */
const TAIL = 30_000;

/** Runs one measurement in virtual time. The same options give the same result. */
export function measureDelivery(options: DeliveryOptions): Delivery {
  const { hops, senders, spares = 0, interval, messages, loss, group = false, size = 20, config } = options;
  const { answers = false } = options;
  const clock = new VirtualClock();
  const random = new Random(options.seed);
  const air = new Air({ clock, random: random.fork("air"), propagation: fixedRange(RANGE), loss });
  const wanted = new Map<number, number>();
  const arrivals = new Map<number, number[]>();
  const acknowledged = new Set<number>();
  const answered = new Set<number>();
  const add = (address: number, position: Position, more: Partial<MeshConfig> = {}) =>
    new MeshNode({
      air,
      address,
      position,
      random: random.fork(`node ${address}`),
      config: { beacon: false, defaultTtl: 7, ...config, ...more },
    });

  const gateway = add(
    GATEWAY,
    { x: 0, y: 0 },
    { subscriptions: [GROUP], limits: { ...config?.limits, rxSessions: 32, replayEntries: 256 } },
  );
  gateway.stack.onMessage = ({ source, parameters }) => {
    if (answers) gateway.stack.send(source, OPCODE_COAP_STATUS, parameters);
    const serial = serialOf(parameters);
    const times = arrivals.get(serial);
    if (times === undefined) arrivals.set(serial, [clock.now()]);
    else times.push(clock.now());
  };
  for (let hop = 1; hop < hops; hop++) {
    for (let spare = 0; spare <= spares; spare++) {
      const position = { x: hop * SPACING, y: 3 * spare };
      add(RELAY + 16 * hop + spare, position, { relay: true });
    }
  }
  for (let i = 0; i < senders; i++) {
    const angle = (2 * Math.PI * i) / senders;
    const position = { x: hops * SPACING + 4 * Math.cos(angle), y: 4 * Math.sin(angle) };
    const node = add(SENDER + i, position);
    const payload = new Uint8Array(size);
    node.stack.onMessage = ({ parameters }) => answered.add(serialOf(parameters));
    const report = () => {
      if (wanted.size >= messages) return;
      const serial = wanted.size;
      wanted.set(serial, clock.now());
      payload.set([serial >> 16, serial >> 8, serial]);
      node.stack.send(group ? GROUP : GATEWAY, OPCODE_COAP_STATUS, payload, {
        done: (outcome) => {
          if (outcome === "acknowledged") acknowledged.add(serial);
        },
      });
      clock.post(clock.now() + node.random.exponential(interval), report);
    };
    clock.post(node.random.exponential(interval), report);
  }
  while (wanted.size < messages) clock.runNext();
  clock.run(clock.now() + TAIL);

  const latencies = [...arrivals].map(([serial, [first]]) => first - wanted.get(serial)!);
  latencies.sort((a, b) => a - b);
  let wrong = 0;
  for (const times of arrivals.values()) if (times.length > 1) wrong++;
  for (const serial of acknowledged) if (!arrivals.has(serial)) wrong++;
  const { counters } = air;
  return {
    sent: wanted.size,
    delivered: arrivals.size,
    ratio: arrivals.size / wanted.size,
    acknowledged: acknowledged.size,
    wrong,
    answered: answered.size / wanted.size,
    median: quantile(latencies, 0.5),
    p95: quantile(latencies, 0.95),
    airtime: counters.airtime / wanted.size,
    refused: counters.refused / wanted.size,
    collided: counters.collided / Math.max(1, counters.collided + counters.received + counters.lost),
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
