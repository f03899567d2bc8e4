import { sparkline } from "./memory.js";
import type { SoakOptions, SoakResult } from "./soak.js";

const MINUTE = 60_000;
/** Readings that are named when something is wrong. */
const NAMED = 20;

/** The result for a person: Markdown, so that it can be kept as it is. */
export function describeSoak(result: SoakResult): string {
  const { options, balance } = result;
  const accounts: [string, number | string][] = [
    ["measured", balance.measured],
    ["stored once", balance.stored - balance.doubled.length],
    ...Object.entries(balance.lost).map(([reason, count]): [string, number] => [`dropped: ${reason}`, count]),
    ["stored twice", balance.doubled.length],
    ["stored, never measured", balance.unknown.length],
    ["neither stored nor counted", balance.missing.length],
    ["dropped by the node and stored all the same", balance.storedAllTheSame],
    ["stored with a time off by more than 2 s", `${(100 * balance.lateShare).toFixed(1)} %`],
    ["largest such difference", `${(balance.latest / 1000).toFixed(0)} s`],
  ];
  const faults: [string, number | string][] = [
    ["outages", `${result.outages}, the longest ${(result.longestOutage / MINUTE).toFixed(0)} min`],
    ["modem restarts", result.resets],
    ["power cuts of gateways", result.cuts],
    ["power cuts of nodes", result.nodeCuts],
    ["server killed and started again", result.restarts],
    ["hours without the database", result.absences],
    ["server's clock set wrong, five hours each", result.steps],
    ["settled after the last measurement", result.settled ? `${result.settledAfter.toFixed(0)} s` : "never"],
    [
      "real time",
      `${result.seconds.toFixed(0)} s, of which a processor was busy ${result.processor.toFixed(0)} s`,
    ],
  ];
  const wrong = [...balance.doubled, ...balance.unknown, ...balance.missing];
  const parts = [
    `${result.passed ? "Passed" : "FAILED"}: ${daysOf(result)} days, ${options.nodes} nodes, ${options.gateways} gateway(s), ${meshOf(options)}, a reading every ${options.interval} s, seed ${options.seed}.`,
    table("Readings", accounts),
    table("Faults", faults),
    memory(result),
    table("Counted by gateways", Object.entries(result.drops)),
    table("Counted by nodes", Object.entries(result.nodes)),
    table("Cellular", Object.entries(result.cellular).map(rounded)),
    table("Security events shown", Object.entries(result.security)),
  ];
  if (wrong.length > 0) {
    const more = wrong.length > NAMED ? ` and ${wrong.length - NAMED} more` : "";
    parts.push(`Not as it should be (node and number): ${wrong.slice(0, NAMED).join(", ")}${more}`);
  }
  return parts.filter((part) => part !== "").join("\n\n");
}

function meshOf({ air, relays, cells }: SoakOptions): string {
  if (air || relays > 0) return `${relays} relay(s) and the whole air`;
  return cells ? "an ideal mesh in cells" : "an ideal mesh";
}

function daysOf({ days, options }: SoakResult): string {
  return days < options.days ? `${days} of ${options.days}` : `${days}`;
}

function memory({ courses, weights }: SoakResult): string {
  if (courses.length === 0) return "";
  const [heap] = courses;
  const rows = courses.map(({ name, first, last, most, slope, growth }) => {
    const line = sparkline(weights.map((day) => day[name]));
    return `| ${name} | ${first} | ${last} | ${most} | ${slope.toFixed(2)} | ${(100 * growth).toFixed(1)} % | \`${line}\` |`;
  });
  return [
    `Memory, at the end of each day after a garbage collection; the heap grew by ${(100 * heap.growth).toFixed(1)} % from day ${Math.floor(weights.length / 5) + 1} to day ${weights.length} (line of least squares).`,
    "",
    "| Held | after a fifth of the days | at the end | most | a day | growth | day by day, from zero |",
    "|---|---:|---:|---:|---:|---:|---|",
    ...rows,
  ].join("\n");
}

function rounded([name, value]: [string, number]): [string, number] {
  return [name, Math.round(value)];
}

function table(title: string, rows: readonly (readonly [string, number | string])[]): string {
  if (rows.length === 0) return "";
  return [`| ${title} | |`, "|---|---:|", ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join(
    "\n",
  );
}
