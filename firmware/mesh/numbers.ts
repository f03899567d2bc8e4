/** Assigned numbers of the mesh and the one number of ours. Section numbers are those of Mesh Profile 1.0.1. */

/** AD types of the advertising bearer (§3.3.1). */
export const AdType = { PB_ADV: 0x29, MESH_MESSAGE: 0x2a, MESH_BEACON: 0x2b } as const;

/** Company identifier of the vendor model: 0xFFFF is for internal use until one is assigned (DESIGN §5). */
export const COMPANY_ID = 0xffff;

/** A vendor opcode as the number that `MeshMessage.opcode` has: its bytes as on the air, company little-endian. */
export function vendorOpcode(opcode: number, companyId: number): number {
  return ((0xc0 | opcode) << 16) | ((companyId & 0xff) << 8) | (companyId >> 8);
}

/** Vendor opcode 1 of {@link COMPANY_ID}: its parameters are a whole CoAP message (DESIGN §5). */
export const OPCODE_COAP_STATUS = vendorOpcode(1, COMPANY_ID);

/**
 * Vendor opcodes 2 to 4, under a device key only: a device's identity, less what Configuration messages tell
 * (`encodePersonal`); the question which one it has; and the answer to both: 0 and its fingerprint, or 1 for none.
 */
export const OPCODE_IDENTITY_SET = vendorOpcode(2, COMPANY_ID);
/** Which identity have you? Under the device key. */
export const OPCODE_IDENTITY_GET = vendorOpcode(3, COMPANY_ID);
/** Fingerprint of the identity, or none. Under the device key. */
export const OPCODE_IDENTITY_STATUS = vendorOpcode(4, COMPANY_ID);

/** The vendor model that sends and takes {@link OPCODE_COAP_STATUS}: company in the upper half (§4.2.1). */
export const VENDOR_MODEL_COAP = COMPANY_ID * 0x10000 + 0x0001;

/** SIG model identifiers of the foundation models (§4.2.1). */
export const ModelId = {
  CONFIGURATION_SERVER: 0x0000,
  CONFIGURATION_CLIENT: 0x0001,
  HEALTH_SERVER: 0x0002,
  HEALTH_CLIENT: 0x0003,
} as const;

/** Upper transport control opcodes (§3.6.5), and the lower transport's own one, 0. */
export const ControlOpcode = {
  SEGMENT_ACKNOWLEDGMENT: 0x00,
  FRIEND_POLL: 0x01,
  FRIEND_UPDATE: 0x02,
  FRIEND_REQUEST: 0x03,
  FRIEND_OFFER: 0x04,
  FRIEND_CLEAR: 0x05,
  FRIEND_CLEAR_CONFIRM: 0x06,
  SUBSCRIPTION_LIST_ADD: 0x07,
  SUBSCRIPTION_LIST_REMOVE: 0x08,
  SUBSCRIPTION_LIST_CONFIRM: 0x09,
  HEARTBEAT: 0x0a,
} as const;

/** Features as bits of the composition data and of heartbeats (§4.2.1, §3.6.5.10). */
export const Feature = { RELAY: 1, PROXY: 2, FRIEND: 4, LOW_POWER: 8 } as const;

/** Highest sequence number (§3.8.3). */
export const SEQ_MAX = 0xffffff;
/** The longest way of a message, hops (§3.4.4.4). */
export const TTL_MAX = 127;
/** Stands for "the node's default TTL" in publication states (§4.2.2.5). */
export const TTL_DEFAULT = 0xff;

/** Access payload with opcode that fits an unsegmented message (§3.6.2): 15 bytes less header and TransMIC. */
export const UNSEGMENTED_ACCESS_MAX = 11;
/** Access payload with opcode that fits 32 segments with a 4-byte TransMIC (§3.6.2). */
export const ACCESS_MAX = 380;
/** Control parameters that fit one PDU, and 32 segments (§3.5.2.2, §3.5.2.4). */
export const UNSEGMENTED_CONTROL_MAX = 11;
/** Bytes of the longest control message: 32 segments (§3.5.2.4). */
export const CONTROL_MAX = 256;
/** A segment's data (§3.5.2.3, §3.5.2.4). */
export const ACCESS_SEGMENT = 12;
/** Bytes of a control message in one segment (§3.5.2.4). */
export const CONTROL_SEGMENT = 8;
/** Upper transport PDU of 32 access segments. */
export const UPPER_PDU_MAX = 384;
/** A network PDU (§3.4.4) on the advertising bearer, and the AD structure that carries it. */
export const NETWORK_PDU_MAX = 29;
/** Bytes of an AD structure in a legacy advertising PDU. */
export const AD_STRUCTURE_MAX = 31;
