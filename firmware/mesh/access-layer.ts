import type { Counters } from "../bytes/counters.js";
import { Refusal } from "../bytes/refusal.js";
import { readOpcode } from "./access.js";
import { configure } from "./config-server.js";
import { Health } from "./foundation.js";
import type { FoundationNode } from "./foundation-node.js";
import type { HealthServer } from "./health-server.js";
import { type AccessMessage, isTtl, type MeshSendOptions } from "./mesh-config.js";
import type { Model, ModelRegistry } from "./models.js";
import type { NodeState } from "./node-state.js";
import { ModelId, TTL_DEFAULT } from "./numbers.js";
import { Publisher } from "./publisher.js";
import type { UpperPdu } from "./reassembly.js";
import type { DecryptedAccess } from "./upper-transport.js";

/** Messages of this node to itself that wait for the next tick. */
const LOOPBACK_MAX = 8;
const NEVER = Number.POSITIVE_INFINITY;

/** What the access layer is put between. */
export interface AccessLayerOptions {
  readonly state: NodeState;
  readonly models: ModelRegistry;
  readonly health: HealthServer;
  readonly foundation: FoundationNode;
  readonly counters: Counters;
  /** ms */
  readonly now: () => number;
  /** Encrypts an access message and sends it. */
  readonly send: (
    destination: number,
    opcode: number,
    parameters: Uint8Array,
    options: MeshSendOptions,
  ) => boolean;
  /** Every message, before the models get it. */
  readonly onAccess: (message: AccessMessage) => void;
  /** A message for a model of the application. */
  readonly onMessage: (message: AccessMessage) => void;
  /** The publish period of a model of the application is over. */
  readonly onPublishDue: (model: Model) => void;
}

/** The access layer (Mesh Profile §3.7): brings messages to models, answers for those of its own, publishes. */
export class AccessLayer {
  readonly #options: AccessLayerOptions;
  readonly #publisher: Publisher;
  readonly #loopback: AccessMessage[] = [];
  #loopbackAt = NEVER;

  constructor(options: AccessLayerOptions) {
    const { models, health, now } = options;
    this.#options = options;
    this.#publisher = new Publisher({
      models,
      send: (model, opcode, parameters) => this.#publishOnce(model, opcode, parameters),
      due: (model, at) => this.#publishDue(model, at),
      divisor: (model) => (model.id === ModelId.HEALTH_SERVER ? health.periodDivisor : 0),
    });
    models.onPublication = (model) => this.#publisher.configured(model, now());
    for (const model of models.models) {
      if (model.publication !== undefined) this.#publisher.configured(model, now());
    }
  }

  get deadline(): number {
    return Math.min(this.#loopbackAt, this.#publisher.deadline);
  }

  /** Publishes what is due at `now` (ms). */
  tick(now: number): void {
    this.#loopbackAt = NEVER;
    for (const message of this.#loopback.splice(0)) this.#dispatch(message);
    this.#publisher.tick(now);
  }

  /** Takes a decrypted message from the upper transport layer. */
  receive(upper: UpperPdu, decrypted: DecryptedAccess): void {
    const opcode = readOpcode(decrypted.access);
    if (opcode instanceof Refusal) {
      this.#options.counters.add(`drop.${opcode.reason}`);
      return;
    }
    this.#dispatch({
      source: upper.src,
      destination: upper.dst,
      opcode,
      parameters: decrypted.access.subarray(opcode < 0x80 ? 1 : opcode < 0x10000 ? 2 : 3),
      ttl: upper.ttl,
      rssi: upper.rssi,
      netKeyIndex: upper.credentials.subnet.index,
      appKeyIndex: decrypted.appKeyIndex,
      ownDeviceKey: decrypted.ownDeviceKey,
      label: decrypted.label,
    });
  }

  /**
   * What is for this node too does not have to come back over the air (§3.4.5.2): it is delivered with the next tick.
   * @returns false when there is no room for it
   */
  toSelf(message: AccessMessage): boolean {
    if (this.#loopback.length >= LOOPBACK_MAX) {
      this.#options.counters.add("refused.loopback");
      return false;
    }
    this.#loopbackAt = Math.min(this.#loopbackAt, this.#options.now());
    this.#loopback.push(message);
    return true;
  }

  /** @returns false when the model has no publication, or there is no room for it now */
  publish(model: Model, opcode: number, parameters: Uint8Array): boolean {
    return this.#publisher.publish(model, opcode, parameters, this.#options.now());
  }

  #dispatch(message: AccessMessage): void {
    const { state, models, health, counters, now, onAccess, onMessage } = this.#options;
    counters.add("delivered");
    onAccess(message);
    if (message.appKeyIndex === undefined) {
      // The Configuration Server is on the primary element, and speaks under this node's own device key (§4.4.1.1).
      if (message.ownDeviceKey && message.destination === state.address) this.#configure(message);
      return;
    }
    let application = false;
    for (const model of models.models) {
      if (!model.bindings.includes(message.appKeyIndex)) continue;
      if (!model.listensTo(message.destination, message.label, state.address)) continue;
      if (model.id === ModelId.HEALTH_SERVER) {
        const answer = health.handle(message.opcode, message.parameters, now());
        if (answer !== undefined) this.#reply(message, answer.opcode, answer.parameters);
      } else {
        application = true;
      }
    }
    if (application) onMessage(message);
    else counters.add("drop.no-model");
  }

  #configure(message: AccessMessage): void {
    const answer = configure(this.#options.foundation, message.opcode, message.parameters, message);
    if (answer === undefined) this.#options.counters.add("drop.configuration");
    else this.#reply(message, answer.opcode, answer.parameters);
  }

  /** By the keys that the message came by; without hops if it came without (§3.7.3.1). */
  #reply(message: AccessMessage, opcode: number, parameters: Uint8Array): void {
    const { send, state } = this.#options;
    send(message.source, opcode, parameters, {
      netKeyIndex: message.netKeyIndex,
      ...(message.appKeyIndex === undefined
        ? { deviceKeyOf: state.address }
        : { appKeyIndex: message.appKeyIndex }),
      ...(message.ttl === 0 ? { ttl: 0 } : {}),
    });
  }

  #publishOnce(model: Model, opcode: number, parameters: Uint8Array): boolean {
    const { publication } = model;
    if (publication === undefined) return false;
    const { send, state } = this.#options;
    const { ttl } = publication;
    return send(publication.address, opcode, parameters, {
      appKeyIndex: publication.appKeyIndex,
      ttl: ttl === TTL_DEFAULT || !isTtl(ttl) ? state.defaultTtl : ttl,
      source: state.address + model.element,
      ...(publication.label === undefined ? {} : { label: publication.label }),
      friendshipCredentials: publication.friendshipCredentials,
    });
  }

  #publishDue(model: Model, now: number): void {
    if (model.id === ModelId.HEALTH_SERVER) {
      const { health } = this.#options;
      this.#publisher.publish(model, Health.CURRENT_STATUS, health.currentStatus(), now);
    } else {
      this.#options.onPublishDue(model);
    }
  }
}
