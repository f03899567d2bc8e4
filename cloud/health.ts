import type { Health } from "../firmware/reading/reading.js";
import type { Happening } from "./events.js";
import { type HealthJson, iso, meshAddressText } from "./model.js";
import type { HealthFigures } from "./store/store.js";

/** A node that a gateway did not mention for so long is not heard any more. Reports name a part of them in turn. */
const HEARD_LIFETIME_MS = 2 * 3_600_000;

export interface Heard {
  readonly hops: number;
  readonly at: number;
}

/** What a device has said about itself, put together from its reports, each of which tells a part of the maps. */
export interface HealthState {
  /** Of the last report. */
  readonly time: number;
  readonly health: Omit<Health, "drops" | "heard">;
  /** Since its start: reason → count. */
  readonly drops: ReadonlyMap<string, number>;
  /** Mesh address → distance. */
  readonly heard: ReadonlyMap<number, Heard>;
}

export interface Merged {
  readonly state: HealthState;
  readonly restarted: boolean;
  /** How far each count that was reported now has grown. */
  readonly grown: ReadonlyMap<string, number>;
}

/** Takes a report into what was known. */
export function mergeHealth(before: HealthState | undefined, report: Health, time: number): Merged {
  const { drops: reportedDrops, heard: reportedHeard, ...health } = report;
  const restarted = before !== undefined && (report.uptime ?? 0) < (before.health.uptime ?? 0);
  const drops = new Map(restarted ? [] : before?.drops);
  const grown = new Map<string, number>();
  for (const [reason, count] of reportedDrops ?? []) {
    const growth = count - (drops.get(reason) ?? 0);
    if (growth > 0) grown.set(reason, growth);
    drops.set(reason, count);
  }
  const heard = new Map<number, Heard>();
  for (const [address, entry] of before?.heard ?? []) {
    if (time - entry.at < HEARD_LIFETIME_MS) heard.set(address, entry);
  }
  for (const [address, hops] of reportedHeard ?? []) heard.set(address, { hops, at: time });
  return { state: { time, health, drops, heard }, restarted, grown };
}

/** Counts of a device that mean "somebody tried something": what they are called for people. */
const REFUSALS: ReadonlyMap<string, readonly [reason: string, words: string]> = new Map([
  ["mesh: mic", ["mesh-mic", "network PDUs with a wrong NetMIC"]],
  ["mesh: app-mic", ["mesh-app-mic", "mesh messages with a wrong TransMIC"]],
  ["mesh: replay", ["mesh-replay", "mesh messages with a sequence number seen before"]],
  ["mesh: pdu-length", ["mesh-malformed", "network PDUs of an impossible length"]],
  ["mesh: ad-length", ["mesh-malformed", "advertisements of an impossible length"]],
  ["oscore: oscore-decrypt", ["answer-decrypt", "answers that were changed on their way"]],
  ["oscore: oscore-option", ["answer-option", "answers with a malformed OSCORE option"]],
  ["oscore: oscore-response", ["answer-response", "answers to other requests"]],
  ["oscore: oscore-unprotected", ["answer-unprotected", "unprotected answers"]],
]);

/** What in a report an operator should see, said of the device `name`. */
export function healthEvents(
  { state, restarted, grown }: Merged,
  about: { readonly node?: string; readonly gateway?: string },
): Happening[] {
  const happenings: Happening[] = [];
  const name = about.gateway ?? about.node ?? "";
  if (restarted) {
    const cause = state.health.resetReason === undefined ? "" : ` (${state.health.resetReason})`;
    happenings.push({
      kind: "system",
      severity: "warning",
      reason: "restarted",
      detail: `${name} has started anew${cause}`,
      ...about,
    });
  }
  for (const [counted, growth] of grown) {
    const known = REFUSALS.get(counted);
    if (known === undefined) continue;
    const [reason, words] = known;
    happenings.push({
      kind: "security",
      severity: "warning",
      reason,
      detail: `Refused at ${name}: ${words}`,
      count: growth,
      distinct: counted,
      ...about,
    });
  }
  return happenings;
}

export function healthJson({ time, health, drops, heard }: HealthState): HealthJson {
  const { battery, ...plain } = health;
  const hops = [...heard].map(([address, entry]) => [meshAddressText(address), entry.hops] as const);
  return {
    time: iso(time),
    ...plain,
    ...(battery !== undefined && { battery: battery / 1000 }),
    // A map from the wire may have any key, "__proto__" too: fromEntries defines, it does not assign.
    ...(drops.size > 0 && { drops: Object.fromEntries(drops) }),
    ...(hops.length > 0 && { heard: Object.fromEntries(hops) }),
  };
}

/** What is kept of a report for good. */
export function healthFigures({ health, drops, heard }: HealthState): HealthFigures {
  let dropped = 0;
  for (const count of drops.values()) dropped += count;
  const { rsrp, queue, battery } = health;
  return { rsrp, queue, battery, dropped, heard: heard.size };
}

/** As kept in the store: JSON with maps as lists of pairs. */
export function healthText({ health, drops, heard }: HealthState): string {
  return JSON.stringify({ health, drops: [...drops], heard: [...heard] });
}

export function parseHealth(text: string, time: number): HealthState {
  const { health, drops, heard } = JSON.parse(text) as {
    health: HealthState["health"];
    drops: [string, number][];
    heard: [number, Heard][];
  };
  return { time, health, drops: new Map(drops), heard: new Map(heard) };
}
