import { equal } from "../bytes/compare.js";
import { ByteReader } from "../bytes/reader.js";
import { ByteWriter } from "../bytes/writer.js";
import { isUnicast } from "./addresses.js";
import type { MeshStorage } from "./mesh-storage.js";
import type { NodeState } from "./node-state.js";
import type { Label } from "./upper-transport.js";

/** Most AppKeys bound to one model, and most addresses that it listens to. */
export const BINDINGS_MAX = 8;
/** Group addresses that a model subscribes to. */
export const GROUPS_MAX = 16;
/** Label UUIDs that a model subscribes to. */
export const LABELS_MAX = 4;

/** To whom, with what and how often a model publishes (Mesh Profile §4.2.2). */
export interface Publication {
  readonly address: number;
  /** Label UUID when the address is virtual. */
  readonly label: Uint8Array | undefined;
  readonly appKeyIndex: number;
  /** By the credentials of the friendship, if there is one. */
  readonly friendshipCredentials: boolean;
  /** 0xFF: the node's default TTL. */
  readonly ttl: number;
  /** Publish Period: number of steps in the lower six bits, resolution in the upper two (§4.2.2.2). */
  readonly period: number;
  /** Publish Retransmit: count in the lower three bits, 50 ms steps in the upper five (§4.2.2.6, §4.2.2.7). */
  readonly retransmit: number;
}

const RESOLUTION: readonly number[] = [100, 1000, 10_000, 600_000];

/** Milliseconds between two publications; 0: none by time. */
export function publishPeriodMs(period: number): number {
  return (period & 0x3f) * RESOLUTION[period >> 6];
}

/** A model on one element, and what the Configuration Server keeps of it. */
export class Model {
  /** Which element, counted from the primary one, 0. */
  readonly element: number;
  /** Below 0x10000 a SIG model, else company × 0x10000 + model. */
  readonly id: number;
  /** Only a device key reaches it, and it is not to be bound, subscribed or published (§4.2.1). */
  readonly foundation: boolean;
  readonly bindings: number[] = [];
  readonly groups: number[] = [];
  readonly labels: Label[] = [];
  publication: Publication | undefined;

  constructor(element: number, id: number, foundation: boolean) {
    this.element = element;
    this.id = id;
    this.foundation = foundation;
  }

  get vendor(): boolean {
    return this.id > 0xffff;
  }

  /** Whether a message to this address is for this model. */
  listensTo(dst: number, label: Uint8Array | undefined, address: number): boolean {
    if (isUnicast(dst)) return dst === address + this.element;
    if (label !== undefined) return this.labels.some(({ uuid }) => equal(uuid, label));
    // Fixed groups reach the models of the primary element only (§3.4.2.4).
    if (dst >= 0xff00 && this.element === 0) return true;
    return this.groups.includes(dst);
  }
}

/** All models of a node, in the order of the composition data, with their configuration in storage. */
export class ModelRegistry {
  readonly models: Model[] = [];
  /** A model's publication was set. */
  onPublication: ((model: Model) => void) | undefined;
  readonly #storage: MeshStorage;
  readonly #state: NodeState;
  readonly #virtualAddress: (label: Uint8Array) => number;

  constructor(storage: MeshStorage, state: NodeState, virtualAddress: (label: Uint8Array) => number) {
    this.#storage = storage;
    this.#state = state;
    this.#virtualAddress = virtualAddress;
  }

  /**
   * A model, with the configuration that storage has for it.
   * @param id above 0xFFFF: company and model
   */
  add(element: number, id: number, foundation = false): Model {
    const model = new Model(element, id, foundation);
    this.models.push(model);
    return model;
  }

  /** The model of an element by the element's address. */
  find(elementAddress: number, id: number): Model | undefined {
    const element = elementAddress - this.#state.address;
    return this.models.find((model) => model.element === element && model.id === id);
  }

  /** Models that share an element have one subscription list each; the node listens to all of them. */
  apply(): void {
    const groups = new Set<number>();
    const labels: Label[] = [];
    for (const model of this.models) {
      for (const group of model.groups) groups.add(group);
      for (const label of model.labels)
        if (!labels.some(({ uuid }) => equal(uuid, label.uuid))) labels.push(label);
    }
    this.#state.setGroups(groups);
    this.#state.labels = labels;
  }

  /** A label UUID with its virtual address (§3.4.2.3). */
  label(uuid: Uint8Array): Label {
    return { address: this.#virtualAddress(uuid), uuid: uuid.slice() };
  }

  /** Takes an AppKey away from all models, and ends publications with it (§4.4.1.2.6). */
  forgetAppKey(index: number): void {
    for (const model of this.models) {
      const at = model.bindings.indexOf(index);
      if (at < 0) continue;
      model.bindings.splice(at, 1);
      if (model.publication?.appKeyIndex === index) model.publication = undefined;
      this.save(model);
    }
  }

  /** @returns whether it is durable */
  save(model: Model): boolean {
    const { publication } = model;
    const writer = new ByteWriter(64).u8(model.bindings.length);
    for (const index of model.bindings) writer.u16(index);
    writer.u8(model.groups.length);
    for (const group of model.groups) writer.u16(group);
    writer.u8(model.labels.length);
    for (const { uuid } of model.labels) writer.bytes(uuid);
    if (publication !== undefined) {
      writer
        .u16(publication.address)
        .u16(publication.appKeyIndex)
        .u8(publication.friendshipCredentials ? 1 : 0)
        .u8(publication.ttl)
        .u8(publication.period)
        .u8(publication.retransmit);
      if (publication.label !== undefined) writer.bytes(publication.label);
    }
    return this.#storage.set(this.#key(model), writer.finish());
  }

  /** Takes what storage has of a model instead of what it was made with. */
  load(model: Model): void {
    const stored = this.#storage.get(this.#key(model));
    if (stored === undefined) return;
    const reader = new ByteReader(stored);
    model.bindings.length = 0;
    for (let n = reader.u8() ?? 0; n > 0; n--) model.bindings.push(reader.u16() ?? 0);
    model.groups.length = 0;
    for (let n = reader.u8() ?? 0; n > 0; n--) model.groups.push(reader.u16() ?? 0);
    model.labels.length = 0;
    for (let n = reader.u8() ?? 0; n > 0; n--) {
      const uuid = reader.view(16);
      if (uuid !== undefined) model.labels.push(this.label(uuid));
    }
    model.publication = undefined;
    if (reader.remaining < 8) return;
    const address = reader.u16()!;
    const appKeyIndex = reader.u16()!;
    const friendshipCredentials = reader.u8() === 1;
    const ttl = reader.u8()!;
    const period = reader.u8()!;
    const retransmit = reader.u8()!;
    const label = reader.view(16)?.slice();
    model.publication = { address, label, appKeyIndex, friendshipCredentials, ttl, period, retransmit };
  }

  /** Removes all that is stored of the models: at a node reset. */
  clear(): void {
    for (const model of this.models) this.#storage.delete(this.#key(model));
  }

  #key(model: Model): string {
    return `mesh.m${model.element}.${model.id.toString(16)}`;
  }
}
