import type { Crypto, KeyValueStore, MeshMessage, MeshNode, MeshSendOutcome } from "../../hal/hal.js";
import { Counters } from "../bytes/counters.js";
import { Refusal } from "../bytes/refusal.js";
import { virtualAddress } from "../crypto/mesh-keys.js";
import { encodeAccess, readOpcode } from "./access.js";
import { isUnicast, isVirtual, UNASSIGNED } from "./addresses.js";
import { type AppKeyMaterial, KeyStore } from "./keys.js";
import { NodeState, type Retransmission } from "./node-state.js";
import { ACCESS_MAX, AdType, TTL_MAX } from "./numbers.js";
import type { UpperPdu } from "./reassembly.js";
import { DEFAULT_LIMITS, DEFAULT_TIMING, type MeshLimits, type MeshTiming } from "./timing.js";
import { Transport } from "./transport.js";
import type { DecryptedAccess } from "./upper-transport.js";

/** What provisioning and configuration have given to a node. */
export interface MeshConfig {
  /** Of the primary element. */
  readonly unicastAddress: number;
  /** Default 1. */
  readonly elements?: number;
  readonly netKeys: readonly { readonly index: number; readonly key: Uint8Array }[];
  /** None at all makes a blind node: it relays, and can read nothing. */
  readonly appKeys: readonly {
    readonly index: number;
    readonly key: Uint8Array;
    /** Default: the first NetKey's. */
    readonly netKeyIndex?: number;
  }[];
  readonly deviceKey?: Uint8Array;
  readonly ivIndex: number;
  /** IV Update In Progress. */
  readonly ivUpdate?: boolean;
  /** 0, or 2 to 127. Default 5. */
  readonly defaultTtl?: number;
  readonly relay?: boolean;
  /** Own PDUs. Default 3 × 20 ms. */
  readonly networkTransmit?: Retransmission;
  /** Relayed PDUs. Default 2 × 20 ms. */
  readonly relayRetransmit?: Retransmission;
  /** Group addresses. */
  readonly subscriptions?: readonly number[];
  /** Label UUIDs of virtual addresses. */
  readonly labels?: readonly Uint8Array[];
  readonly limits?: Partial<MeshLimits>;
  readonly timing?: Partial<MeshTiming>;
}

export interface MeshStackOptions {
  readonly crypto: Crypto;
  readonly storage: KeyValueStore;
  /** [0, 1): for jitter, never for keys. */
  readonly random: () => number;
  /** The clock that `receive` and `tick` get their `now` from. */
  readonly now: () => number;
  /**
   * Puts an AD structure, valid during the call only, into the bearer's queue; false when it is full. Must not call
   * back into the stack.
   */
  readonly transmit: (adStructure: Uint8Array, count: number, intervalMs: number) => boolean;
  readonly config: MeshConfig;
}

/** Options of {@link MeshStack.send} beyond those of the HAL. */
export interface MeshSendOptions {
  readonly ttl?: number;
  readonly done?: (outcome: MeshSendOutcome) => void;
  /** Default: the AppKey that was configured first. */
  readonly appKeyIndex?: number;
  /** Encrypt with the device key of this node (which may be another one) instead of an AppKey. */
  readonly deviceKeyOf?: number;
  /** Element to send from. Default: the primary one. */
  readonly source?: number;
  /** Label UUID; `destination` is its virtual address then. */
  readonly label?: Uint8Array;
  /** Have a short message acknowledged too. */
  readonly segmented?: boolean;
  /** TransMIC of 8 bytes, in segmented messages. */
  readonly longMic?: boolean;
}

/** A message from the access layer, and how it was secured. */
export interface AccessMessage extends MeshMessage {
  readonly netKeyIndex: number;
  /** `undefined`: by a device key. */
  readonly appKeyIndex: number | undefined;
  /** With a device key: by ours rather than the sender's. */
  readonly ownDeviceKey: boolean;
  readonly label: Uint8Array | undefined;
}

/** A Bluetooth Mesh node over raw advertisements, without I/O of its own (DESIGN §4.1, §4.2). */
export class MeshStack implements MeshNode {
  readonly counters = new Counters();
  readonly keys: KeyStore;
  readonly state: NodeState;
  /** Messages by an AppKey. */
  onMessage: ((message: MeshMessage) => void) | undefined;
  /** All access messages, and how they were secured; before {@link onMessage}. */
  onAccess: ((message: AccessMessage) => void) | undefined;
  /** Called when `send` has moved {@link deadline} forward, for whoever keeps a timer. */
  onWake: (() => void) | undefined;
  readonly #options: MeshStackOptions;
  readonly #transport: Transport;
  readonly #iv: { current: number; transmit: number };

  /** @throws RangeError for a configuration that no node can have; the message names the field */
  constructor(options: MeshStackOptions) {
    const { config, crypto } = options;
    this.#options = options;
    check("unicastAddress", config.unicastAddress, isUnicast(config.unicastAddress));
    const elements = config.elements ?? 1;
    check("elements", elements, elements > 0 && isUnicast(config.unicastAddress + elements - 1));
    const defaultTtl = config.defaultTtl ?? 5;
    check("defaultTtl", defaultTtl, isTtl(defaultTtl));
    check("netKeys", config.netKeys.length, config.netKeys.length > 0);
    const networkTransmit = config.networkTransmit ?? { count: 3, intervalMs: 20 };

    this.keys = new KeyStore(crypto);
    for (const { index, key } of config.netKeys) this.keys.addSubnet(index, key);
    for (const { index, key, netKeyIndex } of config.appKeys) {
      this.keys.addAppKey(index, netKeyIndex ?? config.netKeys[0].index, key);
    }
    this.keys.setDeviceKey(config.deviceKey);

    this.state = new NodeState(
      config.unicastAddress,
      elements,
      defaultTtl,
      networkTransmit,
      config.relayRetransmit ?? { count: 2, intervalMs: 20 },
    );
    this.state.relay = config.relay ?? false;
    this.state.setGroups(config.subscriptions ?? []);
    this.state.labels = (config.labels ?? []).map((uuid) => ({
      address: virtualAddress(crypto, uuid),
      uuid,
    }));

    this.#iv = {
      current: config.ivIndex,
      transmit: config.ivUpdate === true ? config.ivIndex - 1 : config.ivIndex,
    };
    // One PDU occupies the bearer for all its transmissions; the controller adds up to 10 ms to each.
    const segmentInterval = networkTransmit.count * (networkTransmit.intervalMs + 5);
    this.#transport = new Transport({
      crypto,
      storage: options.storage,
      random: options.random,
      transmit: options.transmit,
      counters: this.counters,
      timing: { ...DEFAULT_TIMING, segmentInterval, ...config.timing },
      limits: { ...DEFAULT_LIMITS, ...config.limits },
      state: this.state,
      keys: this.keys,
      iv: this.#iv,
      onAccess: (upper, decrypted, now) => this.#onAccess(upper, decrypted, now),
      onControl: (upper) => this.counters.add(`control.${upper.header}`),
    });
  }

  get address(): number {
    return this.state.address;
  }

  get deadline(): number {
    return this.#transport.deadline;
  }

  tick(now: number): void {
    this.#transport.tick(now);
  }

  /** Takes an AD structure (length, AD type, data) as it was heard; any bytes will do. */
  receive(adStructure: Uint8Array, rssi: number, now: number): void {
    // A length octet that does not agree means that this is not one AD structure.
    if (adStructure.length < 2 || adStructure[0] !== adStructure.length - 1)
      this.counters.add("drop.ad-length");
    else if (adStructure[1] === AdType.MESH_MESSAGE) this.#transport.receive(adStructure, rssi, now);
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

    let key: AppKeyMaterial | undefined;
    let subnet = this.keys.subnets().next().value;
    if (options.deviceKeyOf === undefined) {
      const appKey =
        options.appKeyIndex === undefined
          ? this.keys.appKeys().next().value
          : this.keys.appKey(options.appKeyIndex);
      if (appKey !== undefined) {
        key = this.keys.transmitKey(appKey);
        subnet = this.keys.subnet(appKey.netKeyIndex);
      }
    } else {
      key = this.state.isOwn(options.deviceKeyOf)
        ? this.keys.deviceKey
        : this.keys.remoteDeviceKey(options.deviceKeyOf);
    }
    if (key === undefined || subnet === undefined) {
      this.counters.add("refused.no-key");
      return false;
    }
    const before = this.deadline;
    const taken = this.#transport.sendAccess(
      {
        src,
        dst: destination,
        ttl,
        access,
        key,
        appKey: options.deviceKeyOf === undefined,
        credentials: subnet.transmit.credentials,
        label: options.label,
        segmented: options.segmented,
        szmic: options.longMic,
        done: options.done,
      },
      this.#options.now(),
    );
    if (this.deadline < before) this.onWake?.();
    return taken;
  }

  /** Stores counters exactly: before a clean stop, so that nothing is skipped after it. */
  flush(): void {
    this.#transport.sequence.flush();
    this.#transport.replay.flush();
  }

  #onAccess(upper: UpperPdu, decrypted: DecryptedAccess, _now: number): void {
    const opcode = readOpcode(decrypted.access);
    if (opcode instanceof Refusal) {
      this.counters.add(`drop.${opcode.reason}`);
      return;
    }
    this.counters.add("delivered");
    const message: AccessMessage = {
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
    };
    this.onAccess?.(message);
    if (message.appKeyIndex !== undefined) this.onMessage?.(message);
  }
}

/** 1 is not allowed to start with: it means "relayed, but no further" (Mesh Profile §3.4.4.4). */
function isTtl(ttl: number): boolean {
  return ttl === 0 || (ttl >= 2 && ttl <= TTL_MAX);
}

function check(field: string, value: number, right: boolean): void {
  if (!right) throw new RangeError(`${field}: ${value}`);
}
