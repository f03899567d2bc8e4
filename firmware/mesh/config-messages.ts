/**
 * Every message of the Configuration Client and its answer (Mesh Profile §4.3.2), one short function each: a table, as
 * long as the specification's.
 */

import { ByteReader } from "../bytes/reader.js";
import { Refusal } from "../bytes/refusal.js";
import { ByteWriter } from "../bytes/writer.js";
import {
  Config,
  packRetransmission,
  readIndexes,
  readIndexPair,
  readModelId,
  readU16le,
  writeIndexPair,
  writeModelId,
  writeU16le,
} from "./foundation.js";
import type { HeartbeatPublication, Retransmission } from "./node-state.js";

/** A request of the Configuration Client (Mesh Profile §4.3.2): what to send, and what the answer's opcode is. */
export interface ConfigRequest {
  readonly opcode: number;
  readonly parameters: Uint8Array;
  readonly answer: number;
  /**
   * How many bytes of the parameters the answer repeats behind its status: by them the answer to this request is told
   * from a late one to an earlier request of the same kind.
   */
  readonly echo: number;
}

/** Where {@link ConfigRequest.echo} is one of these, the bytes are a key index, two of them, or all there are. */
const INDEX = 2;
const INDEX_PAIR = 3;
const ALL = 24;

function request(
  opcode: number,
  answer: number,
  fill?: (writer: ByteWriter) => void,
  echo = 0,
): ConfigRequest {
  const writer = new ByteWriter(24);
  fill?.(writer);
  const parameters = writer.finish();
  return { opcode, parameters, answer, echo: Math.min(echo, parameters.length) };
}

/** Whether an answer is one to this request. */
export function answers(request: ConfigRequest, opcode: number, parameters: Uint8Array): boolean {
  if (opcode !== request.answer) return false;
  if (request.echo > 0 && parameters.length < 1 + request.echo) return false;
  for (let i = 0; i < request.echo; i++) if (parameters[1 + i] !== request.parameters[i]) return false;
  return true;
}

/** Node states. */
export const compositionGet = (page = 0) =>
  request(Config.COMPOSITION_DATA_GET, Config.COMPOSITION_DATA_STATUS, (w) => w.u8(page));
/** Does it send secure network beacons? (§4.3.2.1) */
export const beaconGet = () => request(Config.BEACON_GET, Config.BEACON_STATUS);
/** Turns secure network beacons on or off (§4.3.2.2). */
export const beaconSet = (on: boolean) =>
  request(Config.BEACON_SET, Config.BEACON_STATUS, (w) => w.u8(on ? 1 : 0));
/** Which TTL do its messages begin with? (§4.3.2.6) */
export const defaultTtlGet = () => request(Config.DEFAULT_TTL_GET, Config.DEFAULT_TTL_STATUS);
/** TTL of what it sends (§4.3.2.7). */
export const defaultTtlSet = (ttl: number) =>
  request(Config.DEFAULT_TTL_SET, Config.DEFAULT_TTL_STATUS, (w) => w.u8(ttl));
/** Is it a friend? (§4.3.2.55) */
export const friendGet = () => request(Config.FRIEND_GET, Config.FRIEND_STATUS);
/** Turns the Friend feature on or off (§4.3.2.56). */
export const friendSet = (on: boolean) =>
  request(Config.FRIEND_SET, Config.FRIEND_STATUS, (w) => w.u8(on ? 1 : 0));
/** Is it a GATT proxy? (§4.3.2.9) */
export const gattProxyGet = () => request(Config.GATT_PROXY_GET, Config.GATT_PROXY_STATUS);
/** Does it relay, and how often? (§4.3.2.12) */
export const relayGet = () => request(Config.RELAY_GET, Config.RELAY_STATUS);
/** Turns relaying on or off, and how often it sends what it relays (§4.3.2.13). */
export const relaySet = (on: boolean, retransmit: Retransmission) =>
  request(Config.RELAY_SET, Config.RELAY_STATUS, (w) => w.u8(on ? 1 : 0).u8(packRetransmission(retransmit)));
/** How often does it send what is its own? (§4.3.2.69) */
export const networkTransmitGet = () => request(Config.NETWORK_TRANSMIT_GET, Config.NETWORK_TRANSMIT_STATUS);
/** How often it sends what is its own (§4.3.2.70). */
export const networkTransmitSet = (transmit: Retransmission) =>
  request(Config.NETWORK_TRANSMIT_SET, Config.NETWORK_TRANSMIT_STATUS, (w) =>
    w.u8(packRetransmission(transmit)),
  );
/** For how long may this Low Power node of its be silent? (§4.3.2.67) */
export const pollTimeoutGet = (lowPowerNode: number) =>
  request(Config.LPN_POLLTIMEOUT_GET, Config.LPN_POLLTIMEOUT_STATUS, (w) => writeU16le(w, lowPowerNode));
/** Leaves the network (§4.3.2.53). */
export const nodeReset = () => request(Config.NODE_RESET, Config.NODE_RESET_STATUS);

/** Keys. */
export const netKeyAdd = (index: number, key: Uint8Array) =>
  request(Config.NETKEY_ADD, Config.NETKEY_STATUS, (w) => writeU16le(w, index).bytes(key), INDEX);
/** The next key of a subnet, which begins the Key Refresh (§4.3.2.32). */
export const netKeyUpdate = (index: number, key: Uint8Array) =>
  request(Config.NETKEY_UPDATE, Config.NETKEY_STATUS, (w) => writeU16le(w, index).bytes(key), INDEX);
/** Leaves a subnet (§4.3.2.33). */
export const netKeyDelete = (index: number) =>
  request(Config.NETKEY_DELETE, Config.NETKEY_STATUS, (w) => writeU16le(w, index), INDEX);
/** Which subnets does it know? (§4.3.2.35) */
export const netKeyGet = () => request(Config.NETKEY_GET, Config.NETKEY_LIST);
/** An AppKey for a subnet; 16 bytes (§4.3.2.37). */
export const appKeyAdd = (netKeyIndex: number, index: number, key: Uint8Array) =>
  request(
    Config.APPKEY_ADD,
    Config.APPKEY_STATUS,
    (w) => writeIndexPair(w, netKeyIndex, index).bytes(key),
    INDEX_PAIR,
  );
/** The next key in place of an AppKey, during a Key Refresh; 16 bytes (§4.3.2.38). */
export const appKeyUpdate = (netKeyIndex: number, index: number, key: Uint8Array) =>
  request(
    Config.APPKEY_UPDATE,
    Config.APPKEY_STATUS,
    (w) => writeIndexPair(w, netKeyIndex, index).bytes(key),
    INDEX_PAIR,
  );
/** Takes an AppKey away (§4.3.2.39). */
export const appKeyDelete = (netKeyIndex: number, index: number) =>
  request(
    Config.APPKEY_DELETE,
    Config.APPKEY_STATUS,
    (w) => writeIndexPair(w, netKeyIndex, index),
    INDEX_PAIR,
  );
/** Which AppKeys does it have for this subnet? (§4.3.2.41) */
export const appKeyGet = (netKeyIndex: number) =>
  request(Config.APPKEY_GET, Config.APPKEY_LIST, (w) => writeU16le(w, netKeyIndex), INDEX);
/** In which phase of the Key Refresh is it? (§4.3.2.58) */
export const keyRefreshPhaseGet = (netKeyIndex: number) =>
  request(
    Config.KEY_REFRESH_PHASE_GET,
    Config.KEY_REFRESH_PHASE_STATUS,
    (w) => writeU16le(w, netKeyIndex),
    INDEX,
  );
/**
 * Moves the Key Refresh on (§4.3.2.59).
 * @param transition 2: use the new keys; 3: forget the old ones (§4.2.14)
 */
export const keyRefreshPhaseSet = (netKeyIndex: number, transition: 2 | 3) =>
  request(
    Config.KEY_REFRESH_PHASE_SET,
    Config.KEY_REFRESH_PHASE_STATUS,
    (w) => writeU16le(w, netKeyIndex).u8(transition),
    INDEX,
  );
/** Does it advertise its identity? (§4.3.2.43) */
export const nodeIdentityGet = (netKeyIndex: number) =>
  request(Config.NODE_IDENTITY_GET, Config.NODE_IDENTITY_STATUS, (w) => writeU16le(w, netKeyIndex), INDEX);

/** Models: `element` is the element's address, `model` below 0x10000 for SIG models. */
export const modelAppBind = (element: number, appKeyIndex: number, model: number) =>
  request(
    Config.MODEL_APP_BIND,
    Config.MODEL_APP_STATUS,
    (w) => writeModelId(writeU16le(writeU16le(w, element), appKeyIndex), model),
    ALL,
  );
/** Takes an AppKey away from a model (§4.3.2.47). */
export const modelAppUnbind = (element: number, appKeyIndex: number, model: number) =>
  request(
    Config.MODEL_APP_UNBIND,
    Config.MODEL_APP_STATUS,
    (w) => writeModelId(writeU16le(writeU16le(w, element), appKeyIndex), model),
    ALL,
  );
/**
 * AppKeys of a model (§4.3.2.49, §4.3.2.51).
 * @param model above 0xFFFF: company and model
 */
export const modelAppGet = (element: number, model: number) =>
  model > 0xffff
    ? request(
        Config.VENDOR_MODEL_APP_GET,
        Config.VENDOR_MODEL_APP_LIST,
        (w) => writeModelId(writeU16le(w, element), model),
        ALL,
      )
    : request(
        Config.SIG_MODEL_APP_GET,
        Config.SIG_MODEL_APP_LIST,
        (w) => writeModelId(writeU16le(w, element), model),
        ALL,
      );

/** What a model shall publish to; an address of 0 ends it. */
export interface PublicationToSet {
  /** An address, or a Label UUID. */
  readonly address: number | Uint8Array;
  readonly appKeyIndex: number;
  readonly friendshipCredentials?: boolean;
  /** 0xFF: the node's default. */
  readonly ttl: number;
  readonly period?: number;
  readonly retransmit?: number;
}

/** Where does this model publish? (§4.3.2.15) */
export const modelPublicationGet = (element: number, model: number) =>
  request(
    Config.MODEL_PUBLICATION_GET,
    Config.MODEL_PUBLICATION_STATUS,
    (w) => writeModelId(writeU16le(w, element), model),
    2,
  );
/** Where, how often and with which key a model publishes (§4.3.2.16, §4.3.2.17). */
export function modelPublicationSet(
  element: number,
  model: number,
  publication: PublicationToSet,
): ConfigRequest {
  const { address } = publication;
  const virtual = typeof address !== "number";
  return request(
    virtual ? Config.MODEL_PUBLICATION_VIRTUAL_SET : Config.MODEL_PUBLICATION_SET,
    Config.MODEL_PUBLICATION_STATUS,
    (w) => {
      writeU16le(w, element);
      if (virtual) w.bytes(address);
      else writeU16le(w, address);
      writeU16le(w, publication.appKeyIndex | (publication.friendshipCredentials === true ? 0x1000 : 0));
      w.u8(publication.ttl)
        .u8(publication.period ?? 0)
        .u8(publication.retransmit ?? 0);
      writeModelId(w, model);
    },
    // The publish address is not repeated in an answer that refuses it.
    2,
  );
}

/** @param address a group address, or a Label UUID */
function subscription(
  group: number,
  virtual: number,
  element: number,
  address: number | Uint8Array,
  model: number,
): ConfigRequest {
  const label = typeof address !== "number";
  return request(
    label ? virtual : group,
    Config.MODEL_SUBSCRIPTION_STATUS,
    (w) => {
      writeU16le(w, element);
      if (label) w.bytes(address);
      else writeU16le(w, address);
      writeModelId(w, model);
    },
    label ? 2 : ALL,
  );
}
/**
 * The model listens to one more group (§4.3.2.19, §4.3.2.20).
 * @param address a group, or the 16 bytes of a label UUID
 */
export const modelSubscriptionAdd = (element: number, address: number | Uint8Array, model: number) =>
  subscription(Config.MODEL_SUBSCRIPTION_ADD, Config.MODEL_SUBSCRIPTION_VIRTUAL_ADD, element, address, model);
/**
 * The model listens to one group less (§4.3.2.21, §4.3.2.22).
 * @param address a group, or the 16 bytes of a label UUID
 */
export const modelSubscriptionDelete = (element: number, address: number | Uint8Array, model: number) =>
  subscription(
    Config.MODEL_SUBSCRIPTION_DELETE,
    Config.MODEL_SUBSCRIPTION_VIRTUAL_DELETE,
    element,
    address,
    model,
  );
/**
 * The model listens to this group alone (§4.3.2.23, §4.3.2.24).
 * @param address a group, or the 16 bytes of a label UUID
 */
export const modelSubscriptionOverwrite = (element: number, address: number | Uint8Array, model: number) =>
  subscription(
    Config.MODEL_SUBSCRIPTION_OVERWRITE,
    Config.MODEL_SUBSCRIPTION_VIRTUAL_OVERWRITE,
    element,
    address,
    model,
  );
/** The model listens to no group any more (§4.3.2.25). */
export const modelSubscriptionDeleteAll = (element: number, model: number) =>
  request(
    Config.MODEL_SUBSCRIPTION_DELETE_ALL,
    Config.MODEL_SUBSCRIPTION_STATUS,
    (w) => writeModelId(writeU16le(w, element), model),
    2,
  );
/** Which groups does the model listen to? (§4.3.2.27, §4.3.2.29) */
export const modelSubscriptionGet = (element: number, model: number) =>
  model > 0xffff
    ? request(
        Config.VENDOR_MODEL_SUBSCRIPTION_GET,
        Config.VENDOR_MODEL_SUBSCRIPTION_LIST,
        (w) => writeModelId(writeU16le(w, element), model),
        ALL,
      )
    : request(
        Config.SIG_MODEL_SUBSCRIPTION_GET,
        Config.SIG_MODEL_SUBSCRIPTION_LIST,
        (w) => writeModelId(writeU16le(w, element), model),
        ALL,
      );

/** Heartbeats. */
export const heartbeatPublicationGet = () =>
  request(Config.HEARTBEAT_PUBLICATION_GET, Config.HEARTBEAT_PUBLICATION_STATUS);
/** Where and how often it sends heartbeats (§4.3.2.62). */
export const heartbeatPublicationSet = (publication: HeartbeatPublication) =>
  request(
    Config.HEARTBEAT_PUBLICATION_SET,
    Config.HEARTBEAT_PUBLICATION_STATUS,
    (w) => {
      writeU16le(w, publication.destination)
        .u8(publication.countLog)
        .u8(publication.periodLog)
        .u8(publication.ttl);
      writeU16le(writeU16le(w, publication.features), publication.netKeyIndex);
    },
    2,
  );
/** Which heartbeats has it heard? (§4.3.2.64) */
export const heartbeatSubscriptionGet = () =>
  request(Config.HEARTBEAT_SUBSCRIPTION_GET, Config.HEARTBEAT_SUBSCRIPTION_STATUS);
/**
 * Which heartbeats it counts (§4.3.2.65).
 * @param periodLog 2^(n−1) s
 */
export const heartbeatSubscriptionSet = (source: number, destination: number, periodLog: number) =>
  request(Config.HEARTBEAT_SUBSCRIPTION_SET, Config.HEARTBEAT_SUBSCRIPTION_STATUS, (w) =>
    writeU16le(writeU16le(w, source), destination).u8(periodLog),
  );

/** An element in Composition Data Page 0 (§4.2.1.1). */
export interface ElementComposition {
  readonly location: number;
  /** SIG models, then vendor models. */
  readonly models: readonly number[];
}

/** What a node is made of (§4.2.1.1), decoded. */
export interface CompositionData {
  readonly companyId: number;
  readonly productId: number;
  readonly versionId: number;
  readonly replayEntries: number;
  readonly features: number;
  readonly elements: readonly ElementComposition[];
}

/** Reads a Composition Data Status of page 0. */
export function readComposition(parameters: Uint8Array): CompositionData | Refusal<"composition"> {
  const reader = new ByteReader(parameters);
  const cut = new Refusal("composition" as const, `${parameters.length} bytes`);
  if (reader.u8() !== 0 || reader.remaining < 10) return cut;
  const companyId = readU16le(reader)!;
  const productId = readU16le(reader)!;
  const versionId = readU16le(reader)!;
  const replayEntries = readU16le(reader)!;
  const features = readU16le(reader)!;
  const elements: ElementComposition[] = [];
  while (reader.remaining >= 4) {
    const location = readU16le(reader)!;
    const sig = reader.u8()!;
    const vendor = reader.u8()!;
    if (reader.remaining < 2 * sig + 4 * vendor) return cut;
    const models: number[] = [];
    for (let i = 0; i < sig; i++) models.push(readU16le(reader)!);
    for (let i = 0; i < vendor; i++) {
      const company = readU16le(reader)!;
      models.push(company * 0x10000 + readU16le(reader)!);
    }
    elements.push({ location, models });
  }
  if (reader.remaining > 0) return cut;
  return { companyId, productId, versionId, replayEntries, features, elements };
}

/**
 * The status code of an answer that has one in its first byte.
 * @returns `undefined` for answers without one (states that cannot fail)
 */
export function statusOf(opcode: number, parameters: Uint8Array): number | undefined {
  switch (opcode) {
    case Config.APPKEY_STATUS:
    case Config.APPKEY_LIST:
    case Config.KEY_REFRESH_PHASE_STATUS:
    case Config.MODEL_PUBLICATION_STATUS:
    case Config.MODEL_SUBSCRIPTION_STATUS:
    case Config.SIG_MODEL_SUBSCRIPTION_LIST:
    case Config.VENDOR_MODEL_SUBSCRIPTION_LIST:
    case Config.HEARTBEAT_PUBLICATION_STATUS:
    case Config.HEARTBEAT_SUBSCRIPTION_STATUS:
    case Config.MODEL_APP_STATUS:
    case Config.NETKEY_STATUS:
    case Config.NODE_IDENTITY_STATUS:
    case Config.SIG_MODEL_APP_LIST:
    case Config.VENDOR_MODEL_APP_LIST:
      return parameters[0];
    default:
      return undefined;
  }
}

/** NetKey indexes of a NetKey List, or AppKey indexes of an AppKey List behind status and NetKeyIndex. */
export function readKeyList(opcode: number, parameters: Uint8Array): number[] | undefined {
  return readIndexes(new ByteReader(parameters, opcode === Config.APPKEY_LIST ? 3 : 0));
}

/** NetKeyIndex and AppKeyIndex of an AppKey Status. */
export function readAppKeyStatus(parameters: Uint8Array): [netKeyIndex: number, index: number] | undefined {
  return readIndexPair(new ByteReader(parameters, 1));
}

/** The model that an answer about a model is about: its last two or four bytes. */
export function readModelOf(parameters: Uint8Array, at: number): number | undefined {
  return readModelId(new ByteReader(parameters, at));
}
