import type { DayResult } from "./day.js";

/** The result of a day as a Markdown table. */
export function describeDay(result: DayResult): string {
  const { nodes, hours, interval, loss, cutEvery, seed } = result;
  const rows: [string, string | number][] = [
    [
      "Network",
      `${nodes} nodes, ${hours} h, a message every ${interval} s, ${100 * loss} % loss, a power cut every ${cutEvery} s, seed ${seed}`,
    ],
    [
      "Messages that arrived",
      `${result.arrived} of ${result.messages} (${share(result.arrived, result.messages)})`,
    ],
    ["Attempts, and those acknowledged", `${result.attempts}, ${result.acknowledged}`],
    ["Acknowledged without having arrived", result.acknowledgedNotArrived],
    ["Attempts accepted twice", result.attemptsTwice],
    ["PDUs, and sequence numbers used twice", `${result.pdus}, ${result.sequenceReused}`],
    ["IV Index gone back", result.ivBack],
    ["Power cuts, and those in the middle of a write", `${result.powerCuts}, ${result.cutsInWrites}`],
    ["Recordings played again", result.replayed],
    ["Nodes with the new IV Index and keys at the end", `${result.renewed} of ${nodes}`],
    [
      "Latency, median and 95 %, repetitions included",
      `${milliseconds(result.medianLatency)}, ${milliseconds(result.p95Latency)}`,
    ],
    ["Air time per message, all radios, beacons and keys included", milliseconds(result.airtimePerMessage)],
    ["Writes to storage per node and day", Math.round(result.writesPerDay)],
    ["Wall time", `${result.wallSeconds.toFixed(0)} s`],
    ["Passed", result.passed ? "yes" : "NO"],
  ];
  return ["| | |", "|---|---|", ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join("\n");
}

function share(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(3)} %`;
}

function milliseconds(value: number): string {
  return value < 10_000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}
