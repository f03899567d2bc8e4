import { equalConstantTime } from "../bytes/compare.js";
import type { ByteReader } from "../bytes/reader.js";
import type { ByteWriter } from "../bytes/writer.js";
import {
  Config,
  readIndexPair,
  readU16le,
  Status,
  writeIndexes,
  writeIndexPair,
  writeU16le,
} from "./foundation.js";
import type { FoundationHandlers, FoundationNode } from "./foundation-node.js";
import { KEY_INDEX_MAX } from "./keys.js";

/** Keys that fit into one stored value each. */
export const SUBNETS_MAX = 8;
/** AppKeys that a node takes. */
export const APP_KEYS_MAX = 8;

/** NetKeys, AppKeys and the key refresh (Mesh Profile §4.4.1.2). */
export const keyHandlers = (): FoundationHandlers => ({
  [Config.NETKEY_ADD]: (node, reader, writer) =>
    withNetKey(reader, writer, (index, key) => {
      const known = node.keys.subnet(index);
      if (known !== undefined) {
        return equalConstantTime(known.current.key, key) ? saved(node) : Status.KEY_INDEX_ALREADY_STORED;
      }
      if (node.keys.subnetCount >= SUBNETS_MAX) return Status.INSUFFICIENT_RESOURCES;
      node.keys.addSubnet(index, key);
      node.beaconing.refresh(node.now());
      return saved(node);
    }),

  [Config.NETKEY_UPDATE]: (node, reader, writer) =>
    withNetKey(reader, writer, (index, key) => {
      const subnet = node.keys.subnet(index);
      if (subnet === undefined) return Status.INVALID_NETKEY_INDEX;
      // §3.10.4.1: the new key starts phase 1; sent once more it changes nothing, and another one is refused.
      if (subnet.phase === 0) {
        if (equalConstantTime(subnet.current.key, key)) return Status.KEY_INDEX_ALREADY_STORED;
        node.keys.setNextNetKey(subnet, key);
        subnet.phase = 1;
        return saved(node);
      }
      return subnet.phase === 1 && subnet.next !== undefined && equalConstantTime(subnet.next.key, key)
        ? saved(node)
        : Status.CANNOT_UPDATE;
    }),

  [Config.NETKEY_DELETE]: (node, reader, writer, request) => {
    const index = readIndex(reader);
    if (index === undefined || reader.remaining > 0) return undefined;
    let status: Status = Status.SUCCESS;
    if (node.keys.subnet(index) !== undefined) {
      // §4.4.1.2.2: the key by which the message came would have to secure the answer.
      if (index === request.netKeyIndex || node.keys.subnetCount === 1) {
        status = Status.CANNOT_REMOVE;
      } else {
        for (const { index: appKey, netKeyIndex } of [...node.keys.appKeys()]) {
          if (netKeyIndex === index) node.models.forgetAppKey(appKey);
        }
        node.keys.removeSubnet(index);
        if (node.state.heartbeatPublication?.netKeyIndex === index) {
          node.state.heartbeatPublication = undefined;
          node.heartbeat.published(node.now());
          node.store.saveState();
        }
        status = saved(node);
        node.beaconing.refresh(node.now());
      }
    }
    writeU16le(writer.u8(status), index);
    return Config.NETKEY_STATUS;
  },

  [Config.NETKEY_GET]: (node, reader, writer) => {
    if (reader.remaining > 0) return undefined;
    writeIndexes(
      writer,
      [...node.keys.subnets()].map(({ index }) => index),
    );
    return Config.NETKEY_LIST;
  },

  [Config.APPKEY_ADD]: (node, reader, writer) =>
    withAppKey(reader, writer, (netKeyIndex, index, key) => {
      if (node.keys.subnet(netKeyIndex) === undefined) return Status.INVALID_NETKEY_INDEX;
      const known = node.keys.appKey(index);
      if (known !== undefined) {
        if (known.netKeyIndex !== netKeyIndex) return Status.INVALID_NETKEY_INDEX;
        return equalConstantTime(known.current.key, key) ? saved(node) : Status.KEY_INDEX_ALREADY_STORED;
      }
      if (node.keys.appKeyCount >= APP_KEYS_MAX) return Status.INSUFFICIENT_RESOURCES;
      node.keys.addAppKey(index, netKeyIndex, key);
      return saved(node);
    }),

  [Config.APPKEY_UPDATE]: (node, reader, writer) =>
    withAppKey(reader, writer, (netKeyIndex, index, key) => {
      const subnet = node.keys.subnet(netKeyIndex);
      if (subnet === undefined) return Status.INVALID_NETKEY_INDEX;
      const appKey = node.keys.appKey(index);
      if (appKey === undefined) return Status.INVALID_APPKEY_INDEX;
      if (appKey.netKeyIndex !== netKeyIndex) return Status.INVALID_BINDING;
      // §3.10.4.1: AppKeys are updated while their NetKey's refresh is in phase 1.
      if (subnet.phase !== 1) return Status.CANNOT_UPDATE;
      if (appKey.next !== undefined) {
        return equalConstantTime(appKey.next.key, key) ? saved(node) : Status.KEY_INDEX_ALREADY_STORED;
      }
      node.keys.setNextAppKey(appKey, key);
      return saved(node);
    }),

  [Config.APPKEY_DELETE]: (node, reader, writer) => {
    const pair = readIndexPair(reader);
    if (pair === undefined || reader.remaining > 0) return undefined;
    const [netKeyIndex, index] = pair;
    writer.u8(deleteAppKey(node, netKeyIndex, index));
    writeIndexPair(writer, netKeyIndex, index);
    return Config.APPKEY_STATUS;
  },

  [Config.APPKEY_GET]: (node, reader, writer) => {
    const netKeyIndex = readIndex(reader);
    if (netKeyIndex === undefined || reader.remaining > 0) return undefined;
    const known = node.keys.subnet(netKeyIndex) !== undefined;
    writeU16le(writer.u8(known ? Status.SUCCESS : Status.INVALID_NETKEY_INDEX), netKeyIndex);
    const bound = [...node.keys.appKeys()].filter((key) => key.netKeyIndex === netKeyIndex);
    writeIndexes(
      writer,
      bound.map(({ index }) => index),
    );
    return Config.APPKEY_LIST;
  },

  [Config.KEY_REFRESH_PHASE_GET]: (node, reader, writer) => {
    const index = readIndex(reader);
    if (index === undefined || reader.remaining > 0) return undefined;
    writePhase(node, writer, index, Status.SUCCESS);
    return Config.KEY_REFRESH_PHASE_STATUS;
  },

  [Config.KEY_REFRESH_PHASE_SET]: (node, reader, writer) => {
    const index = readIndex(reader);
    const transition = reader.u8();
    if (index === undefined || reader.remaining > 0 || (transition !== 2 && transition !== 3))
      return undefined;
    const subnet = node.keys.subnet(index);
    let status: Status = Status.SUCCESS;
    if (subnet !== undefined) {
      // Table of §4.2.14: 2 is for phase 1 (and says nothing new in phase 2), 3 ends whatever is going on.
      if (transition === 2 && subnet.phase === 0) status = Status.CANNOT_UPDATE;
      else if (transition === 2) subnet.phase = 2;
      else if (subnet.phase !== 0) node.keys.completeRefresh(subnet);
      if (status === Status.SUCCESS) status = saved(node);
      node.securityChanged();
    }
    writePhase(node, writer, index, status);
    return Config.KEY_REFRESH_PHASE_STATUS;
  },

  [Config.NODE_IDENTITY_GET]: (node, reader, writer) => {
    const index = readIndex(reader);
    if (index === undefined || reader.remaining > 0) return undefined;
    writeIdentity(node, writer, index);
    return Config.NODE_IDENTITY_STATUS;
  },

  [Config.NODE_IDENTITY_SET]: (node, reader, writer) => {
    const index = readIndex(reader);
    const identity = reader.u8();
    if (index === undefined || identity === undefined || identity > 1 || reader.remaining > 0)
      return undefined;
    writeIdentity(node, writer, index);
    return Config.NODE_IDENTITY_STATUS;
  },
});

function deleteAppKey(node: FoundationNode, netKeyIndex: number, index: number): Status {
  if (node.keys.subnet(netKeyIndex) === undefined) return Status.INVALID_NETKEY_INDEX;
  const appKey = node.keys.appKey(index);
  if (appKey === undefined) return Status.SUCCESS;
  if (appKey.netKeyIndex !== netKeyIndex) return Status.INVALID_BINDING;
  node.keys.removeAppKey(index);
  node.models.forgetAppKey(index);
  return saved(node);
}

/** The keys as they are now, in storage: so that a request repeated after a failure is tried again. */
function saved(node: FoundationNode): Status {
  return node.store.saveKeys() ? Status.SUCCESS : Status.STORAGE_FAILURE;
}

function writePhase(node: FoundationNode, writer: ByteWriter, index: number, status: Status): void {
  const subnet = node.keys.subnet(index);
  writeU16le(writer.u8(subnet === undefined ? Status.INVALID_NETKEY_INDEX : status), index);
  writer.u8(subnet?.phase ?? 0);
}

/** Node Identity is a matter of the proxy feature, which this node has not (§4.2.12): 2. */
function writeIdentity(node: FoundationNode, writer: ByteWriter, index: number): void {
  const known = node.keys.subnet(index) !== undefined;
  writeU16le(writer.u8(known ? Status.SUCCESS : Status.INVALID_NETKEY_INDEX), index).u8(known ? 2 : 0);
}

/** A 12-bit index in two bytes; the upper four bits are for future use and must be passed over (§4.3.1.1). */
function readIndex(reader: ByteReader): number | undefined {
  const value = readU16le(reader);
  return value === undefined ? undefined : value & KEY_INDEX_MAX;
}

function withNetKey(
  reader: ByteReader,
  writer: ByteWriter,
  apply: (index: number, key: Uint8Array) => Status,
): number | undefined {
  const index = readIndex(reader);
  const key = reader.view(16);
  if (index === undefined || key === undefined || reader.remaining > 0) return undefined;
  writeU16le(writer.u8(apply(index, key)), index);
  return Config.NETKEY_STATUS;
}

function withAppKey(
  reader: ByteReader,
  writer: ByteWriter,
  apply: (netKeyIndex: number, index: number, key: Uint8Array) => Status,
): number | undefined {
  const pair = readIndexPair(reader);
  const key = reader.view(16);
  if (pair === undefined || key === undefined || reader.remaining > 0) return undefined;
  writeIndexPair(writer.u8(apply(pair[0], pair[1], key)), pair[0], pair[1]);
  return Config.APPKEY_STATUS;
}
