import type { Crypto } from "../../hal/hal.js";
import type { ByteReader } from "../bytes/reader.js";
import type { ByteWriter } from "../bytes/writer.js";
import type { Beaconing } from "./beaconing.js";
import type { Heartbeat } from "./heartbeat.js";
import type { KeyStore } from "./keys.js";
import type { ModelRegistry } from "./models.js";
import type { NodeState } from "./node-state.js";
import type { NodeStore } from "./node-store.js";

/** Company, product and version of a node (Mesh Profile §4.2.1). */
export interface Composition {
  readonly companyId: number;
  readonly productId: number;
  readonly versionId: number;
  /** Sources that the replay list can hold. */
  readonly replayEntries: number;
}

/** What the Configuration Server needs of the node that it configures. */
export interface FoundationNode {
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  readonly state: NodeState;
  readonly models: ModelRegistry;
  readonly store: NodeStore;
  readonly heartbeat: Heartbeat;
  readonly beaconing: Beaconing;
  readonly composition: Composition;
  /** ms */
  now(): number;
  /** Leaves the network, once the answer is on its way. */
  reset(): void;
  /** PollTimeout of a Low Power node that this node is friend of, in 100 ms; 0 when it is not. */
  pollTimeout(lowPowerNode: number): number;
  /** A key refresh has moved on. */
  securityChanged(): void;
  /** A feature has been switched. */
  featuresChanged(): void;
}

/** How a message came, as far as the Configuration Server must know. */
export interface Request {
  readonly source: number;
  readonly netKeyIndex: number;
}

/**
 * Does what a message asks for.
 * @param reader at the message's parameters
 * @param writer for the answer's parameters
 * @returns the answer's opcode; `undefined` when the message is not well formed and gets none (§3.7.3.1)
 */
export type FoundationHandler = (
  node: FoundationNode,
  reader: ByteReader,
  writer: ByteWriter,
  request: Request,
) => number | undefined;

/** Handlers by opcode. */
export type FoundationHandlers = Readonly<Record<number, FoundationHandler>>;
