import type { Delivery } from "./delivery.js";
import type { SweepResult } from "./delivery-study.js";
import { lineChart, type Panel } from "./line-chart.js";

interface Column {
  readonly title: string;
  readonly value: (delivery: Delivery) => number;
  readonly text: (value: number) => string;
  readonly max?: number;
}

const percent = (value: number) => (Number.isFinite(value) ? value.toFixed(1) : "–");
const whole = (value: number) => (Number.isFinite(value) ? value.toFixed(0) : "–");

const DELIVERED: Column = {
  title: "delivered, %",
  value: ({ ratio }) => 100 * ratio,
  text: percent,
  max: 100,
};
const ANSWERED: Column = {
  title: "answered, %",
  value: ({ answered }) => 100 * answered,
  text: percent,
  max: 100,
};
const MEDIAN: Column = { title: "median, ms", value: ({ median }) => median, text: whole };
const P95: Column = { title: "95 %, ms", value: ({ p95 }) => p95, text: whole };
const AIR: Column = { title: "air time, ms", value: ({ airtime }) => airtime, text: whole };

function columnsOf({ answers }: SweepResult): Column[] {
  return [DELIVERED, ...(answers ? [ANSWERED] : []), MEDIAN, P95, AIR];
}

/** Delivery, latency and air time as a row of charts. */
export function chartOf(result: SweepResult): string {
  const panels = [result.answers ? ANSWERED : DELIVERED, MEDIAN, P95, AIR].map(
    ({ title, value, max }): Panel => ({
      title,
      series: result.rows.map(({ name, points }) => ({ name, values: points.map(value) })),
      ...(max !== undefined && { max }),
    }),
  );
  return lineChart({ title: result.title, xTitle: result.xTitle, x: result.x, panels });
}

/** One table: a line for every parameter set, and in every cell the values of one point. */
export function tableOf(result: SweepResult): string {
  const columns = columnsOf(result);
  const head = ["Parameters", ...result.x.map(String)];
  return [
    `Each cell: ${columns.map(({ title }) => title).join(" / ")}. Across: ${result.xTitle}.`,
    "",
    `| ${head.join(" | ")} |`,
    `|${head.map(() => "---").join("|")}|`,
    ...result.rows.map(({ name, points }) => {
      const cells = points.map((point) => columns.map(({ value, text }) => text(value(point))).join(" / "));
      return `| ${[name, ...cells].join(" | ")} |`;
    }),
  ].join("\n");
}
