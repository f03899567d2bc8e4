import type { MeshMessage, MeshNode } from "../../hal/hal.js";
import { Counters } from "../bytes/counters.js";
import { Refusal } from "../bytes/refusal.js";
import { ascii, k1, k3, s1, virtualAddress } from "../crypto/mesh-keys.js";
import { encodeAccess, readOpcode } from "./access.js";
import { isUnicast, isVirtual, UNASSIGNED } from "./addresses.js";
import { Beaconing } from "./beaconing.js";
import { configure } from "./config-server.js";
import type { Composition, FoundationNode } from "./foundation-node.js";
import { Friend } from "./friend.js";
import { HealthServer } from "./health-server.js";
import { Heartbeat } from "./heartbeat.js";
import { IvIndex } from "./iv-index.js";
import { KeyStore, type NetworkCredentials, type Subnet } from "./keys.js";
import { LowPower } from "./low-power.js";
import {
  type AccessMessage,
  check,
  checkConfig,
  isTtl,
  type MeshSendOptions,
  type MeshStackOptions,
} from "./mesh-config.js";
import { type Model, ModelRegistry } from "./models.js";
import { NodeState } from "./node-state.js";
import { NodeStore } from "./node-store.js";
import {
  ACCESS_MAX,
  AdType,
  COMPANY_ID,
  ControlOpcode,
  ModelId,
  TTL_DEFAULT,
  VENDOR_MODEL_COAP,
} from "./numbers.js";
import { Publisher } from "./publisher.js";
import type { UpperPdu } from "./reassembly.js";
import { DEFAULT_LIMITS, DEFAULT_TIMING } from "./timing.js";
import { Transport } from "./transport.js";
import type { DecryptedAccess } from "./upper-transport.js";

export type { AccessMessage, MeshConfig, MeshSendOptions, MeshStackOptions } from "./mesh-config.js";

/** The answer to a Node Reset is given this long to leave before the node forgets its keys (Mesh Profile §4.4.1.2.17). */
const RESET_AFTER = 2000;
/** A quarter of all sequence numbers left: time for the network to move to another IV Index (§3.10.5). */
const IV_UPDATE_AT = 0x400000;
/** Messages of this node to itself that wait for the next tick. */
const LOOPBACK_MAX = 8;
const NEVER = Number.POSITIVE_INFINITY;

/** A Bluetooth Mesh node over raw advertisements, without I/O of its own (DESIGN §4.1, §4.2). */
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
  readonly #transport: Transport;
  readonly #beaconing: Beaconing;
  readonly #publisher: Publisher;
  readonly #store: NodeStore;
  readonly #foundation: FoundationNode;
  readonly #loopback: AccessMessage[] = [];
  #loopbackAt = NEVER;
  #resetAt = NEVER;
  #gone = false;

  /** @throws RangeError for a configuration that no node can have; the message names the field */
  constructor(options: MeshStackOptions) {
    const { config, crypto, storage, random } = options;
    checkConfig(config);
    this.#options = options;
    const limits = { ...DEFAULT_LIMITS, ...config.limits };
    const networkTransmit = config.networkTransmit ?? { count: 3, intervalMs: 20 };
    const relayRetransmit = config.relayRetransmit ?? { count: 2, intervalMs: 20 };

    this.keys = new KeyStore(crypto);
    for (const { index, key } of config.netKeys) this.keys.addSubnet(index, key);
    for (const { index, key, netKeyIndex } of config.appKeys) {
      this.keys.addAppKey(index, netKeyIndex ?? config.netKeys[0].index, key);
    }
    this.keys.setDeviceKey(config.deviceKey);

    const { unicastAddress, elements = 1, defaultTtl = 5 } = config;
    this.state = new NodeState(unicastAddress, elements, defaultTtl, networkTransmit, relayRetransmit);
    this.state.relay = config.relay ?? false;
    this.state.beacon = config.beacon ?? true;
    this.state.friendSupported = config.friend !== undefined;
    this.state.friend = config.friend ?? false;
    this.models = new ModelRegistry(storage, this.state, (label) => virtualAddress(crypto, label));
    this.#addModels();

    this.#store = new NodeStore(storage, this.keys, this.state);
    if (this.#store.claim(k3(crypto, config.netKeys[0].key), this.#life())) {
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
    // One PDU occupies the bearer for all its transmissions; the controller adds up to 10 ms to each.
    const segmentInterval = networkTransmit.count * (networkTransmit.intervalMs + 5);
    this.#transport = new Transport({
      crypto,
      storage,
      random,
      transmit: options.transmit,
      counters: this.counters,
      timing: { ...DEFAULT_TIMING, segmentInterval, ...config.timing },
      limits,
      state: this.state,
      keys: this.keys,
      iv: this.iv,
      onAccess: (upper, decrypted) => this.#onAccess(upper, decrypted),
      onControl: (upper, at) => this.#onControl(upper, at),
      onFriendshipPdu: (peer, at) => this.lowPower?.answered(peer, at),
    });
    this.friend = this.#makeFriend();
    this.#transport.friend = this.friend;
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
        onKeysChanged: (subnet) => this.#keysChanged(subnet),
      },
      now,
    );
    this.heartbeat = new Heartbeat(this.keys, this.state, this.#transport, this.counters, now);
    this.health = new HealthServer(this.state, COMPANY_ID, () => this.#store.saveState());
    this.#publisher = new Publisher({
      models: this.models,
      send: (model, opcode, parameters) => this.#publishOnce(model, opcode, parameters),
      due: (model, at) => this.#publishDue(model, at),
      divisor: (model) => (model.id === ModelId.HEALTH_SERVER ? this.health.periodDivisor : 0),
    });
    this.models.onPublication = (model) => this.#publisher.configured(model, options.now());
    for (const model of this.models.models) {
      if (model.publication !== undefined) this.#publisher.configured(model, now);
    }
    this.#foundation = this.#asFoundation({
      companyId: COMPANY_ID,
      productId: config.productId ?? 0,
      versionId: config.versionId ?? 0,
      replayEntries: limits.replayEntries,
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
      this.#loopbackAt,
      this.#transport.deadline,
      this.#beaconing.deadline,
      this.heartbeat.deadline,
      this.#publisher.deadline,
      this.health.deadline,
      this.iv.deadline,
      this.friend?.deadline ?? NEVER,
      this.lowPower?.deadline ?? NEVER,
      this.#resetAt,
    );
  }

  tick(now: number): void {
    if (this.#gone) return;
    this.#loopbackAt = NEVER;
    for (const message of this.#loopback.splice(0)) this.#dispatch(message);
    this.#transport.tick(now);
    this.#beaconing.tick(now);
    this.heartbeat.tick(now);
    this.#publisher.tick(now);
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

    const security = this.#gone ? undefined : this.#security(options);
    if (security === undefined) {
      this.counters.add("refused.no-key");
      return false;
    }
    const { key, subnet, appKeyIndex } = security;
    const before = this.deadline;
    const now = this.#options.now();
    if (this.state.listensTo(destination)) {
      if (!this.#toSelf(src, destination, opcode, parameters, ttl, subnet, appKeyIndex, options))
        return false;
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
        credentials: this.#credentials(subnet, options),
        label: options.label,
        segmented: options.segmented,
        szmic: options.longMic,
        done: options.done,
      },
      now,
    );
    if (this.#transport.sequence.left < IV_UPDATE_AT) this.startIvUpdate();
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
    const taken = this.#publisher.publish(model, opcode, parameters, this.#options.now());
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
    this.#transport.sequence.flush();
    this.#transport.replay.flush();
  }

  /** Leaves the network now: forgets all keys and what was configured, in storage too (§3.10.7). */
  reset(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#resetAt = NEVER;
    this.#transport.clear();
    this.heartbeat.clear();
    this.friend?.clear();
    this.lowPower?.stop();
    this.#store.clear();
    this.keys.clear();
    this.keys.setDeviceKey(undefined);
    this.onReset?.();
  }

  #addModels(): void {
    const { config } = this.#options;
    this.models.add(0, ModelId.CONFIGURATION_SERVER, true);
    if (config.configurationClient === true) this.models.add(0, ModelId.CONFIGURATION_CLIENT, true);
    this.models.add(0, ModelId.HEALTH_SERVER);
    for (const { element, id } of config.models ?? [{ element: 0, id: VENDOR_MODEL_COAP }]) {
      this.models.add(element, id);
    }
    for (const model of this.models.models) {
      if (model.foundation) continue;
      model.bindings.push(...config.appKeys.map(({ index }) => index));
      if (model.id === ModelId.HEALTH_SERVER) continue;
      model.groups.push(...(config.subscriptions ?? []));
      model.labels.push(...(config.labels ?? []).map((uuid) => this.models.label(uuid)));
    }
  }

  /** Tells one provisioning of this device from another, without giving anything away. */
  #life(): Uint8Array {
    const { crypto, config } = this.#options;
    const address = Uint8Array.of(config.unicastAddress >> 8, config.unicastAddress);
    const key = config.deviceKey ?? config.netKeys[0].key;
    return k1(crypto, key, s1(crypto, ascii("life")), address).slice(0, 8);
  }

  #security(options: MeshSendOptions) {
    let key = this.keys.deviceKey;
    let appKeyIndex: number | undefined;
    let subnet =
      options.netKeyIndex === undefined
        ? this.keys.subnets().next().value
        : this.keys.subnet(options.netKeyIndex);
    if (options.deviceKeyOf === undefined) {
      const appKey =
        options.appKeyIndex === undefined
          ? this.keys.appKeys().next().value
          : this.keys.appKey(options.appKeyIndex);
      if (appKey === undefined) return undefined;
      key = this.keys.transmitKey(appKey);
      subnet = this.keys.subnet(appKey.netKeyIndex);
      appKeyIndex = appKey.index;
    } else if (!this.state.isOwn(options.deviceKeyOf)) {
      key = this.keys.remoteDeviceKey(options.deviceKeyOf);
    }
    return key === undefined || subnet === undefined ? undefined : { key, subnet, appKeyIndex };
  }

  /** Those of the friendship where they are asked for and there is one (§4.2.2.4). */
  #credentials(subnet: Subnet, options: MeshSendOptions): NetworkCredentials {
    const friend = options.friendshipCredentials === true ? this.lowPower?.friend : undefined;
    const special = friend === undefined ? undefined : this.keys.friendshipCredentials(friend);
    return special ?? subnet.transmit.credentials;
  }

  /** §3.4.5: what is for this node too does not have to come back over the air. */
  #toSelf(
    src: number,
    dst: number,
    opcode: number,
    parameters: Uint8Array,
    ttl: number,
    subnet: Subnet,
    appKeyIndex: number | undefined,
    options: MeshSendOptions,
  ): boolean {
    if (this.#loopback.length >= LOOPBACK_MAX) {
      this.counters.add("refused.loopback");
      return false;
    }
    this.#loopbackAt = Math.min(this.#loopbackAt, this.#options.now());
    this.#loopback.push({
      source: src,
      destination: dst,
      opcode,
      parameters: parameters.slice(),
      ttl,
      rssi: 0,
      netKeyIndex: subnet.index,
      appKeyIndex,
      ownDeviceKey: appKeyIndex === undefined,
      label: options.label?.slice(),
    });
    return true;
  }

  #onAccess(upper: UpperPdu, decrypted: DecryptedAccess): void {
    const opcode = readOpcode(decrypted.access);
    if (opcode instanceof Refusal) {
      this.counters.add(`drop.${opcode.reason}`);
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

  #dispatch(message: AccessMessage): void {
    this.counters.add("delivered");
    this.onAccess?.(message);
    if (message.appKeyIndex === undefined) {
      // The Configuration Server is on the primary element, and speaks under this node's own device key (§4.4.1.1).
      if (message.ownDeviceKey && message.destination === this.state.address) this.#configure(message);
      return;
    }
    let application = false;
    for (const model of this.models.models) {
      if (!model.bindings.includes(message.appKeyIndex)) continue;
      if (!model.listensTo(message.destination, message.label, this.state.address)) continue;
      if (model.id === ModelId.HEALTH_SERVER) {
        const answer = this.health.handle(message.opcode, message.parameters, this.#options.now());
        if (answer !== undefined) this.#reply(message, answer.opcode, answer.parameters);
      } else {
        application = true;
      }
    }
    if (application) this.onMessage?.(message);
    else this.counters.add("drop.no-model");
  }

  #configure(message: AccessMessage): void {
    const answer = configure(this.#foundation, message.opcode, message.parameters, message);
    if (answer === undefined) this.counters.add("drop.configuration");
    else this.#reply(message, answer.opcode, answer.parameters);
  }

  /** By the keys that the message came by; without hops if it came without (§3.7.3.1). */
  #reply(message: AccessMessage, opcode: number, parameters: Uint8Array): void {
    this.send(message.source, opcode, parameters, {
      netKeyIndex: message.netKeyIndex,
      ...(message.appKeyIndex === undefined
        ? { deviceKeyOf: this.state.address }
        : { appKeyIndex: message.appKeyIndex }),
      ...(message.ttl === 0 ? { ttl: 0 } : {}),
    });
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
        this.#transport.sendControlNow(credentials, opcode, dst, ttl, parameters),
      forward: (credentials, pdu) => this.#transport.forward(credentials, pdu),
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
      busy: () => this.#transport.busy,
      sendControl: (credentials, opcode, dst, ttl, parameters) =>
        this.#transport.sendControlNow(credentials, opcode, dst, ttl, parameters),
      keyRefresh: (subnet, flag) => this.#beaconing.followKeyRefresh(subnet, flag),
      listen: (on) => this.onListen?.(on),
      onFriend: (friend) => {
        this.state.lowPower = friend !== undefined;
        this.heartbeat.featuresChanged(this.#options.now());
      },
    });
  }

  #publishOnce(model: Model, opcode: number, parameters: Uint8Array): boolean {
    const { publication } = model;
    if (publication === undefined) return false;
    return this.send(publication.address, opcode, parameters, {
      appKeyIndex: publication.appKeyIndex,
      ttl:
        publication.ttl === TTL_DEFAULT || !isTtl(publication.ttl) ? this.state.defaultTtl : publication.ttl,
      source: this.state.address + model.element,
      ...(publication.label === undefined ? {} : { label: publication.label }),
      friendshipCredentials: publication.friendshipCredentials,
    });
  }

  #publishDue(model: Model, now: number): void {
    if (model.id === ModelId.HEALTH_SERVER) {
      this.#publisher.publish(model, 0x04, this.health.currentStatus(), now);
    } else {
      this.onPublishDue?.(model.id);
    }
  }

  #ivChanged(transmitChanged: boolean): void {
    this.counters.add(this.iv.updating ? "iv.update" : "iv.normal");
    if (transmitChanged) this.#transport.sequence.restart(this.iv.transmit);
    this.#beaconing.news(this.#options.now());
    this.friend?.news();
  }

  #keysChanged(_subnet: Subnet): void {
    this.counters.add("key-refresh");
    this.#store.saveKeys();
    this.#beaconing.news(this.#options.now());
    this.friend?.news();
  }

  #asFoundation(composition: Composition): FoundationNode {
    return {
      crypto: this.#options.crypto,
      keys: this.keys,
      state: this.state,
      models: this.models,
      store: this.#store,
      heartbeat: this.heartbeat,
      beaconing: this.#beaconing,
      composition,
      now: this.#options.now,
      reset: () => {
        this.#resetAt = this.#options.now() + RESET_AFTER;
      },
      pollTimeout: (lowPowerNode) => this.friend?.pollTimeout(lowPowerNode) ?? 0,
      featuresChanged: () => {
        if (!this.state.friend) this.friend?.clear();
        this.heartbeat.featuresChanged(this.#options.now());
      },
    };
  }
}
