import { concat, equal } from "../bytes/compare.js";
import { ByteReader } from "../bytes/reader.js";
import { ByteWriter } from "../bytes/writer.js";
import type { KeyRefreshPhase, KeyStore } from "./keys.js";
import type { MeshStorage } from "./mesh-storage.js";
import type { HeartbeatPublication, NodeState } from "./node-state.js";

const IDENTITY = "mesh.id";
const NET_KEYS = "mesh.net";
const APP_KEYS = "mesh.app";
const STATE = "mesh.cfg";
const VERSION = 1;

/**
 * What the Configuration Server has changed, in storage: it counts more than what the node was started with, as long
 * as the node is the same one.
 */
export class NodeStore {
  readonly #storage: MeshStorage;
  readonly #keys: KeyStore;
  readonly #state: NodeState;

  constructor(storage: MeshStorage, keys: KeyStore, state: NodeState) {
    this.#storage = storage;
    this.#keys = keys;
    this.#state = state;
  }

  /**
   * Whether storage is of this very node. Otherwise it was provisioned anew, and what another life was configured
   * with is dropped. In another network SEQ, IV Index and replay list are dropped too. In the same network they stay:
   * the peers remember the address, and would drop everything from a node that begins at a low SEQ again.
   * @param network names the network, 8 bytes
   * @param life differs after each provisioning, 8 bytes
   */
  claim(network: Uint8Array, life: Uint8Array): boolean {
    const stored = this.#storage.get(IDENTITY);
    if (stored !== undefined && equal(stored.subarray(0, 8), network)) {
      if (equal(stored.subarray(8), life)) return true;
      this.clear();
    } else if (stored !== undefined) {
      for (const key of this.#storage.keys()) if (key.startsWith("mesh.")) this.#storage.delete(key);
    }
    this.#storage.set(IDENTITY, concat(network, life));
    return false;
  }

  /** Drops what was configured, but not SEQ, IV Index and replay list. */
  clear(): void {
    for (const key of this.#storage.keys()) {
      if (key.startsWith("mesh.m") || key === NET_KEYS || key === APP_KEYS || key === STATE) {
        this.#storage.delete(key);
      }
    }
  }

  /** @returns whether they are durable */
  saveKeys(): boolean {
    const net = new ByteWriter(64).u8(VERSION);
    for (const subnet of this.#keys.subnets()) {
      net.u16(subnet.index).u8(subnet.phase).bytes(subnet.current.key);
      net.u8(subnet.next === undefined ? 0 : 1);
      if (subnet.next !== undefined) net.bytes(subnet.next.key);
    }
    const app = new ByteWriter(64).u8(VERSION);
    for (const appKey of this.#keys.appKeys()) {
      app.u16(appKey.index).u16(appKey.netKeyIndex).bytes(appKey.current.key);
      app.u8(appKey.next === undefined ? 0 : 1);
      if (appKey.next !== undefined) app.bytes(appKey.next.key);
    }
    // The NetKeys last: an AppKey without its NetKey is passed over, a phase without its AppKeys would be worse.
    return this.#storage.set(APP_KEYS, app.finish()) && this.#storage.set(NET_KEYS, net.finish());
  }

  /** @returns whether there were keys in storage, which then replace all that the store had */
  loadKeys(): boolean {
    const net = this.#storage.get(NET_KEYS);
    const app = this.#storage.get(APP_KEYS);
    if (net === undefined || app === undefined || net[0] !== VERSION || app[0] !== VERSION) return false;
    this.#keys.clear();
    const nets = new ByteReader(net, 1);
    while (nets.remaining >= 20) {
      const index = nets.u16()!;
      const phase = nets.u8()! as KeyRefreshPhase;
      const subnet = this.#keys.addSubnet(index, nets.view(16)!);
      subnet.phase = phase;
      const next = nets.u8() === 1 ? nets.view(16) : undefined;
      if (next !== undefined) this.#keys.setNextNetKey(subnet, next);
    }
    const apps = new ByteReader(app, 1);
    while (apps.remaining >= 21) {
      const index = apps.u16()!;
      const netKeyIndex = apps.u16()!;
      const key = apps.view(16)!;
      const next = apps.u8() === 1 ? apps.view(16) : undefined;
      if (this.#keys.subnet(netKeyIndex) === undefined) continue;
      const appKey = this.#keys.addAppKey(index, netKeyIndex, key);
      if (next !== undefined) this.#keys.setNextAppKey(appKey, next);
    }
    return true;
  }

  /** @returns whether it is durable */
  saveState(): boolean {
    const state = this.#state;
    const writer = new ByteWriter(32)
      .u8(VERSION)
      .u8(state.defaultTtl)
      .u8((state.relay ? 1 : 0) | (state.friend ? 2 : 0) | (state.beacon ? 4 : 0))
      .u8(state.networkTransmit.count)
      .u16(state.networkTransmit.intervalMs)
      .u8(state.relayRetransmit.count)
      .u16(state.relayRetransmit.intervalMs)
      .u8(state.healthPeriod);
    const heartbeat = state.heartbeatPublication;
    // A count that runs is not stored: after a restart heartbeats without an end go on, counted ones do not (§4.2.18.2).
    if (heartbeat !== undefined && heartbeat.countLog === 0xff) {
      writer
        .u16(heartbeat.destination)
        .u8(heartbeat.periodLog)
        .u8(heartbeat.ttl)
        .u16(heartbeat.features)
        .u16(heartbeat.netKeyIndex);
    }
    return this.#storage.set(STATE, writer.finish());
  }

  /** Takes the node's states from storage, where they are. */
  loadState(): void {
    const stored = this.#storage.get(STATE);
    if (stored === undefined || stored[0] !== VERSION || stored.length < 10) return;
    const reader = new ByteReader(stored, 1);
    const state = this.#state;
    state.defaultTtl = reader.u8()!;
    const flags = reader.u8()!;
    state.relay = (flags & 1) !== 0;
    state.friend = (flags & 2) !== 0 && state.friendSupported;
    state.beacon = (flags & 4) !== 0;
    state.networkTransmit = { count: reader.u8()!, intervalMs: reader.u16()! };
    state.relayRetransmit = { count: reader.u8()!, intervalMs: reader.u16()! };
    state.healthPeriod = reader.u8()!;
    if (reader.remaining < 8) return;
    const destination = reader.u16()!;
    const periodLog = reader.u8()!;
    const ttl = reader.u8()!;
    const features = reader.u16()!;
    const heartbeat: HeartbeatPublication = {
      destination,
      countLog: 0xff,
      periodLog,
      ttl,
      features,
      netKeyIndex: reader.u16()!,
    };
    state.heartbeatPublication = heartbeat;
  }
}
