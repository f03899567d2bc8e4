import { EVENT_KINDS, type EventJson, SEVERITIES } from "../model.js";
import type { Query } from "./router.js";

/** Which events are wanted; what is absent is not asked for. As the parameters of `GET /api/events`. */
export interface EventFilter {
  readonly kind?: string;
  readonly severity?: string;
  readonly node?: string;
  readonly text?: string;
}

/** What an address says of it; other words than ours are none. */
export function eventFilter({ kind, severity, node, text }: Query): EventFilter {
  return {
    ...(EVENT_KINDS.some((known) => known === kind) && { kind: kind! }),
    ...(SEVERITIES.some((known) => known === severity) && { severity: severity! }),
    ...(node !== undefined && node !== "" && { node: node.slice(0, 128) }),
    ...(text !== undefined && text !== "" && { text: text.slice(0, 128) }),
  };
}

/** Whether an event that came live is one of those that the server would have given. */
export function matchesEvent(event: EventJson, { kind, severity, node, text }: EventFilter): boolean {
  if (kind !== undefined && event.kind !== kind) return false;
  if (severity !== undefined && event.severity !== severity) return false;
  if (node !== undefined && event.node !== node && event.gateway !== node) return false;
  if (text === undefined) return true;
  const { reason, detail } = event;
  const all = [reason, reason.replaceAll("-", " "), detail, event.node ?? "", event.gateway ?? ""].join(" ");
  return all.toLowerCase().includes(text.toLowerCase());
}
