/** The delivery study: parameter sets against hops, loss, load and density. */

import { type Delivery, type DeliveryOptions, measureDelivery, type StudyConfig } from "./delivery.js";

/** What is compared. */
export interface ParameterSet {
  readonly name: string;
  readonly config: StudyConfig;
  readonly group?: boolean;
}

export interface Sweep {
  readonly id: string;
  readonly title: string;
  readonly xTitle: string;
  readonly x: readonly number[];
  readonly sets: readonly ParameterSet[];
  readonly options: (x: number) => Omit<DeliveryOptions, "seed" | "messages" | "config">;
}

export interface SweepResult {
  readonly id: string;
  readonly title: string;
  readonly xTitle: string;
  readonly x: readonly number[];
  /** Answers were asked for: `answered` says something. */
  readonly answers: boolean;
  readonly rows: readonly { readonly name: string; readonly points: readonly Delivery[] }[];
}

const times = (count: number, intervalMs = 20) => ({ count, intervalMs });

/** Written out, so that the study still compares the same things after the stack's defaults have changed. */
const BEFORE: ParameterSet = {
  name: "before: own 3, relay 2 in a row",
  config: { networkTransmit: times(3), relayRetransmit: times(2), limits: { repetitions: 0 } },
};
const CHOSEN: ParameterSet = {
  name: "chosen: own 2, relay 2",
  config: { networkTransmit: times(2), relayRetransmit: times(2) },
};
const TRANSMITS: readonly ParameterSet[] = [
  BEFORE,
  CHOSEN,
  { name: "own 3, relay 2", config: { networkTransmit: times(3), relayRetransmit: times(2) } },
  { name: "own 2, relay 1", config: { networkTransmit: times(2), relayRetransmit: times(1) } },
  { name: "own 2, relay 3", config: { networkTransmit: times(2), relayRetransmit: times(3) } },
  {
    name: "own 2 × 40 ms, relay 2 × 40 ms",
    config: { networkTransmit: times(2, 40), relayRetransmit: times(2, 40) },
  },
];
const chosenWith = (name: string, timing: StudyConfig["timing"]): ParameterSet => ({
  name,
  config: { ...CHOSEN.config, timing: { ...timing } },
});

const LONE = { senders: 1, interval: 5000 };
const LOSSES = [0, 10, 20, 30, 40];

export const SWEEPS: readonly Sweep[] = [
  {
    id: "hops",
    title: "Hops: a reading every 5 s over a row of relays, 10 % loss",
    xTitle: "hops",
    x: [1, 2, 3, 4, 5, 6],
    sets: TRANSMITS,
    options: (hops) => ({ ...LONE, hops, loss: 0.1 }),
  },
  {
    id: "loss",
    title: "Loss: a reading every 5 s over four hops",
    xTitle: "% of frames lost on each link",
    x: LOSSES,
    sets: TRANSMITS,
    options: (loss) => ({ ...LONE, hops: 4, loss: loss / 100 }),
  },
  {
    id: "load",
    title: "Load: five senders, four hops, 10 % loss, every reading is answered",
    xTitle: "readings a second, all together",
    x: [0.25, 0.5, 1, 2, 4],
    sets: TRANSMITS,
    options: (load) => ({ senders: 5, interval: 5000 / load, hops: 4, loss: 0.1, answers: true }),
  },
  {
    id: "density",
    title:
      "Density: nodes in range with a reading every 20 s, two hops over three relays, 10 % loss, answered",
    xTitle: "senders in range of one another",
    x: [5, 10, 20, 40, 80],
    sets: TRANSMITS,
    options: (senders) => ({ senders, interval: 20_000, hops: 2, spares: 2, loss: 0.1, answers: true }),
  },
  {
    id: "acknowledgment",
    title: "Segments acknowledged (unicast) or repeated in rounds (group): four hops, a reading every 5 s",
    xTitle: "% of frames lost on each link",
    x: LOSSES,
    sets: [
      { ...CHOSEN, name: "unicast, acknowledged" },
      { ...CHOSEN, name: "group, 3 rounds (chosen)", group: true },
      { ...chosenWith("group, 2 rounds", { groupRounds: 2 }), group: true },
      { ...chosenWith("group, 4 rounds", { groupRounds: 4 }), group: true },
    ],
    options: (loss) => ({ ...LONE, hops: 4, loss: loss / 100 }),
  },
  {
    id: "sar",
    title: "SAR timing: five senders, four hops, 20 % loss, every reading is answered",
    xTitle: "readings a second, all together",
    x: [0.25, 0.5, 1, 2],
    sets: [
      { ...CHOSEN, name: "200 + 50 ms a hop, segments every 50 ms (chosen)" },
      chosenWith("400 + 50 ms a hop", { retransmitBase: 400 }),
      chosenWith("1000 + 50 ms a hop", { retransmitBase: 1000 }),
      chosenWith("segments every 25 ms", { segmentInterval: 25 }),
      chosenWith("segments every 100 ms", { segmentInterval: 100 }),
      chosenWith("acknowledged again after 300 ms", { acknowledgeAgain: 300 }),
    ],
    options: (load) => ({ senders: 5, interval: 5000 / load, hops: 4, loss: 0.2, answers: true }),
  },
];

/** Runs one sweep; `progress` is called before every point. */
export function runSweep(
  sweep: Sweep,
  messages: number,
  seed: number,
  progress: (set: string, x: number) => void = () => {},
): SweepResult {
  const { id, title, xTitle, x, sets, options } = sweep;
  let answers = false;
  const rows = sets.map(({ name, config, group = false }) => ({
    name,
    points: x.map((value) => {
      progress(name, value);
      const chosen = options(value);
      answers = chosen.answers ?? false;
      return measureDelivery({ ...chosen, seed, messages, config, group });
    }),
  }));
  return { id, title, xTitle, x, answers, rows };
}
