import type { Crypto, KeyValueStore, MeshMessage, MeshSendOutcome } from "../../hal/hal.js";
import { isUnicast } from "./addresses.js";
import type { LowPowerSettings } from "./low-power.js";
import type { Retransmission } from "./node-state.js";
import { TTL_MAX } from "./numbers.js";
import type { MeshLimits, MeshTiming } from "./timing.js";

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
  /** Without one the node cannot be configured over the air. */
  readonly deviceKey?: Uint8Array;
  readonly ivIndex: number;
  /** IV Update In Progress. */
  readonly ivUpdate?: boolean;
  /** 0, or 2 to 127. Default 5. */
  readonly defaultTtl?: number;
  readonly relay?: boolean;
  /** Send secure network beacons. Default true. */
  readonly beacon?: boolean;
  /** Be friend of Low Power nodes; absent: cannot. */
  readonly friend?: boolean;
  /** Be a Low Power node: look for a friend, and have the receiver on at its word only (`stack.lowPower`). */
  readonly lowPower?: LowPowerSettings;
  /** Own PDUs. Default 2 × 20 ms. */
  readonly networkTransmit?: Retransmission;
  /** Relayed PDUs. Default 2 × 20 ms. */
  readonly relayRetransmit?: Retransmission;
  /** Group addresses that all models listen to until they are configured otherwise. */
  readonly subscriptions?: readonly number[];
  /** Label UUIDs of virtual addresses, likewise. */
  readonly labels?: readonly Uint8Array[];
  /** Models besides Configuration and Health Server. Default: the vendor model of CoAP on the primary element. */
  readonly models?: readonly { readonly element: number; readonly id: number }[];
  /** Has the Configuration Client model too. */
  readonly configurationClient?: boolean;
  /** Product and version in the composition data. Default 0. */
  readonly productId?: number;
  readonly versionId?: number;
  /** Lifts the 96 and 192 hours of the IV Update (Mesh Profile §3.10.5.1). */
  readonly ivUpdateTestMode?: boolean;
  readonly limits?: Partial<MeshLimits>;
  readonly timing?: Partial<MeshTiming>;
}

/** What a mesh stack needs of the world. */
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

/** Options of `MeshStack.send` beyond those of the HAL. */
export interface MeshSendOptions {
  readonly ttl?: number;
  /** Told once what became of the message. */
  readonly done?: (outcome: MeshSendOutcome) => void;
  /** Default: the AppKey that was configured first. */
  readonly appKeyIndex?: number;
  /** Encrypt with the device key of this node (which may be another one) instead of an AppKey. */
  readonly deviceKeyOf?: number;
  /** NetKey to send a device key message with. Default: the first one. */
  readonly netKeyIndex?: number;
  /** Element to send from. Default: the primary one. */
  readonly source?: number;
  /** Label UUID; `destination` is its virtual address then. */
  readonly label?: Uint8Array;
  /** Have a short message acknowledged too. */
  readonly segmented?: boolean;
  /** TransMIC of 8 bytes, in segmented messages. */
  readonly longMic?: boolean;
  /** By the friendship's credentials, where there is a friend. */
  readonly friendshipCredentials?: boolean;
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

/** 1 is not allowed to start with: it means "relayed, but no further" (Mesh Profile §3.4.4.4). */
export function isTtl(ttl: number): boolean {
  return ttl === 0 || (ttl >= 2 && ttl <= TTL_MAX);
}

/** @throws RangeError with the field and its value: a configuration that no node can have is a mistake */
export function check(field: string, value: number, right: boolean): void {
  if (!right) throw new RangeError(`${field}: ${value}`);
}

/** @throws RangeError for a configuration that no node can have */
export function checkConfig(config: MeshConfig): void {
  const { unicastAddress, elements = 1, defaultTtl = 5, netKeys, appKeys } = config;
  check("unicastAddress", unicastAddress, isUnicast(unicastAddress));
  check("elements", elements, elements > 0 && isUnicast(unicastAddress + elements - 1));
  check("defaultTtl", defaultTtl, isTtl(defaultTtl));
  check("netKeys", netKeys.length, netKeys.length > 0);
  // While an update is in progress the index before the current one is sent under, so there must be one.
  const lowest = config.ivUpdate === true ? 1 : 0;
  check("ivIndex", config.ivIndex, config.ivIndex >= lowest && config.ivIndex <= 0xffffffff);
  for (const { key } of netKeys) check("netKeys: length of key", key.length, key.length === 16);
  for (const { key, netKeyIndex } of appKeys) {
    check("appKeys: length of key", key.length, key.length === 16);
    if (netKeyIndex !== undefined) {
      check(
        "appKeys: netKeyIndex",
        netKeyIndex,
        netKeys.some(({ index }) => index === netKeyIndex),
      );
    }
  }
  if (config.deviceKey !== undefined) {
    check("deviceKey: length", config.deviceKey.length, config.deviceKey.length === 16);
  }
  for (const how of [config.networkTransmit, config.relayRetransmit]) {
    if (how !== undefined) check("transmissions", how.count, how.count >= 1 && how.count <= 8);
  }
}
