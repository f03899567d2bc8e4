import { answers, type ConfigRequest, statusOf } from "./config-messages.js";
import type { AccessMessage, MeshSendOptions } from "./mesh-config.js";

/** How a request ended. */
export type ConfigResult =
  | { readonly kind: "answer"; readonly status: number | undefined; readonly parameters: Uint8Array }
  | { readonly kind: "timed-out" };

/** What the Configuration Client needs of the stack that it sends through. */
export interface ConfigClientOptions {
  /** `MeshStack.send`. */
  readonly send: (
    destination: number,
    opcode: number,
    parameters: Uint8Array,
    options: MeshSendOptions,
  ) => boolean;
  /** ms */
  readonly now: () => number;
  /** Milliseconds to wait for an answer before the request is sent again. Default 6000. */
  readonly timeout?: number;
  /** How often it is sent in all. Default 5. */
  readonly attempts?: number;
  /** Nodes that are asked at the same time. Default 4. */
  readonly parallel?: number;
}

interface Pending {
  readonly address: number;
  readonly request: ConfigRequest;
  readonly done: (result: ConfigResult) => void;
  readonly netKeyIndex: number | undefined;
  attemptsLeft: number;
  /** `Infinity` while it waits for its turn. */
  at: number;
}

/** When the stack had no room for a message. */
const NO_ROOM_RETRY = 500;

/**
 * The Configuration Client (Mesh Profile §4.4.2): requests to nodes, secured with their device keys, in order per
 * node, repeated until they are answered. All requests of the model are idempotent, so repeating them is safe.
 */
export class ConfigClient {
  readonly #options: ConfigClientOptions;
  readonly #pending: Pending[] = [];
  deadline = Number.POSITIVE_INFINITY;

  constructor(options: ConfigClientOptions) {
    this.#options = options;
  }

  /** Requests that are not answered yet. */
  get size(): number {
    return this.#pending.length;
  }

  /**
   * Asks a node, whose device key the stack's key store knows, for something.
   * @param address of the node's primary element
   * @param done called once
   */
  request(
    address: number,
    request: ConfigRequest,
    done: (result: ConfigResult) => void,
    netKeyIndex?: number,
  ): void {
    this.#pending.push({
      address,
      request,
      done,
      netKeyIndex,
      attemptsLeft: this.#options.attempts ?? 5,
      at: Number.POSITIVE_INFINITY,
    });
    this.#start(this.#options.now());
    this.#settle();
  }

  /** To be called for every message of the stack's `onAccess`. @returns whether it was an answer to a request */
  handle(message: AccessMessage): boolean {
    if (message.appKeyIndex !== undefined) return false;
    const at = this.#pending.findIndex(
      ({ address, request, at: since }) =>
        address === message.source &&
        since !== Number.POSITIVE_INFINITY &&
        answers(request, message.opcode, message.parameters),
    );
    if (at < 0) return false;
    const [pending] = this.#pending.splice(at, 1);
    this.#start(this.#options.now());
    this.#settle();
    pending.done({
      kind: "answer",
      status: statusOf(message.opcode, message.parameters),
      parameters: message.parameters.slice(),
    });
    return true;
  }

  /** Repeats and gives up what is due at `now` (ms). */
  tick(now: number): void {
    for (const pending of [...this.#pending]) {
      if (pending.at > now) continue;
      if (pending.attemptsLeft > 0) {
        this.#send(pending, now);
        continue;
      }
      this.#pending.splice(this.#pending.indexOf(pending), 1);
      pending.done({ kind: "timed-out" });
    }
    this.#start(now);
    this.#settle();
  }

  /** One request per node, and not too many nodes at once. */
  #start(now: number): void {
    const busy = new Set<number>();
    for (const { address, at } of this.#pending) if (at !== Number.POSITIVE_INFINITY) busy.add(address);
    for (const pending of this.#pending) {
      if (busy.size >= (this.#options.parallel ?? 4)) return;
      if (busy.has(pending.address)) continue;
      busy.add(pending.address);
      this.#send(pending, now);
    }
  }

  #send(pending: Pending, now: number): void {
    const { request, address, netKeyIndex } = pending;
    const taken = this.#options.send(address, request.opcode, request.parameters, {
      deviceKeyOf: address,
      ...(netKeyIndex === undefined ? {} : { netKeyIndex }),
    });
    if (taken) pending.attemptsLeft--;
    pending.at = now + (taken ? (this.#options.timeout ?? 6000) : NO_ROOM_RETRY);
  }

  #settle(): void {
    let deadline = Number.POSITIVE_INFINITY;
    for (const { at } of this.#pending) if (at < deadline) deadline = at;
    this.deadline = deadline;
  }
}
