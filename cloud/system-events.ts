/** What the endpoint tells of that is no attack: as events for the feed. */

import type { Settings } from "../firmware/reading/settings.js";
import type { Happening } from "./events.js";

export function keysRenewedEvent(name: string): Happening {
  return {
    kind: "system",
    severity: "info",
    reason: "keys-renewed",
    detail: `${name} had lost its place, and has agreed on new keys with the server`,
    node: name,
  };
}

export function settingsChangedEvent(name: string, { interval, confirmable, batch }: Settings): Happening {
  const how = confirmable ? "confirmable" : "non-confirmable";
  return {
    kind: "system",
    severity: "info",
    reason: "settings-changed",
    detail: `${name} was told: every ${interval} s, ${how}, ${batch} in one message at most`,
    node: name,
  };
}

export function storeFailedEvent(detail: string): Happening {
  return { kind: "system", severity: "critical", reason: "store-failed", detail };
}
