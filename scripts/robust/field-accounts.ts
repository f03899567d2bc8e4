/** What a field under attack shows: everything that was refused in it, and whether its readings are as measured. */

import type { Field } from "../soak/field.js";

/** Everything that anybody in the field has refused so far, by who and why. */
export function refusals(field: Field): Map<string, number> {
  const counts = new Map<string, number>();
  const add = (name: string, count: number): void => {
    counts.set(name, (counts.get(name) ?? 0) + count);
  };
  const meshDrops = (where: string, counters: Iterable<[string, number]>): void => {
    for (const [name, count] of counters)
      if (name.startsWith("drop.")) add(`${where}: ${name.slice(5)}`, count);
  };
  for (const { role } of field.gateways.values()) {
    meshDrops("gateway's mesh", role.stack.counters.entries());
    for (const [name, count] of role.hop.counters.entries()) add(`gateway: ${name}`, count);
    for (const [name, count] of role.counters.entries()) add(`gateway: ${name}`, count);
  }
  for (const { role } of field.nodes.values()) {
    meshDrops("node's mesh", role.stack.counters.entries());
    for (const [name, count] of role.counters.entries()) add(`node: ${name}`, count);
  }
  for (const { role } of field.relays.values()) meshDrops("relay's mesh", role.stack.counters.entries());
  for (const [layer, reason, count] of field.cloud.metrics.drops()) add(`server: ${layer} ${reason}`, count);
  return counts;
}

/** Ends the measuring, lets everything arrive, and holds the store against the sensors. @returns what is wrong */
export async function wrongReadings(field: Field): Promise<string[]> {
  field.stopMeasuring();
  const settled = field.run(6 * 3600, () => field.settled);
  const { doubled, unknown, missing } = await field.balance();
  const wrong: string[] = [];
  if (!settled) wrong.push("readings still wait in nodes six hours later");
  if (doubled.length > 0) wrong.push(`stored twice: ${doubled.join(", ")}`);
  if (unknown.length > 0) wrong.push(`stored, never measured: ${unknown.join(", ")}`);
  if (missing.length > 0) wrong.push(`lost: ${missing.join(", ")}`);
  return wrong;
}
