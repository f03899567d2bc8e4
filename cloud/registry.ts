import { isDeepStrictEqual } from "node:util";
import { ContextParameterError, type ContextParameters, deriveContext } from "../firmware/oscore/context.js";
import { ContextTable } from "../firmware/oscore/context-table.js";
import type { Change } from "../firmware/oscore/store.js";
import type { Crypto } from "../hal/hal.js";
import { type ContextHost, DeviceContext, FRESH } from "./context.js";
import { Device } from "./device.js";
import { DeviceTable } from "./device-table.js";
import { RegistryError, StartupError, WRONG_KEY } from "./errors.js";
import { type Heard, parseHealth } from "./health.js";
import type { NodeInfo } from "./model.js";
import { checkNode, type NodeSpec, type OscoreSpec } from "./node-spec.js";
import {
  type ContextDraft,
  type ContextRecord,
  ContextTaken,
  type NodeRecord,
  type Registered,
  type Snapshot,
  type Store,
  type Takeover,
} from "./store/store.js";
import type { ContextKeys, Vault } from "./vault.js";

const DEFAULT_ALGORITHM = 10;

/** Which devices there are, and whose context a request was protected with. */
export class Registry {
  readonly #store: Store;
  readonly #vault: Vault;
  readonly #host: ContextHost;
  readonly #wallTime: () => number;
  readonly #devices = new DeviceTable();
  readonly #contexts = new ContextTable<DeviceContext>();
  /** Names of removed devices by their numbers: their readings stay. */
  readonly #former = new Map<number, string>();
  readonly #nameOf = (id: number): string | undefined =>
    this.#devices.get(id)?.record.name ?? this.#former.get(id);

  /** Called before a change is written: whatever is still to be committed has to be. */
  settle: () => void | Promise<void> = () => {};
  onChanged: (device: Device, how: "added" | "changed" | "removed") => void = () => {};
  /** Called when what another server on the same store has changed could not be taken over. */
  onTrouble: (error: Error) => void = () => {};
  /** Changes of our own so far. */
  #changes = 0;
  /** ms since 1970: since when silence means anything. */
  readonly started: number;
  /** What others changed while the first look at the store was under way. */
  readonly #missed = new Set<number | undefined>();

  constructor(store: Store, vault: Vault, crypto: Crypto, wallTime: () => number) {
    this.#store = store;
    this.#host = { crypto, reserve: (context, count) => store.reserve(context, count) };
    this.#vault = vault;
    this.#wallTime = wallTime;
    this.started = wallTime();
    store.onChanged = (node) => this.#missed.add(node);
  }

  /** @throws StartupError when the vault's key is not the one that the store was written with */
  restore(snapshot: Snapshot): void {
    for (const { id, name } of snapshot.former) this.#former.set(id, name);
    for (const record of snapshot.nodes) this.#devices.put(new Device(record));
    for (const record of snapshot.contexts) {
      const device = this.#devices.get(record.node);
      if (device !== undefined) this.replace(device, this.#open(device, record));
    }
    for (const reading of snapshot.newest) {
      const device = this.#devices.get(reading.node);
      if (device === undefined) continue;
      device.last = reading;
      device.lastSeen = reading.received;
      device.gateway = reading.gateway;
    }
    for (const { node, interval } of snapshot.intervals) {
      const device = this.#devices.get(node);
      if (device !== undefined) device.interval = interval;
    }
    for (const { node, time, body } of snapshot.health) {
      const device = this.#devices.get(node);
      if (device === undefined) continue;
      device.health = parseHealth(body, time);
      device.lastSeen = Math.max(device.lastSeen ?? 0, time);
    }
    this.#store.onChanged = (node) => this.refresh(node);
    for (const node of this.#missed) this.refresh(node);
  }

  /** @throws StartupError when the vault's key is not the one that the store was written with */
  #open(device: Device, record: ContextRecord): DeviceContext {
    const keys = this.#vault.open(record.keys);
    if (keys === undefined) {
      throw new StartupError(WRONG_KEY);
    }
    return new DeviceContext(record.id, device, this.#host, parametersOf(keys), record, record.replayWindow);
  }

  /** Puts another context into the place of a device's, in memory only. */
  replace(device: Device, context: DeviceContext | undefined): void {
    if (device.context !== undefined) this.#contexts.remove(device.context);
    device.context = context;
    if (context !== undefined) this.#contexts.add(context);
  }

  /** Puts the keys that node and server have made (RFC 8613 App. B.2) into the place of the former ones, in memory only. */
  takeOver(change: Change<DeviceContext> & { kind: "replace" }): {
    readonly context: DeviceContext;
    readonly takeover: Takeover;
  } {
    const from = change.context;
    const context = from.successor(change);
    this.replace(from.device, context);
    const keys = keysOf(context.parameters);
    return {
      context,
      takeover: { from, fingerprint: this.#vault.fingerprint(keys), keys: this.#vault.seal(keys) },
    };
  }

  /** As firmware/oscore's ContextStore asks. */
  find(kid: Uint8Array, kidContext: Uint8Array | undefined): readonly DeviceContext[] {
    return this.#contexts.find(kid, kidContext);
  }

  device(id: number): Device | undefined {
    return this.#devices.get(id);
  }

  named(name: string): Device | undefined {
    return this.#devices.named(name);
  }

  atMeshAddress(address: number): Device | undefined {
    return this.#devices.atMeshAddress(address);
  }

  devices(): IterableIterator<Device> {
    return this.#devices.all();
  }

  get size(): number {
    return this.#devices.size;
  }

  get nameOf(): (id: number) => string | undefined {
    return this.#nameOf;
  }

  /** The number of a device by its name, removed ones too. */
  numberOf(name: string): number | undefined {
    const device = this.#devices.named(name);
    if (device !== undefined) return device.record.id;
    for (const [id, former] of this.#former) if (former === name) return id;
    return undefined;
  }

  get(name: string): NodeInfo | undefined {
    const device = this.#devices.named(name);
    return device && this.info(device);
  }

  list(): NodeInfo[] {
    return Array.from(this.#devices.all(), (device) => this.info(device));
  }

  info(device: Device): NodeInfo {
    return device.info(this.#nameOf, this.hops(device));
  }

  /**
   * How far a node is from its gateway: what the gateway it speaks through last reported, else the newest report of
   * another one. Relays and gateways cannot see inside a message, so this is hearsay, for people and not for decisions.
   */
  hops(device: Device): number | undefined {
    const address = device.record.meshAddress;
    if (address === undefined) return undefined;
    const own = device.gateway === undefined ? undefined : this.#devices.get(device.gateway);
    const direct = own?.health?.heard.get(address);
    if (direct !== undefined) return direct.hops;
    let newest: Heard | undefined;
    for (const gateway of this.#devices.gateways()) {
      const heard = gateway.health?.heard.get(address);
      if (heard !== undefined && heard.at > (newest?.at ?? 0)) newest = heard;
    }
    return newest?.hops;
  }

  /**
   * Adds a device or changes it. The same keys keep what was accepted under them, also when the device had been removed
   * in between: a recorded message stays a recorded message.
   * @throws RegistryError with a sentence for a person
   */
  async upsert(spec: NodeSpec): Promise<{ created: boolean; node: NodeInfo }> {
    checkNode(spec);
    const known = this.#devices.named(spec.name);
    const meshAddress = spec.meshAddress ?? known?.record.meshAddress;
    const other = meshAddress === undefined ? undefined : this.#devices.atMeshAddress(meshAddress);
    if (other !== undefined && other !== known) {
      throw new RegistryError(`mesh address ${meshAddress} belongs to "${other.record.name}"`, 409);
    }
    const context = spec.oscore === undefined ? "keep" : this.#draft(spec.oscore);
    const replayWindow = spec.replayWindow ?? known?.context?.replayWindow ?? 1;
    await this.settle();
    const saved = await this.#save(spec, known, meshAddress, context, replayWindow);

    const device = await this.#deviceOf(saved.node);
    this.#devices.put(device, saved.node);
    // What is in memory of keys that stay is never older than what is on the disk.
    if (saved.context?.id !== device.context?.id) {
      this.replace(device, saved.context && this.#open(device, saved.context));
    }
    if (device.context !== undefined) device.context.replayWindow = replayWindow;
    this.#changes++;
    this.onChanged(device, known === undefined ? "added" : "changed");
    return { created: known === undefined, node: this.info(device) };
  }

  async #deviceOf(record: NodeRecord): Promise<Device> {
    const device = this.#devices.get(record.id) ?? (await this.#revive(record));
    // Somebody else may have had it first while we waited.
    return this.#devices.get(record.id) ?? device;
  }

  /** A new device, or one whose name was here before: then with its newest reading. */
  async #revive(record: NodeRecord): Promise<Device> {
    const device = new Device(record);
    if (!this.#former.delete(record.id)) return device;
    const [newest] = await this.#store.readings({ node: record.id, limit: 1 });
    device.last = newest;
    return device;
  }

  /** @throws RegistryError */
  #draft(spec: OscoreSpec): ContextDraft {
    const keys: ContextKeys = {
      masterSecret: spec.masterSecret,
      masterSalt: spec.masterSalt ?? new Uint8Array(0),
      nodeId: spec.nodeId,
      serverId: spec.serverId,
      idContext: spec.idContext,
      algorithm: spec.algorithm ?? DEFAULT_ALGORITHM,
    };
    if (keys.masterSecret.length < 16 || keys.masterSecret.length > 64) {
      throw new RegistryError("oscore.masterSecret: 16 to 64 bytes");
    }
    if (keys.masterSalt.length > 64) throw new RegistryError("oscore.masterSalt: at most 64 bytes");
    if ((keys.idContext?.length ?? 0) > 32) throw new RegistryError("oscore.idContext: at most 32 bytes");
    try {
      deriveContext(this.#host.crypto, parametersOf(keys));
    } catch (error) {
      if (!(error instanceof ContextParameterError)) throw error;
      // The message names the fields from our side.
      const { field, message } = error;
      const named = field === "senderId" ? "serverId" : field === "recipientId" ? "nodeId" : field;
      throw new RegistryError(`oscore.${named}${message.slice(message.indexOf(":"))}`);
    }
    const { nodeId, idContext } = keys;
    const fingerprint = this.#vault.fingerprint(keys);
    const used = spec.used === true;
    return {
      fingerprint,
      nodeId,
      idContext,
      keys: this.#vault.seal(keys),
      seen: used ? undefined : FRESH.seen,
      senderSequence: used ? undefined : 0,
    };
  }

  async #save(
    spec: NodeSpec,
    known: Device | undefined,
    meshAddress: number | undefined,
    context: ContextDraft | "keep",
    replayWindow: number,
  ) {
    try {
      return await this.#store.saveNode({
        name: spec.name,
        kind: spec.kind ?? known?.record.kind ?? "node",
        meshAddress,
        place: spec.place ?? known?.record.place,
        now: this.#wallTime(),
        context,
        replayWindow,
      });
    } catch (error) {
      if (error instanceof ContextTaken) throw new RegistryError(error.message, 409);
      throw error;
    }
  }

  /** @returns false when there is no such device */
  async remove(name: string): Promise<boolean> {
    const device = this.#devices.named(name);
    if (device === undefined) return false;
    await this.settle();
    await this.#store.removeNode(device.record.id, this.#wallTime());
    this.#changes++;
    this.#forget(device);
    return true;
  }

  #forget(device: Device): void {
    const { id, name } = device.record;
    this.replace(device, undefined);
    this.#devices.delete(device);
    this.#former.set(id, name);
    this.onChanged(device, "removed");
  }

  /**
   * Takes over what another server on the same store has changed.
   * @param id of the device; without: of any
   */
  refresh(id?: number): void {
    this.#refresh(id).catch((error: Error) => this.onTrouble(error));
  }

  async #refresh(id: number | undefined): Promise<void> {
    let registered: Registered[];
    let changes: number;
    do {
      // What we change meanwhile ourselves is newer than what we are told.
      changes = this.#changes;
      registered = await this.#store.registered(id);
    } while (changes !== this.#changes);
    const gone = new Set(id === undefined ? this.#devices.ids() : [id]);
    for (const { node, context } of registered) {
      gone.delete(node.id);
      const device = await this.#deviceOf(node);
      const changed = !isDeepStrictEqual(device.record, node) || device.context?.id !== context?.id;
      if (!changed && this.#devices.has(node.id)) continue;
      this.#devices.put(device, node);
      // 0: new keys are about to come here, and their commit will tell whether they do.
      if (device.context?.id !== 0 && device.context?.id !== context?.id) {
        this.replace(device, context && this.#open(device, context));
      }
      if (context !== undefined && device.context !== undefined) {
        device.context.replayWindow = context.replayWindow;
      }
      this.onChanged(device, "changed");
    }
    for (const number of gone) {
      const device = this.#devices.get(number);
      if (device !== undefined) this.#forget(device);
    }
  }
}

/** The server's side of a node's keys. */
export function parametersOf({ nodeId, serverId, ...shared }: ContextKeys): ContextParameters {
  return { ...shared, senderId: serverId, recipientId: nodeId };
}

function keysOf({
  masterSecret,
  masterSalt,
  senderId,
  recipientId,
  ...shared
}: ContextParameters): ContextKeys {
  return {
    masterSecret,
    masterSalt: masterSalt ?? new Uint8Array(0),
    nodeId: recipientId,
    serverId: senderId,
    idContext: shared.idContext,
    algorithm: shared.algorithm ?? DEFAULT_ALGORITHM,
  };
}
