/** Tables and charts of the growth study. */

import type { Growth } from "../../sim/study/growth.js";
import { lineChart } from "../../sim/study/line-chart.js";
import { format } from "../bench/report.js";
import type { ServerPoint } from "./server.js";

type MeshPoint = Growth & { readonly plan: string };

const count = (value: number) => value.toLocaleString("en");
const percent = (share: number, digits = 1) => `${(100 * share).toFixed(digits)} %`;

/** What simulating does: the clock's events, and PDUs that a receiver takes. */
function work({ events, receptions }: Growth): number {
  return events + receptions;
}

const costOf = (point: Growth): number => (1000 * point.cpu) / work(point);
const speedOf = ({ seconds, cpu }: Growth): number => (1000 * seconds) / cpu;

export function meshTable(points: readonly MeshPoint[]): string {
  const rows = points.map((point) => {
    const { nodes, gateways, ttl, sent, delivered, answered, median, p95, airtime, neighbours } = point;
    return [
      count(nodes),
      `${gateways} / ${ttl}`,
      Math.round(neighbours),
      `${percent(delivered / sent)} / ${percent(answered / sent)}`,
      `${Math.round(median)} / ${Math.round(p95)}`,
      Math.round(airtime),
      `${percent(point.channelUse)} / ${percent(point.collided, 0)}`,
      `${count(point.events)} + ${count(point.receptions)}`,
      format(costOf(point)),
      format(speedOf(point)),
      Math.round(point.memory),
    ];
  });
  return markdown(
    [
      "Nodes",
      "Gateways / TTL",
      "Radios in range",
      "Delivered / answered",
      "Median / 95 %, ms",
      "Air time a reading, ms",
      "Channel in use / collided",
      "Events + PDUs taken",
      "µs for each",
      "× real time",
      "MiB",
    ],
    rows,
  );
}

export function meshCharts(points: readonly MeshPoint[]): string[] {
  const x = [...new Set(points.map(({ nodes }) => nodes))];
  const plans = [...new Set(points.map(({ plan }) => plan))];
  const series = (value: (point: MeshPoint) => number) =>
    plans.map((plan) => ({
      name: plan,
      values: x.map((nodes) => {
        const point = points.find((one) => one.nodes === nodes && one.plan === plan);
        return point === undefined ? Number.NaN : value(point);
      }),
    }));
  const chart = (title: string, panels: readonly [string, (point: MeshPoint) => number, number?][]) =>
    lineChart({
      title,
      xTitle: "nodes",
      x: x.map(count),
      panels: panels.map(([name, value, max]) => ({
        title: name,
        series: series(value),
        ...(max !== undefined && { max }),
      })),
    });
  return [
    chart("What arrives", [
      ["answered, %", ({ answered, sent }) => (100 * answered) / sent, 100],
      ["95 % arrive within, ms", ({ p95 }) => p95],
      ["channel in use, %", ({ channelUse }) => 100 * channelUse],
    ]),
    chart("What simulating it costs", [
      ["µs for an event or a PDU", costOf],
      ["events and PDUs a virtual second", (point) => work(point) / point.seconds],
      ["MiB", ({ memory }) => memory],
    ]),
  ];
}

export function serverTable(points: readonly ServerPoint[]): string {
  const queries = Object.keys(points[0]?.queries ?? {});
  return markdown(
    [
      "Known nodes",
      "Start, s",
      "Resident / heap, MiB",
      "requests/s",
      ...queries.map((name) => `${name}, ms`),
    ],
    points.map(({ nodes, start, resident, heap, rate, queries: times }) => [
      count(nodes),
      format(start / 1000),
      `${Math.round(resident)} / ${Math.round(heap)}`,
      count(Math.round(rate)),
      ...queries.map((name) => times[name].map(format).join(" / ")),
    ]),
  );
}

export function serverCharts(points: readonly ServerPoint[]): string[] {
  const x = points.map(({ nodes }) => count(nodes));
  const one = (name: string, value: (point: ServerPoint) => number) => ({
    title: name,
    series: [{ name, values: points.map(value) }],
  });
  const queries = Object.keys(points[0]?.queries ?? {});
  return [
    lineChart({
      title: "The server's start, memory and rate",
      xTitle: "known nodes",
      x,
      panels: [
        one("start, s", ({ start }) => start / 1000),
        one("heap, MiB", ({ heap }) => heap),
        one("requests/s", ({ rate }) => rate),
      ],
    }),
    lineChart({
      title: "What the page asks for",
      xTitle: "known nodes",
      x,
      panels: [
        {
          title: "median, ms",
          series: queries.map((name) => ({ name, values: points.map((point) => point.queries[name][0]) })),
        },
      ],
    }),
  ];
}

function markdown(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  return [
    `| ${head.join(" | ")} |`,
    `|${head.map(() => "---:").join("|")}|`,
    ...rows.map((row) => `| ${row.join(" | ")} |`),
  ].join("\n");
}
