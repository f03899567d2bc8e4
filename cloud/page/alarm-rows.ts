import type { AlarmJson } from "../overview-json.js";
import { now } from "./client.js";
import { ago, plural, volts } from "./format.js";

/** Alarms that somebody has seen: on this browser, until they end. */

const KEY = "oscore-mesh-acknowledged";

export class Acknowledged {
  #ids: Set<string>;

  constructor() {
    this.#ids = new Set(read());
  }

  has(alarm: AlarmJson): boolean {
    return this.#ids.has(alarm.id);
  }

  put(alarms: readonly AlarmJson[], acknowledged: boolean): void {
    for (const { id } of alarms) {
      if (acknowledged) this.#ids.add(id);
      else this.#ids.delete(id);
    }
    this.#save();
  }

  /** Lets go of those that have ended. */
  keep(alarms: readonly AlarmJson[]): void {
    const there = new Set(alarms.map(({ id }) => id));
    const kept = new Set([...this.#ids].filter((id) => there.has(id)));
    if (kept.size === this.#ids.size) return;
    this.#ids = kept;
    this.#save();
  }

  #save(): void {
    try {
      localStorage.setItem(KEY, JSON.stringify([...this.#ids]));
    } catch {
      // Full, or not allowed: then for as long as the page is open.
    }
  }
}

function read(): string[] {
  try {
    const saved: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(saved) ? saved.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
}

export const ALARM_TITLES = {
  silent: "Silent",
  battery: "Battery low",
  refused: "Messages refused",
} as const;

/** What it is about, to stand behind the device's name. */
export function alarmText({ kind, since, battery, refused }: AlarmJson): string {
  const time = since === undefined ? "" : ago(Date.parse(since), now());
  if (kind === "silent") return `silent, last heard ${time}`;
  if (kind === "battery") return `battery at ${volts(battery)}`;
  return `${plural(refused ?? 0, "message")} refused, the first ${time}`;
}
