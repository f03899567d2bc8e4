/** `npm run licences`: under which licences the packages are that we ship, from npm's own bill of materials. */

import { fail, newCommand } from "./cli.js";
import { isPermissive, packagesOf } from "./supply/licences.js";

const command = newCommand(
  "licences",
  "Lists the licences of all packages that are shipped: the server's, and what it is made with. Exit 1: one of them is unknown, or asks more than to be named (a copyleft licence).",
)
  .option("--all", "also the packages of development and the optional tools; these are only listed", false)
  .allowExcessArguments(false)
  .parse();

const { all } = command.opts<{ all: boolean }>();
const shipped = packagesOf("shipped");
const wrong = shipped.filter(({ licence }) => !isPermissive(licence));

const byLicence = new Map<string, string[]>();
for (const { name, version, licence } of all ? packagesOf("all") : shipped) {
  const list = byLicence.get(licence) ?? [];
  byLicence.set(licence, [...list, `${name} ${version}`]);
}
for (const [licence, names] of [...byLicence].sort(([, a], [, b]) => b.length - a.length)) {
  process.stdout.write(`${licence} (${names.length})\n    ${names.sort().join(", ")}\n`);
}
process.stdout.write(`\n${shipped.length} packages are shipped\n`);
if (wrong.length > 0) {
  fail(wrong.map(({ name, version, licence }) => `${name} ${version}: ${licence}`).join("\n"));
}
