/**
 * The server's registry and store behind firmware/oscore's ContextStore: what they do with a verified request, without
 * CoAP around it and readings in it.
 */

import { hostCrypto } from "#hal/crypto.js";
import { CommitQueue, type Pending } from "../../cloud/commit-queue.js";
import type { DeviceContext } from "../../cloud/context.js";
import { EventLog } from "../../cloud/events.js";
import { Metrics } from "../../cloud/metrics.js";
import { MAXIMUM_WINDOW } from "../../cloud/node-spec.js";
import { Registry } from "../../cloud/registry.js";
import type { Store } from "../../cloud/store/store.js";
import { Vault } from "../../cloud/vault.js";
import { type CoapMessage, Type } from "../../firmware/coap/message.js";
import type { Exchange } from "../../firmware/coap/message-layer.js";
import { Code } from "../../firmware/coap/numbers.js";
import type { ContextParameters } from "../../firmware/oscore/context.js";
import type { ContextPolicy } from "../../firmware/oscore/context-table.js";
import type { Change, ContextStore } from "../../firmware/oscore/store.js";

const STORE_KEY = new Uint8Array(32).fill(5);
const NO_BYTES = new Uint8Array(0);

export class CloudContexts implements ContextStore<DeviceContext> {
  readonly registry: Registry;
  readonly store: Store;
  readonly #queue: CommitQueue;
  readonly #waiting = new Map<Exchange, (accepted: boolean) => void>();

  private constructor(store: Store) {
    this.store = store;
    this.registry = new Registry(store, new Vault(STORE_KEY), hostCrypto, () => 0);
    this.registry.onTrouble = (error) => {
      throw error;
    };
    const answer = (accepted: boolean) => (pending: Pending) =>
      this.#waiting.get(pending.exchange)?.(accepted);
    this.#queue = new CommitQueue(store, new EventLog(() => ""), new Metrics(), () => 0, {
      stored: answer(true),
      again: answer(false),
      taken: answer(false),
      undone: answer(false),
      revoked: ({ device, context }, former) => {
        if (device.context === context) this.registry.replace(device, former);
      },
      replaced: (device) => this.registry.refresh(device.record.id),
      // What was decided once more waits for the next commit.
      committed: () => {
        if (this.#queue.length > 0) this.#queue.flush(() => 0);
      },
      failed: () => {},
    });
  }

  static async open(store: Store): Promise<CloudContexts> {
    const contexts = new CloudContexts(store);
    contexts.registry.restore(await store.load());
    return contexts;
  }

  /** @throws RegistryError for keys or IDs that are there already, also under a node of this name */
  async add(parameters: ContextParameters, policy: ContextPolicy = {}): Promise<DeviceContext> {
    const { senderId, recipientId, masterSecret, masterSalt = NO_BYTES, idContext } = parameters;
    const name = `node-${this.registry.size}`;
    await this.registry.upsert({
      name,
      oscore: {
        masterSecret,
        masterSalt,
        nodeId: recipientId,
        serverId: senderId,
        ...(idContext !== undefined && { idContext }),
      },
      replayWindow: Math.min(policy.windowSize ?? MAXIMUM_WINDOW, MAXIMUM_WINDOW),
    });
    return this.registry.named(name)!.context!;
  }

  find(kid: Uint8Array, kidContext: Uint8Array | undefined): readonly DeviceContext[] {
    return this.registry.find(kid, kidContext);
  }

  /** @param outer the request; requests that are not the same bytes differ */
  async commit(change: Change<DeviceContext>, outer = hostCrypto.random(8)): Promise<boolean> {
    const { device } = change.context;
    // What RequestVerifier has seen already.
    const { window } = change.context;
    if (change.kind === "accept" && window?.check(change.partialIv) !== true) return false;
    if (change.kind === "resume" && window !== undefined) return false;
    if (change.kind === "replace" && device.context !== change.context) return false;

    const renewed = change.kind === "replace" ? this.registry.takeOver(change) : undefined;
    const context = renewed?.context ?? change.context;
    const exchange = { request: message(outer) } as Exchange;
    context.accept(change, exchange.request, undefined);
    return new Promise((resolve) => {
      this.#waiting.set(exchange, (accepted) => {
        this.#waiting.delete(exchange);
        resolve(accepted);
      });
      this.#queue.add(
        {
          context,
          change,
          takeover: renewed?.takeover,
          partialIv: change.partialIv,
          received: 0,
          readings: [],
          sealed: undefined,
          device,
          former: renewed && change.context,
          answer: undefined,
          exchange,
          copies: undefined,
          live: [],
          gateway: undefined,
        },
        0,
      );
      void this.#queue.settle(() => 0);
    });
  }
}

function message(payload: Uint8Array): CoapMessage {
  return { type: Type.CON, code: Code.POST, messageId: 0, token: NO_BYTES, options: [], payload };
}
