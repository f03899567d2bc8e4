/** Numbers and packings that the Configuration and Health models share (Mesh Profile §4.3). */

import type { ByteReader } from "../bytes/reader.js";
import type { ByteWriter } from "../bytes/writer.js";
import type { Retransmission } from "./node-state.js";

/** Opcodes of the Configuration models (§4.3.4.1). */
export const Config = {
  APPKEY_ADD: 0x00,
  APPKEY_UPDATE: 0x01,
  COMPOSITION_DATA_STATUS: 0x02,
  MODEL_PUBLICATION_SET: 0x03,
  HEARTBEAT_PUBLICATION_STATUS: 0x06,
  APPKEY_DELETE: 0x8000,
  APPKEY_GET: 0x8001,
  APPKEY_LIST: 0x8002,
  APPKEY_STATUS: 0x8003,
  COMPOSITION_DATA_GET: 0x8008,
  BEACON_GET: 0x8009,
  BEACON_SET: 0x800a,
  BEACON_STATUS: 0x800b,
  DEFAULT_TTL_GET: 0x800c,
  DEFAULT_TTL_SET: 0x800d,
  DEFAULT_TTL_STATUS: 0x800e,
  FRIEND_GET: 0x800f,
  FRIEND_SET: 0x8010,
  FRIEND_STATUS: 0x8011,
  GATT_PROXY_GET: 0x8012,
  GATT_PROXY_SET: 0x8013,
  GATT_PROXY_STATUS: 0x8014,
  KEY_REFRESH_PHASE_GET: 0x8015,
  KEY_REFRESH_PHASE_SET: 0x8016,
  KEY_REFRESH_PHASE_STATUS: 0x8017,
  MODEL_PUBLICATION_GET: 0x8018,
  MODEL_PUBLICATION_STATUS: 0x8019,
  MODEL_PUBLICATION_VIRTUAL_SET: 0x801a,
  MODEL_SUBSCRIPTION_ADD: 0x801b,
  MODEL_SUBSCRIPTION_DELETE: 0x801c,
  MODEL_SUBSCRIPTION_DELETE_ALL: 0x801d,
  MODEL_SUBSCRIPTION_OVERWRITE: 0x801e,
  MODEL_SUBSCRIPTION_STATUS: 0x801f,
  MODEL_SUBSCRIPTION_VIRTUAL_ADD: 0x8020,
  MODEL_SUBSCRIPTION_VIRTUAL_DELETE: 0x8021,
  MODEL_SUBSCRIPTION_VIRTUAL_OVERWRITE: 0x8022,
  NETWORK_TRANSMIT_GET: 0x8023,
  NETWORK_TRANSMIT_SET: 0x8024,
  NETWORK_TRANSMIT_STATUS: 0x8025,
  RELAY_GET: 0x8026,
  RELAY_SET: 0x8027,
  RELAY_STATUS: 0x8028,
  SIG_MODEL_SUBSCRIPTION_GET: 0x8029,
  SIG_MODEL_SUBSCRIPTION_LIST: 0x802a,
  VENDOR_MODEL_SUBSCRIPTION_GET: 0x802b,
  VENDOR_MODEL_SUBSCRIPTION_LIST: 0x802c,
  LPN_POLLTIMEOUT_GET: 0x802d,
  LPN_POLLTIMEOUT_STATUS: 0x802e,
  HEARTBEAT_PUBLICATION_GET: 0x8038,
  HEARTBEAT_PUBLICATION_SET: 0x8039,
  HEARTBEAT_SUBSCRIPTION_GET: 0x803a,
  HEARTBEAT_SUBSCRIPTION_SET: 0x803b,
  HEARTBEAT_SUBSCRIPTION_STATUS: 0x803c,
  MODEL_APP_BIND: 0x803d,
  MODEL_APP_STATUS: 0x803e,
  MODEL_APP_UNBIND: 0x803f,
  NETKEY_ADD: 0x8040,
  NETKEY_DELETE: 0x8041,
  NETKEY_GET: 0x8042,
  NETKEY_LIST: 0x8043,
  NETKEY_STATUS: 0x8044,
  NETKEY_UPDATE: 0x8045,
  NODE_IDENTITY_GET: 0x8046,
  NODE_IDENTITY_SET: 0x8047,
  NODE_IDENTITY_STATUS: 0x8048,
  NODE_RESET: 0x8049,
  NODE_RESET_STATUS: 0x804a,
  SIG_MODEL_APP_GET: 0x804b,
  SIG_MODEL_APP_LIST: 0x804c,
  VENDOR_MODEL_APP_GET: 0x804d,
  VENDOR_MODEL_APP_LIST: 0x804e,
} as const;

/** Opcodes of the Health models (§4.3.4.2). */
export const Health = {
  CURRENT_STATUS: 0x04,
  FAULT_STATUS: 0x05,
  ATTENTION_GET: 0x8004,
  ATTENTION_SET: 0x8005,
  ATTENTION_SET_UNACKNOWLEDGED: 0x8006,
  ATTENTION_STATUS: 0x8007,
  FAULT_CLEAR: 0x802f,
  FAULT_CLEAR_UNACKNOWLEDGED: 0x8030,
  FAULT_GET: 0x8031,
  FAULT_TEST: 0x8032,
  FAULT_TEST_UNACKNOWLEDGED: 0x8033,
  PERIOD_GET: 0x8034,
  PERIOD_SET: 0x8035,
  PERIOD_SET_UNACKNOWLEDGED: 0x8036,
  PERIOD_STATUS: 0x8037,
} as const;

/** Status codes of the Configuration Server (§4.3.5). */
export const Status = {
  SUCCESS: 0x00,
  INVALID_ADDRESS: 0x01,
  INVALID_MODEL: 0x02,
  INVALID_APPKEY_INDEX: 0x03,
  INVALID_NETKEY_INDEX: 0x04,
  INSUFFICIENT_RESOURCES: 0x05,
  KEY_INDEX_ALREADY_STORED: 0x06,
  INVALID_PUBLISH_PARAMETERS: 0x07,
  NOT_A_SUBSCRIBE_MODEL: 0x08,
  STORAGE_FAILURE: 0x09,
  FEATURE_NOT_SUPPORTED: 0x0a,
  CANNOT_UPDATE: 0x0b,
  CANNOT_REMOVE: 0x0c,
  CANNOT_BIND: 0x0d,
  TEMPORARILY_UNABLE_TO_CHANGE_STATE: 0x0e,
  CANNOT_SET: 0x0f,
  UNSPECIFIED_ERROR: 0x10,
  INVALID_BINDING: 0x11,
} as const;
export type Status = (typeof Status)[keyof typeof Status];

/** Numbers of two bytes in access messages are little-endian, other than in the layers below (§3.1.1.2). */
export function readU16le(reader: ByteReader): number | undefined {
  const value = reader.u16();
  return value === undefined ? undefined : ((value & 0xff) << 8) | (value >> 8);
}

/** Two bytes, least significant first, as foundation messages have them. */
export function writeU16le(writer: ByteWriter, value: number): ByteWriter {
  return writer.u8(value & 0xff).u8(value >> 8);
}

/** A model identifier: two bytes, or company and model of two bytes each (§4.3.1.2). */
export function readModelId(reader: ByteReader): number | undefined {
  if (reader.remaining === 2) return readU16le(reader);
  if (reader.remaining !== 4) return undefined;
  const company = readU16le(reader)!;
  return company * 0x10000 + readU16le(reader)!;
}

/** Two bytes of a SIG model; company and model of a vendor's (§4.3.1.2). */
export function writeModelId(writer: ByteWriter, id: number): ByteWriter {
  if (id > 0xffff) writeU16le(writer, Math.floor(id / 0x10000));
  return writeU16le(writer, id & 0xffff);
}

/** Two 12-bit key indexes in three bytes, the first one in the lower bits (§4.3.1.1). */
export function writeIndexPair(writer: ByteWriter, first: number, second: number): ByteWriter {
  return writer
    .u8(first & 0xff)
    .u8((first >> 8) | ((second & 0x0f) << 4))
    .u8(second >> 4);
}

/** Two key indexes of 12 bits in three bytes (§4.3.1.1); `undefined` when there are fewer. */
export function readIndexPair(reader: ByteReader): [first: number, second: number] | undefined {
  const bytes = reader.view(3);
  if (bytes === undefined) return undefined;
  return [bytes[0] | ((bytes[1] & 0x0f) << 8), (bytes[1] >> 4) | (bytes[2] << 4)];
}

/** Any number of key indexes: pairs in three bytes, an odd one in two (§4.3.1.1). */
export function writeIndexes(writer: ByteWriter, indexes: readonly number[]): ByteWriter {
  let i = 0;
  for (; i + 1 < indexes.length; i += 2) writeIndexPair(writer, indexes[i], indexes[i + 1]);
  if (i < indexes.length) writeU16le(writer, indexes[i]);
  return writer;
}

/** `undefined` when what is left cannot be a list of indexes. */
export function readIndexes(reader: ByteReader): number[] | undefined {
  const indexes: number[] = [];
  while (reader.remaining >= 3) indexes.push(...readIndexPair(reader)!);
  if (reader.remaining === 2) indexes.push(readU16le(reader)! & 0xfff);
  return reader.remaining === 0 ? indexes : undefined;
}

/** Count and interval steps of 10 ms as one byte (§4.2.19, §4.2.20): one transmission more than the count says. */
export function packRetransmission(retransmission: Retransmission): number {
  const steps = Math.max(0, Math.min(31, Math.round(retransmission.intervalMs / 10) - 1));
  return ((retransmission.count - 1) & 7) | (steps << 3);
}

/** The byte of Network Transmit and Relay Retransmit (§4.2.19, §4.2.20). */
export function unpackRetransmission(byte: number): Retransmission {
  return { count: (byte & 7) + 1, intervalMs: ((byte >> 3) + 1) * 10 };
}
