/** What a sensor node does by itself, and its form on the way: `/settings` of a node, and its place in storage. */

import { type CborMap, type CborValue, decodeCbor, encodeCbor } from "../bytes/cbor.js";
import { Refusal } from "../bytes/refusal.js";

export interface Settings {
  /** Seconds between measurements. */
  readonly interval: number;
  /** End-to-end confirmable (DESIGN §4.6); false sends NON and forgets. */
  readonly confirmable: boolean;
  /** Readings in one message at most. */
  readonly batch: number;
}

/** Keys of the CBOR map; never to be given another meaning. */
const FIELDS = ["interval", "confirmable", "batch"] as const;

/** Seconds. A request to a node waits until it is heard: from the longest interval nobody would wait for the way back. */
export const SHORTEST_INTERVAL = 0.5;
export const LONGEST_INTERVAL = 86_400;
/** So many readings, each with all that one can have, fit one message of the mesh. */
export const LARGEST_BATCH = 10;

/** A map of what is there. */
export function encodeSettings(settings: Partial<Settings>): Uint8Array {
  const map: CborMap = new Map();
  for (let key = 0; key < FIELDS.length; key++) {
    const value = settings[FIELDS[key]];
    if (value !== undefined) map.set(key, value);
  }
  return encodeCbor(map);
}

/**
 * The settings with what `bytes` say put in; what they leave out stays. Any bytes.
 * @returns "settings-shape" for what is no CBOR map, "settings-field" for a key or value that does not exist
 */
export function changeSettings(
  settings: Settings,
  bytes: Uint8Array,
): Settings | Refusal<"settings-shape" | "settings-field"> {
  const map = decodeCbor(bytes);
  if (!(map instanceof Map)) return new Refusal("settings-shape");
  const changed: Record<string, unknown> = { ...settings };
  for (const [key, value] of map) {
    const field = typeof key === "number" ? FIELDS[key] : undefined;
    if (field === undefined || !fits(field, value)) return new Refusal("settings-field", `${key}`);
    changed[field] = value;
  }
  return changed as unknown as Settings;
}

function fits(field: keyof Settings, value: CborValue): boolean {
  if (field === "confirmable") return typeof value === "boolean";
  if (typeof value !== "number") return false;
  if (field === "interval") return value >= SHORTEST_INTERVAL && value <= LONGEST_INTERVAL;
  return Number.isInteger(value) && value >= 1 && value <= LARGEST_BATCH;
}
