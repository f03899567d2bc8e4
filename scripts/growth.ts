/** `npm run growth`: the simulator and the server as they grow, into docs/GROWTH.md. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Growth, measureGrowth, PLANS } from "../sim/study/growth.js";
import { describe, type Machine, thisMachine } from "./bench/machine.js";
import { newCommand, wholeNumber } from "./cli.js";
import { meshCharts, meshTable, serverCharts, serverTable } from "./growth/report.js";
import { measureServer, type ServerPoint } from "./growth/server.js";
import { withResults } from "./results-page.js";

/** A measured part, as growth.json keeps it. */
interface Part<Point> {
  readonly date: string;
  readonly machine: Machine;
  readonly points: readonly Point[];
}

/** Growth.plan is the name of one of {@link PLANS}. */
type MeshPoint = Growth & { readonly plan: string };

interface Results {
  readonly mesh?: Part<MeshPoint>;
  readonly server?: Part<ServerPoint>;
}

const PARTS = ["mesh", "server"];
const MESH_NODES = [10, 100, 1000, 5000];
/** With one gateway for all, floods go everywhere; what that costs is seen at a thousand. */
const ONE_GATEWAY_AT_MOST = 1000;
const SERVER_NODES = [1000, 10_000, 100_000, 1_000_000];
const INTERVAL = 600_000;
const READINGS = 300;

const command = newCommand(
  "growth",
  "Measures the simulated network at 10 to 5,000 nodes and the server at a thousand to a million, and writes growth.json, tables into GROWTH.md and charts. What was measured before of other sizes stays.",
)
  .argument("[part...]", `${PARTS.join(", ")} (default: both)`)
  .option("--nodes <n>", "this size alone", wholeNumber(1, 10_000_000))
  .option("--data <dir>", "a data directory for the server that has as many devices; default: one is made")
  .option("--out <dir>", "where to", "docs")
  .option("--draw", "measure nothing: tables and charts of what growth.json has", false)
  .parse();
const { nodes, data, out, draw } = command.opts<{
  nodes?: number;
  data?: string;
  out: string;
  draw: boolean;
}>();
const wrong = command.args.find((part) => !PARTS.includes(part));
if (wrong !== undefined) command.error(`error: there is no part "${wrong}": ${PARTS.join(", ")}`);
const wanted = (part: string) => !draw && (command.args.length === 0 || command.args.includes(part));
const sizes = (all: readonly number[]) => (nodes === undefined ? all : [nodes]);

const file = join(out, "growth.json");
let results = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Results) : {};

if (wanted("mesh")) {
  // Warm-up: the compiler's work belongs to no size.
  measureGrowth({ nodes: 100, plan: PLANS[0], seed: 2, interval: INTERVAL, readings: 20 });
  for (const size of sizes(MESH_NODES)) {
    for (const plan of PLANS) {
      const one = plan.nodesPerGateway === Number.POSITIVE_INFINITY;
      // Up to a hundred nodes both plans are the same.
      if (one && (size <= 100 || size > ONE_GATEWAY_AT_MOST)) continue;
      const growth = measureGrowth({ nodes: size, plan, seed: 1, interval: INTERVAL, readings: READINGS });
      const speed = ((1000 * growth.seconds) / growth.cpu).toFixed(1);
      console.log(`${size} nodes, ${plan.name}: ${growth.delivered} of ${growth.sent}, ${speed} × real time`);
      const points = replaced(results.mesh?.points, { ...growth, plan: plan.name });
      results = { ...results, mesh: { ...now(), points } };
    }
  }
}
if (wanted("server")) {
  for (const size of sizes(SERVER_NODES)) {
    const point = await measureServer(size, data);
    console.log(
      `${size} known nodes: started in ${Math.round(point.start)} ms, ${Math.round(point.resident)} MiB, ${Math.round(point.rate)} requests/s`,
    );
    results = { ...results, server: { ...now(), points: replaced(results.server?.points, point) } };
  }
}

function now(): { date: string; machine: Machine } {
  return { date: new Date().toISOString(), machine: thisMachine() };
}

/** The point in the place of the one of its size and plan, in the order of sizes. */
function replaced<Point extends { readonly nodes: number; readonly plan?: string }>(
  points: readonly Point[] = [],
  point: Point,
): Point[] {
  const others = points.filter(({ nodes, plan }) => nodes !== point.nodes || plan !== point.plan);
  return [...others, point].sort((a, b) => a.nodes - b.nodes);
}

function section(part: Part<unknown>, name: string, charts: readonly string[], table: string): string {
  const pictures = charts.map((svg, i) => {
    const picture = `growth-${name}${i === 0 ? "" : `-${i + 1}`}.svg`;
    writeFileSync(join(out, picture), svg);
    return `![The table below as charts](${picture})`;
  });
  const head = `\`npm run growth -- ${name}\`, ${part.date.slice(0, 10)}: ${describe(part.machine)}.`;
  return [head, ...pictures, table, ""].join("\n\n");
}

const page = join(out, "GROWTH.md");
let text = existsSync(page)
  ? readFileSync(page, "utf8")
  : "# Growth\n\n<!-- mesh -->\n<!-- end of mesh -->\n\n<!-- server -->\n<!-- end of server -->\n";
const { mesh, server } = results;
if (mesh !== undefined) {
  const content = section(mesh, "mesh", meshCharts(mesh.points), meshTable(mesh.points));
  text = withResults(text, content, "mesh");
}
if (server !== undefined) {
  const content = section(server, "server", serverCharts(server.points), serverTable(server.points));
  text = withResults(text, content, "server");
}
writeFileSync(page, text);
const rounded = (_key: string, value: unknown) =>
  typeof value === "number" ? Number(value.toPrecision(5)) : value;
writeFileSync(file, `${JSON.stringify(results, rounded, 1)}\n`);
