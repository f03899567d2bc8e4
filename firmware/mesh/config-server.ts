import { ByteReader } from "../bytes/reader.js";
import { ByteWriter } from "../bytes/writer.js";
import { isUnicast, isVirtual, UNASSIGNED } from "./addresses.js";
import { keyHandlers } from "./config-keys.js";
import { modelHandlers } from "./config-models.js";
import {
  Config,
  packRetransmission,
  readU16le,
  Status,
  unpackRetransmission,
  writeModelId,
  writeU16le,
} from "./foundation.js";
import type { FoundationHandlers, FoundationNode, Request } from "./foundation-node.js";
import { fromLog, toLog } from "./heartbeat.js";
import { KEY_INDEX_MAX } from "./keys.js";
import type { HeartbeatPublication } from "./node-state.js";
import { Feature, TTL_MAX } from "./numbers.js";

/** A feature that the node has not (Mesh Profile §4.2.8 and its neighbours): it can be asked for but not set. */
const NOT_SUPPORTED = 2;

/** The Configuration Server (Mesh Profile §4.4.1): node states here, keys and models in their own files. */
const nodeHandlers = (): FoundationHandlers => ({
  [Config.COMPOSITION_DATA_GET]: (node, reader, writer) => {
    const page = reader.u8();
    if (page === undefined || reader.remaining > 0) return undefined;
    // §4.3.2.5: the highest page that is there and not above the one asked for, and there is only page 0.
    writer.u8(0);
    writeComposition(node, writer);
    return Config.COMPOSITION_DATA_STATUS;
  },

  [Config.BEACON_GET]: (node, reader, writer) => {
    if (reader.remaining > 0) return undefined;
    writer.u8(node.state.beacon ? 1 : 0);
    return Config.BEACON_STATUS;
  },
  [Config.BEACON_SET]: (node, reader, writer) => {
    const value = reader.u8();
    if (value === undefined || value > 1 || reader.remaining > 0) return undefined;
    node.state.beacon = value === 1;
    node.store.saveState();
    node.beaconing.refresh(node.now());
    writer.u8(value);
    return Config.BEACON_STATUS;
  },

  [Config.DEFAULT_TTL_GET]: (node, reader, writer) => {
    if (reader.remaining > 0) return undefined;
    writer.u8(node.state.defaultTtl);
    return Config.DEFAULT_TTL_STATUS;
  },
  [Config.DEFAULT_TTL_SET]: (node, reader, writer) => {
    const ttl = reader.u8();
    if (ttl === undefined || ttl === 1 || ttl > TTL_MAX || reader.remaining > 0) return undefined;
    node.state.defaultTtl = ttl;
    node.store.saveState();
    writer.u8(ttl);
    return Config.DEFAULT_TTL_STATUS;
  },

  [Config.FRIEND_GET]: (node, reader, writer) => {
    if (reader.remaining > 0) return undefined;
    writer.u8(friendState(node));
    return Config.FRIEND_STATUS;
  },
  [Config.FRIEND_SET]: (node, reader, writer) => {
    const value = reader.u8();
    if (value === undefined || value > 1 || reader.remaining > 0) return undefined;
    if (node.state.friendSupported) {
      node.state.friend = value === 1;
      node.store.saveState();
      node.featuresChanged();
    }
    writer.u8(friendState(node));
    return Config.FRIEND_STATUS;
  },

  [Config.GATT_PROXY_GET]: (_node, reader, writer) => {
    if (reader.remaining > 0) return undefined;
    writer.u8(NOT_SUPPORTED);
    return Config.GATT_PROXY_STATUS;
  },
  [Config.GATT_PROXY_SET]: (_node, reader, writer) => {
    const value = reader.u8();
    if (value === undefined || value > 1 || reader.remaining > 0) return undefined;
    writer.u8(NOT_SUPPORTED);
    return Config.GATT_PROXY_STATUS;
  },

  [Config.RELAY_GET]: (node, reader, writer) => {
    if (reader.remaining > 0) return undefined;
    writer.u8(node.state.relay ? 1 : 0).u8(packRetransmission(node.state.relayRetransmit));
    return Config.RELAY_STATUS;
  },
  [Config.RELAY_SET]: (node, reader, writer) => {
    const value = reader.u8();
    const retransmit = reader.u8();
    if (value === undefined || value > 1 || retransmit === undefined || reader.remaining > 0)
      return undefined;
    node.state.relay = value === 1;
    node.state.relayRetransmit = unpackRetransmission(retransmit);
    node.store.saveState();
    node.featuresChanged();
    writer.u8(value).u8(retransmit);
    return Config.RELAY_STATUS;
  },

  [Config.NETWORK_TRANSMIT_GET]: (node, reader, writer) => {
    if (reader.remaining > 0) return undefined;
    writer.u8(packRetransmission(node.state.networkTransmit));
    return Config.NETWORK_TRANSMIT_STATUS;
  },
  [Config.NETWORK_TRANSMIT_SET]: (node, reader, writer) => {
    const transmit = reader.u8();
    if (transmit === undefined || reader.remaining > 0) return undefined;
    node.state.networkTransmit = unpackRetransmission(transmit);
    node.store.saveState();
    writer.u8(transmit);
    return Config.NETWORK_TRANSMIT_STATUS;
  },

  [Config.LPN_POLLTIMEOUT_GET]: (node, reader, writer) => {
    const address = readU16le(reader);
    if (address === undefined || !isUnicast(address) || reader.remaining > 0) return undefined;
    const timeout = node.pollTimeout(address);
    writeU16le(writer, address);
    writeU16le(writer, timeout & 0xffff).u8(timeout >> 16);
    return Config.LPN_POLLTIMEOUT_STATUS;
  },

  [Config.NODE_RESET]: (node, reader) => {
    if (reader.remaining > 0) return undefined;
    node.reset();
    return Config.NODE_RESET_STATUS;
  },

  [Config.HEARTBEAT_PUBLICATION_GET]: (node, reader, writer) => {
    if (reader.remaining > 0) return undefined;
    writeHeartbeatPublication(node, writer, Status.SUCCESS, node.state.heartbeatPublication);
    return Config.HEARTBEAT_PUBLICATION_STATUS;
  },
  [Config.HEARTBEAT_PUBLICATION_SET]: (node, reader, writer) => {
    if (reader.remaining !== 9) return undefined;
    const publication: HeartbeatPublication = {
      destination: readU16le(reader)!,
      countLog: reader.u8()!,
      periodLog: reader.u8()!,
      ttl: reader.u8()!,
      features: readU16le(reader)!,
      netKeyIndex: readU16le(reader)!,
    };
    // Values that §4.3.2.61 prohibits; the message is passed over then.
    if (publication.countLog > 0x11 && publication.countLog !== 0xff) return undefined;
    if (publication.periodLog > 0x11 || publication.ttl > TTL_MAX) return undefined;
    if (publication.netKeyIndex > KEY_INDEX_MAX) return undefined;
    let status: Status = Status.SUCCESS;
    if (isVirtual(publication.destination)) status = Status.INVALID_ADDRESS;
    else if (node.keys.subnet(publication.netKeyIndex) === undefined) status = Status.INVALID_NETKEY_INDEX;
    if (status === Status.SUCCESS) {
      const { features } = publication;
      const known = features & (Feature.RELAY | Feature.PROXY | Feature.FRIEND | Feature.LOW_POWER);
      const off = publication.destination === UNASSIGNED;
      node.state.heartbeatPublication = off ? undefined : { ...publication, features: known };
      node.heartbeat.published(node.now());
      node.store.saveState();
      writeHeartbeatPublication(node, writer, status, node.state.heartbeatPublication);
    } else {
      writeHeartbeatPublication(node, writer, status, publication);
    }
    return Config.HEARTBEAT_PUBLICATION_STATUS;
  },

  [Config.HEARTBEAT_SUBSCRIPTION_GET]: (node, reader, writer) => {
    if (reader.remaining > 0) return undefined;
    writeHeartbeatSubscription(node, writer, Status.SUCCESS);
    return Config.HEARTBEAT_SUBSCRIPTION_STATUS;
  },
  [Config.HEARTBEAT_SUBSCRIPTION_SET]: (node, reader, writer) => {
    if (reader.remaining !== 5) return undefined;
    const source = readU16le(reader)!;
    const destination = readU16le(reader)!;
    const periodLog = reader.u8()!;
    // §4.3.2.64: from a unicast address, to this node's primary element or a group.
    if (periodLog > 0x11) return undefined;
    if (source !== UNASSIGNED && !isUnicast(source)) return undefined;
    if (isVirtual(destination)) return undefined;
    if (isUnicast(destination) && destination !== node.state.address) return undefined;
    node.heartbeat.subscribe(source, destination, periodLog, node.now());
    writeHeartbeatSubscription(node, writer, Status.SUCCESS);
    return Config.HEARTBEAT_SUBSCRIPTION_STATUS;
  },
});

/** Made for each message: such messages are rare, and 60 functions that are there take 48 bytes of flash each. */
const TABLES: readonly (() => FoundationHandlers)[] = [nodeHandlers, keyHandlers, modelHandlers];

/**
 * Answers a configuration message.
 * @returns opcode and parameters of the answer; `undefined` when there is none, because the opcode is not one of the
 * Configuration Server's or the message is not well formed
 */
export function configure(
  node: FoundationNode,
  opcode: number,
  parameters: Uint8Array,
  request: Request,
): { opcode: number; parameters: Uint8Array } | undefined {
  for (const table of TABLES) {
    const handler = table()[opcode];
    if (handler === undefined) continue;
    const writer = new ByteWriter(32);
    const answer = handler(node, new ByteReader(parameters), writer, request);
    return answer === undefined ? undefined : { opcode: answer, parameters: writer.finish() };
  }
  return undefined;
}

function friendState(node: FoundationNode): number {
  if (!node.state.friendSupported) return NOT_SUPPORTED;
  return node.state.friend ? 1 : 0;
}

/** Composition Data Page 0 (§4.2.1.1). */
function writeComposition(node: FoundationNode, writer: ByteWriter): void {
  const { composition, state, models } = node;
  writeU16le(writer, composition.companyId);
  writeU16le(writer, composition.productId);
  writeU16le(writer, composition.versionId);
  writeU16le(writer, composition.replayEntries);
  const features =
    Feature.RELAY |
    (state.friendSupported ? Feature.FRIEND : 0) |
    (state.lowPowerSupported ? Feature.LOW_POWER : 0);
  writeU16le(writer, features);
  for (let element = 0; element < state.elements; element++) {
    const sig = models.models.filter((model) => model.element === element && !model.vendor);
    const vendor = models.models.filter((model) => model.element === element && model.vendor);
    writeU16le(writer, 0).u8(sig.length).u8(vendor.length);
    for (const { id } of sig) writeModelId(writer, id);
    for (const { id } of vendor) writeModelId(writer, id);
  }
}

function writeHeartbeatPublication(
  node: FoundationNode,
  writer: ByteWriter,
  status: Status,
  publication: HeartbeatPublication | undefined,
): void {
  writer.u8(status);
  writeU16le(writer, publication?.destination ?? UNASSIGNED);
  // What is left to send, not what was set (§4.3.2.62).
  const { remaining } = node.heartbeat;
  const left = remaining === Number.POSITIVE_INFINITY ? 0xff : toLog(remaining);
  writer.u8(status === Status.SUCCESS && publication !== undefined ? left : (publication?.countLog ?? 0));
  writer.u8(publication?.periodLog ?? 0).u8(publication?.ttl ?? 0);
  writeU16le(writer, publication?.features ?? 0);
  writeU16le(writer, publication?.netKeyIndex ?? 0);
}

function writeHeartbeatSubscription(node: FoundationNode, writer: ByteWriter, status: Status): void {
  const subscription = node.heartbeat.subscription;
  writer.u8(status);
  writeU16le(writer, subscription?.source ?? UNASSIGNED);
  writeU16le(writer, subscription?.destination ?? UNASSIGNED);
  const left = subscription === undefined ? 0 : Math.max(0, subscription.until - node.now()) / 1000;
  // §4.2.18.3: the logarithm of the seconds that are left, rounded down.
  writer.u8(left < 1 ? 0 : Math.floor(Math.log2(left)) + 1);
  const count = subscription?.count ?? 0;
  writer.u8(count >= fromLog(0x11) ? 0xff : toLog(count));
  writer.u8(count === 0 ? 0 : subscription!.minHops).u8(count === 0 ? 0 : subscription!.maxHops);
}
