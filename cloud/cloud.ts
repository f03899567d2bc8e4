import { randomBytes } from "node:crypto";
import type { Crypto } from "../hal/hal.js";
import { CloudEndpoint, type StorageMode } from "./endpoint.js";
import { StartupError, WRONG_KEY } from "./errors.js";
import { EventLog } from "./events.js";
import { Live } from "./live.js";
import { Metrics } from "./metrics.js";
import { Registry } from "./registry.js";
import type { Keep, Store } from "./store/store.js";
import { Vault } from "./vault.js";

export interface CloudOptions {
  readonly store: Store;
  readonly crypto: Crypto;
  /** `destination` is the source string that `endpoint.handle` got; the bytes are the receiver's to keep. */
  readonly send: (datagram: Uint8Array, destination: string) => void;
  /** What the nodes' keys are sealed under, 32 bytes. Default: a random one, for a store that does not outlive us. */
  readonly storeKey?: Uint8Array;
  /** How long what is kept. Default: all readings for ever. */
  readonly keep?: Keep;
  /** What is kept of readings (DESIGN §4.10). Default: plaintext. */
  readonly storage?: StorageMode;
  /** ms, the clock of `endpoint.handle` and `endpoint.tick`. */
  readonly clock?: () => number;
  /** ms since 1970, what the times of readings are made from. Default: Date.now. */
  readonly wallTime?: () => number;
}

/** The server without sockets: everything between a datagram and what the HTTP side shows. */
export interface Cloud {
  readonly endpoint: CloudEndpoint;
  readonly registry: Registry;
  readonly live: Live;
  readonly store: Store;
  readonly events: EventLog;
  readonly metrics: Metrics;
  /** Notes an event of the system for the operator. */
  note(reason: string, detail: string, severity?: "info" | "warning" | "critical"): void;
  /** What has to be done now and then: lets go of what is too old. @returns whether there is more to do */
  housekeep(): Promise<boolean>;
  /** Commits what waits and closes the store. */
  stop(): Promise<void>;
}

const EVENTS_KEPT = 20_000;

/**
 * Puts the server together on a store, with what was accepted before.
 * @throws StartupError when the store's keys cannot be opened with `storeKey`
 */
export async function createCloud(options: CloudOptions): Promise<Cloud> {
  const { store, crypto, send } = options;
  const wallTime = options.wallTime ?? Date.now;
  const live = new Live();
  const metrics = new Metrics();
  const vault = new Vault(options.storeKey ?? randomBytes(32));
  if (!(await store.claim(vault.mark))) throw new StartupError(WRONG_KEY);
  const registry = new Registry(store, vault, crypto, wallTime);
  // Ids have to differ between runs and servers; the start's time in front keeps them in order.
  const run = `${wallTime().toString(36)}-${Buffer.from(crypto.random(3)).toString("hex")}`;
  let made = 0;
  const makeId = () => `${run}-${(++made).toString(36)}`;
  const events = new EventLog(makeId);
  const endpoint = new CloudEndpoint({
    registry,
    store,
    events,
    live,
    metrics,
    crypto,
    send,
    wallTime,
    storage: options.storage ?? "plaintext",
    stopwatch: () => performance.now(),
    clock: options.clock,
    // Whoever knows the id may see the answer.
    makeId: () => Buffer.from(crypto.random(12)).toString("base64url"),
  });

  const snapshot = await store.load();
  registry.restore(snapshot);
  for (const { node, source } of snapshot.health) {
    const device = registry.device(node);
    if (device?.record.kind === "gateway") endpoint.recall(device, source);
  }
  metrics.watch(registry);

  const note: Cloud["note"] = (reason, detail, severity = "info") => endpoint.note(reason, detail, severity);
  registry.settle = () => endpoint.settle();
  registry.onTrouble = (error) =>
    note("store-unread", `What another server has changed could not be read: ${error.message}`, "warning");
  registry.onChanged = (device, how) => {
    const { name } = device.record;
    if (how === "removed") {
      endpoint.forget(device);
      live.emit("removed", name);
    } else live.emit("node", registry.info(device));
    const kid = device.context?.parameters.recipientId;
    if (how !== "removed" && kid !== undefined) endpoint.unknown.forget(kid);
    if (how !== "changed") note(`device-${how}`, `${device.record.kind} ${name} was ${how}`);
  };

  return {
    endpoint,
    registry,
    live,
    store,
    events,
    metrics,
    note,
    housekeep: () => store.thin({ events: EVENTS_KEPT, ...options.keep }, wallTime()),
    async stop() {
      await endpoint.settle();
      await store.close();
    },
  };
}
