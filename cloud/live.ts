import type { EventJson, NodeInfo, ReadingJson } from "./model.js";
import type { RequestJson } from "./request-json.js";

/** What happens on the server, as it happens; what `GET /api/stream` sends on. */
export interface LiveEvents {
  /** After the commit; for a reading that was stored before only when its time was corrected. */
  reading: ReadingJson;
  /** Security and system; the same `id` again when its count grows. */
  event: EventJson;
  /** Added, changed, or a new health report. */
  node: NodeInfo;
  /** The name of a node that was removed. */
  removed: string;
  /** A request to a node: new, or with a new state. */
  request: RequestJson;
}

type Listener<Name extends keyof LiveEvents> = (value: LiveEvents[Name]) => void;

/** A typed hub. Listeners are called at once, in the order they came. */
export class Live {
  readonly #listeners = {
    reading: new Set<Listener<"reading">>(),
    event: new Set<Listener<"event">>(),
    node: new Set<Listener<"node">>(),
    removed: new Set<Listener<"removed">>(),
    request: new Set<Listener<"request">>(),
  };

  /** @returns takes the listener off again */
  on<Name extends keyof LiveEvents>(name: Name, listener: Listener<Name>): () => void {
    const listeners = this.#listeners[name] as Set<Listener<Name>>;
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Whether anybody listens: spares making what nobody sees. */
  wanted(name: keyof LiveEvents): boolean {
    return this.#listeners[name].size > 0;
  }

  emit<Name extends keyof LiveEvents>(name: Name, value: LiveEvents[Name]): void {
    for (const listener of this.#listeners[name] as Set<Listener<Name>>) listener(value);
  }
}
