import type { MeshMessage, MeshNode } from "../../hal/hal.js";
import { Counters } from "../bytes/counters.js";
import { k3, virtualAddress } from "../crypto/mesh-keys.js";
import { encodeAccess } from "./access.js";
import { AccessLayer } from "./access-layer.js";
import { isUnicast, isVirtual, UNASSIGNED } from "./addresses.js";
import { Beaconing } from "./beaconing.js";
import type { FoundationNode } from "./foundation-node.js";
import { Friend } from "./friend.js";
import { HealthServer } from "./health-server.js";
import { Heartbeat } from "./heartbeat.js";
import { IvIndex } from "./iv-index.js";
import type { KeyStore } from "./keys.js";
import { LowPower } from "./low-power.js";
import {
  type AccessMessage,
  check,
  checkConfig,
  isTtl,
  type MeshSendOptions,
  type MeshStackOptions,
} from "./mesh-config.js";
import { MeshStorage } from "./mesh-storage.js";
import { ModelRegistry } from "./models.js";
import { NetworkLayer } from "./network-layer.js";
import { addModels, lifeOf, makeKeys, makeState } from "./node-setup.js";
import type { NodeState } from "./node-state.js";
import { NodeStore } from "./node-store.js";
import { ACCESS_MAX, AdType, COMPANY_ID, ControlOpcode, VENDOR_MODEL_COAP } from "./numbers.js";
import type { UpperPdu } from "./reassembly.js";
import { Repetitions } from "./repetitions.js";
import { sendingKeys } from "./sending-keys.js";
import { DEFAULT_LIMITS, timingOf } from "./timing.js";
import { Transport } from "./transport.js";

export type { AccessMessage, MeshConfig, MeshSendOptions, MeshStackOptions } from "./mesh-config.js";

/** The answer to a Node Reset is given this long to leave before the node forgets its keys (Mesh Profile §4.4.1.2.17). */
const RESET_AFTER = 2000;
/** A quarter of all sequence numbers left: time for the network to move to another IV Index (§3.10.5). */
const IV_UPDATE_AT = 0x400000;
const NEVER = Number.POSITIVE_INFINITY;

/**
 * A Bluetooth Mesh node over raw advertisements, without I/O of its own (DESIGN §4.1, §4.2). It decides nothing itself:
 * it makes the layers, says who hears of what, and is long because a node has many of them. A message goes from
 * {@link MeshStack.send} through transport.ts and network-layer.ts to the bearer, and from {@link MeshStack.receive} back.
 */
export class MeshStack implements MeshNode {
  readonly counters = new Counters();
  readonly keys: KeyStore;
  readonly state: NodeState;
  readonly models: ModelRegistry;
  readonly health: HealthServer;
  readonly heartbeat: Heartbeat;
  readonly iv: IvIndex;
  /** The Friend feature, where the node has it. */
  readonly friend: Friend | undefined;
  /** The Low Power feature, where the node has it. */
  readonly lowPower: LowPower | undefined;
  /** Whether the application waits for something: a Low Power node asks its friend more often then. */
  expects: (() => boolean) | undefined;
  /** The receiver must be on, or may be off (Low Power nodes only). */
  onListen: ((on: boolean) => void) | undefined;
  /** Messages by an AppKey that a model of this node is bound to. */
  onMessage: ((message: MeshMessage) => void) | undefined;
  /** All access messages, and how they were secured; before {@link onMessage}. */
  onAccess: ((message: AccessMessage) => void) | undefined;
  /** Called when `send` has moved {@link deadline} forward, for whoever keeps a timer. */
  onWake: (() => void) | undefined;
  /** A model's publish period is over; the application publishes what it has. */
  onPublishDue: ((modelId: number) => void) | undefined;
  /** The node has left its network: all its keys are gone, also from storage. */
  onReset: (() => void) | undefined;
  readonly #options: MeshStackOptions;
  readonly #network: NetworkLayer;
  readonly #repetitions: Repetitions;
  readonly #transport: Transport;
  readonly #beaconing: Beaconing;
  readonly #access: AccessLayer;
  readonly #store: NodeStore;
  #resetAt = NEVER;
  #gone = false;

  /** @throws RangeError for a configuration that no node can have; the message names the field */
  constructor(options: MeshStackOptions) {
    const { config, crypto, random } = options;
    checkConfig(config);
    const storage = new MeshStorage(options.storage, this.counters);
    this.#options = options;
    const limits = { ...DEFAULT_LIMITS, ...config.limits };

    this.keys = makeKeys(crypto, config);
    this.state = makeState(config);
    this.models = new ModelRegistry(storage, this.state, (label) => virtualAddress(crypto, label));
    addModels(this.models, config);

    this.#store = new NodeStore(storage, this.keys, this.state);
    if (this.#store.claim(k3(crypto, config.netKeys[0].key), lifeOf(crypto, config))) {
      this.#store.loadKeys();
      this.#store.loadState();
      for (const model of this.models.models) this.models.load(model);
    }
    this.models.apply();

    const now = options.now();
    this.iv = new IvIndex({
      storage,
      ivIndex: config.ivIndex,
      updating: config.ivUpdate ?? false,
      testMode: config.ivUpdateTestMode ?? false,
      now,
      changed: (transmitChanged) => this.#ivChanged(transmitChanged),
      busy: () => this.#transport.busy,
    });
    this.#repetitions = new Repetitions({
      transmit: options.transmit,
      counters: this.counters,
      now: options.now,
      capacity: limits.repetitions,
    });
    this.#network = new NetworkLayer({
      storage,
      transmit: options.transmit,
      relay: (frame, count, interval) => this.#repetitions.send(frame, count, interval),
      counters: this.counters,
      limits,
      state: this.state,
      keys: this.keys,
      iv: this.iv,
    });
    this.#transport = new Transport({
      storage,
      random,
      network: this.#network,
      counters: this.counters,
      timing: timingOf(config.timing, this.state),
      limits,
      state: this.state,
      keys: this.keys,
      onAccess: (upper, decrypted) => this.#access.receive(upper, decrypted),
      onControl: (upper, at) => this.#onControl(upper, at),
      onFriendshipPdu: (peer, at) => this.lowPower?.answered(peer, at),
    });
    this.friend = this.#makeFriend();
    this.#network.friend = this.friend;
    this.lowPower = this.#makeLowPower();
    this.lowPower?.start(now);
    this.#beaconing = new Beaconing(
      {
        crypto,
        keys: this.keys,
        state: this.state,
        iv: this.iv,
        counters: this.counters,
        random,
        transmit: options.transmit,
        onKeysChanged: () => this.#keysChanged(),
      },
      now,
    );
    this.heartbeat = new Heartbeat(this.keys, this.state, this.#transport, this.counters, now);
    this.health = new HealthServer(this.state, COMPANY_ID, () => this.#store.saveState());
    this.#access = new AccessLayer({
      state: this.state,
      models: this.models,
      health: this.health,
      foundation: this.#asFoundation(limits.replayEntries),
      counters: this.counters,
      now: options.now,
      send: (destination, opcode, parameters, how) => this.send(destination, opcode, parameters, how),
      onAccess: (message) => this.onAccess?.(message),
      onMessage: (message) => this.onMessage?.(message),
      onPublishDue: (model) => this.onPublishDue?.(model.id),
    });
  }

  get address(): number {
    return this.state.address;
  }

  /** Messages that wait or are being sent. */
  get sending(): number {
    return this.#transport.sending;
  }

  /** Messages of which only some segments have come. */
  get receiving(): number {
    return this.#transport.receiving;
  }

  get deadline(): number {
    if (this.#gone) return NEVER;
    return Math.min(
      this.#access.deadline,
      this.#repetitions.deadline,
      this.#transport.deadline,
      this.#beaconing.deadline,
      this.heartbeat.deadline,
      this.health.deadline,
      this.iv.deadline,
      this.friend?.deadline ?? NEVER,
      this.lowPower?.deadline ?? NEVER,
      this.#resetAt,
    );
  }

  /** Does what is due at `now` (ms) in all layers. */
  tick(now: number): void {
    if (this.#gone) return;
    this.#access.tick(now);
    this.#repetitions.tick(now);
    this.#transport.tick(now);
    this.#beaconing.tick(now);
    this.heartbeat.tick(now);
    this.health.tick(now);
    this.iv.tick(now);
    this.friend?.tick(now);
    this.lowPower?.tick(now);
    if (this.#resetAt <= now) this.reset();
  }

  /** Takes an AD structure (length, AD type, data) as it was heard; any bytes will do. */
  receive(adStructure: Uint8Array, rssi: number, now: number): void {
    if (this.#gone) return;
    if (this.lowPower?.listening === false) {
      this.counters.add("drop.asleep");
      return;
    }
    // A length octet that does not agree means that this is not one AD structure.
    if (adStructure.length < 2 || adStructure[0] !== adStructure.length - 1) {
      this.counters.add("drop.ad-length");
      return;
    }
    const type = adStructure[1];
    if (type === AdType.MESH_MESSAGE) this.#transport.receive(adStructure, rssi, now);
    else if (type === AdType.MESH_BEACON) this.#beaconing.receive(adStructure.subarray(2), now);
    else this.counters.add("drop.ad-type");
  }

  send(destination: number, opcode: number, parameters: Uint8Array, options: MeshSendOptions = {}): boolean {
    check("destination", destination, destination > UNASSIGNED && destination <= 0xffff);
    const ttl = options.ttl ?? this.state.defaultTtl;
    check("ttl", ttl, isTtl(ttl));
    const src = options.source ?? this.state.address;
    check("source", src, this.state.isOwn(src));
    check("label", destination, isVirtual(destination) === (options.label !== undefined));
    const access = encodeAccess(opcode, parameters);
    check("parameters", parameters.length, access.length + (options.longMic === true ? 4 : 0) <= ACCESS_MAX);

    const security = this.#gone
      ? undefined
      : sendingKeys(this.keys, this.state, options, this.lowPower?.friend);
    if (security === undefined) {
      this.counters.add("refused.no-key");
      return false;
    }
    const { key, appKeyIndex, netKeyIndex, credentials } = security;
    const before = this.deadline;
    const now = this.#options.now();
    if (this.state.listensTo(destination)) {
      const message: AccessMessage = {
        source: src,
        destination,
        opcode,
        parameters: parameters.slice(),
        ttl,
        rssi: 0,
        netKeyIndex,
        appKeyIndex,
        ownDeviceKey: appKeyIndex === undefined,
        label: options.label?.slice(),
      };
      if (!this.#access.toSelf(message)) return false;
      if (isUnicast(destination)) {
        options.done?.("sent");
        this.onWake?.();
        return true;
      }
    }
    const taken = this.#transport.sendAccess(
      {
        src,
        dst: destination,
        ttl,
        access,
        key,
        appKey: appKeyIndex !== undefined,
        credentials,
        label: options.label,
        segmented: options.segmented,
        szmic: options.longMic,
        done: options.done,
      },
      now,
    );
    if (this.#network.sequence.left < IV_UPDATE_AT) this.startIvUpdate();
    this.lowPower?.expect(now);
    if (this.deadline < before) this.onWake?.();
    return taken;
  }

  /**
   * Publishes a message of a model as the Configuration Server was told to.
   * @returns false when the model has no publication, or there is no room for it now
   */
  publish(opcode: number, parameters: Uint8Array, modelId = VENDOR_MODEL_COAP): boolean {
    const model = this.models.models.find(({ id }) => id === modelId);
    if (model === undefined || this.#gone) return false;
    const taken = this.#access.publish(model, opcode, parameters);
    this.onWake?.();
    return taken;
  }

  /**
   * Begins an IV Update (Mesh Profile §3.10.5).
   * @returns false when this node may not: it is not in the primary subnet, or it is too early
   */
  startIvUpdate(): boolean {
    return this.keys.subnet(0) !== undefined && this.iv.start(this.#options.now());
  }

  /** Stores counters exactly: before a clean stop, so that nothing is skipped after it. */
  flush(): void {
    if (this.#gone) return;
    this.#network.sequence.flush();
    this.#transport.replay.flush();
  }

  /** Leaves the network now: forgets all keys and what was configured, in storage too (§3.10.7). */
  reset(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#resetAt = NEVER;
    this.#transport.clear();
    this.#repetitions.clear();
    this.heartbeat.clear();
    this.friend?.clear();
    this.lowPower?.stop();
    this.#store.clear();
    this.keys.clear();
    this.keys.setDeviceKey(undefined);
    this.onReset?.();
  }

  #onControl(upper: UpperPdu, now: number): void {
    switch (upper.header) {
      case ControlOpcode.HEARTBEAT:
        this.heartbeat.receive(upper, now);
        break;
      case ControlOpcode.FRIEND_REQUEST:
      case ControlOpcode.FRIEND_POLL:
      case ControlOpcode.FRIEND_CLEAR:
      case ControlOpcode.FRIEND_CLEAR_CONFIRM:
      case ControlOpcode.SUBSCRIPTION_LIST_ADD:
      case ControlOpcode.SUBSCRIPTION_LIST_REMOVE:
        if (this.friend === undefined || !this.state.friend) this.counters.add("drop.no-friend");
        else this.friend.receive(upper, now);
        break;
      case ControlOpcode.FRIEND_OFFER:
      case ControlOpcode.FRIEND_UPDATE:
      case ControlOpcode.SUBSCRIPTION_LIST_CONFIRM:
        if (this.lowPower === undefined) this.counters.add("drop.no-low-power");
        else this.lowPower.receive(upper, now);
        break;
      default:
        this.counters.add("drop.control-opcode");
    }
  }

  #makeFriend(): Friend | undefined {
    if (!this.state.friendSupported) return undefined;
    return new Friend({
      keys: this.keys,
      state: this.state,
      iv: this.iv,
      counters: this.counters,
      sendControl: (credentials, opcode, dst, ttl, parameters) =>
        this.#network.sendControlNow(credentials, opcode, dst, ttl, parameters),
      forward: (credentials, pdu) => this.#network.forward(credentials, pdu),
    });
  }

  #makeLowPower(): LowPower | undefined {
    const settings = this.#options.config.lowPower;
    if (settings === undefined) return undefined;
    return new LowPower({
      ...settings,
      keys: this.keys,
      state: this.state,
      iv: this.iv,
      counters: this.counters,
      random: this.#options.random,
      expects: () => this.#transport.busy || this.expects?.() === true,
      sendControl: (credentials, opcode, dst, ttl, parameters) =>
        this.#network.sendControlNow(credentials, opcode, dst, ttl, parameters),
      keyRefresh: (subnet, flag) => this.#beaconing.followKeyRefresh(subnet, flag),
      listen: (on) => this.onListen?.(on),
      onFriend: (friend) => {
        this.state.lowPower = friend !== undefined;
        this.heartbeat.featuresChanged(this.#options.now());
      },
    });
  }

  #ivChanged(transmitChanged: boolean): void {
    this.counters.add(this.iv.updating ? "iv.update" : "iv.normal");
    if (transmitChanged) this.#network.sequence.restart(this.iv.transmit);
    this.#securityChanged();
  }

  #keysChanged(): void {
    this.counters.add("key-refresh");
    this.#store.saveKeys();
    this.#securityChanged();
  }

  /** The neighbours, and Low Power nodes, should know soon. */
  #securityChanged(): void {
    this.#beaconing.news(this.#options.now());
    this.friend?.news();
  }

  #asFoundation(replayEntries: number): FoundationNode {
    const { productId = 0, versionId = 0 } = this.#options.config;
    return {
      crypto: this.#options.crypto,
      keys: this.keys,
      state: this.state,
      models: this.models,
      store: this.#store,
      heartbeat: this.heartbeat,
      beaconing: this.#beaconing,
      composition: { companyId: COMPANY_ID, productId, versionId, replayEntries },
      now: this.#options.now,
      reset: () => {
        this.#resetAt = this.#options.now() + RESET_AFTER;
      },
      securityChanged: () => this.#securityChanged(),
      pollTimeout: (lowPowerNode) => this.friend?.pollTimeout(lowPowerNode) ?? 0,
      featuresChanged: () => {
        if (!this.state.friend) this.friend?.clear();
        this.heartbeat.featuresChanged(this.#options.now());
      },
    };
  }
}
