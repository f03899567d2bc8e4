/** A PDU of the mesh taken apart layer by layer, in lines for people. */

import { hostCrypto } from "#hal/crypto.js";
import { toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeMessage } from "../../firmware/coap/codec.js";
import { readOpcode } from "../../firmware/mesh/access.js";
import {
  BeaconType,
  decodeUnprovisionedBeacon,
  networkIdOf,
  openPrivateBeacon,
  openSecureNetworkBeacon,
  type SecureNetworkBeacon,
} from "../../firmware/mesh/beacon.js";
import { statusOf } from "../../firmware/mesh/config-messages.js";
import { MessageCache } from "../../firmware/mesh/message-cache.js";
import { NetworkCodec, type NetworkPdu } from "../../firmware/mesh/network.js";
import { AdType, ControlOpcode, OPCODE_COAP_STATUS } from "../../firmware/mesh/numbers.js";
import type { UpperPdu } from "../../firmware/mesh/reassembly.js";
import { SEGMENT_HEADER } from "../../firmware/mesh/segmentation.js";
import { AKF, UpperTransport } from "../../firmware/mesh/upper-transport.js";
import { explainMessage } from "../oscore/explain.js";
import { appKeyNumber, type KeyOptions, type Keys, makeKeys } from "./keys.js";
import { accessOpcodeName, addressName, controlOpcodeName, hex, statusName } from "./names.js";
import { explainServiceData, isMeshServiceData, SERVICE_DATA } from "./service-data.js";

/** What a PDU was found to be. */
export interface Explanation {
  /** One line per fact, layers as headings, what belongs to them indented. */
  readonly lines: readonly string[];
  /** Why it could not be read to the end, if so. */
  readonly reason: string | undefined;
}

interface Assembly {
  readonly segN: number;
  readonly parts: (Uint8Array | undefined)[];
}

/** Explains PDUs one after the other; segments of one message are put together. */
export class Decoder {
  readonly #options: KeyOptions;
  readonly #keys: Keys;
  readonly #assemblies = new Map<string, Assembly>();

  constructor(options: KeyOptions) {
    this.#options = options;
    this.#keys = makeKeys(options);
  }

  /** @param bytes an AD structure, or a network PDU alone */
  explain(bytes: Uint8Array): Explanation {
    const lines: string[] = [];
    const reason = this.#explain(bytes, lines);
    return { lines, reason };
  }

  #explain(bytes: Uint8Array, lines: string[]): string | undefined {
    // A network PDU could begin with its own length by chance, but not with an AD type of the mesh behind it as well.
    const structure =
      bytes.length > 2 &&
      bytes[0] === bytes.length - 1 &&
      ((bytes[1] >= 0x29 && bytes[1] <= 0x2b) || isMeshServiceData(bytes));
    if (!structure)
      return this.#network(Uint8Array.of(bytes.length + 1, AdType.MESH_MESSAGE, ...bytes), lines);
    lines.push(`AD structure, ${bytes.length} bytes`);
    switch (bytes[1]) {
      case AdType.MESH_BEACON:
        lines.push("  type: 0x2b, Mesh Beacon");
        return this.#beacon(bytes.subarray(2), lines);
      case SERVICE_DATA:
        lines.push("  type: 0x16, Service Data");
        return explainServiceData(bytes, this.#keys.stores[0], lines);
      case AdType.PB_ADV:
        lines.push("  type: 0x29, PB-ADV");
        return explainPbAdv(bytes.subarray(2), lines);
      default:
        lines.push("  type: 0x2a, Mesh Message");
        return this.#network(bytes, lines);
    }
  }

  #beacon(data: Uint8Array, lines: string[]): string | undefined {
    if (data[0] === BeaconType.UNPROVISIONED_DEVICE) {
      const beacon = decodeUnprovisionedBeacon(data);
      if (beacon instanceof Refusal) return String(beacon);
      lines.push("Unprovisioned device beacon", `  UUID: ${toHex(beacon.uuid)}`);
      lines.push(`  OOB information: ${hex(beacon.oobInformation, 4)}`);
      if (beacon.uriHash !== undefined) lines.push(`  URI hash: ${toHex(beacon.uriHash)}`);
      return undefined;
    }
    if (data[0] === BeaconType.PRIVATE) return this.#privateBeacon(data, lines);
    const networkId = networkIdOf(data);
    if (networkId instanceof Refusal) return String(networkId);
    lines.push("Secure network beacon", `  Network ID: ${toHex(networkId)}`);
    const found = this.#keys.stores[0].byNetworkId(networkId);
    if (found === undefined) return "no NetKey has this Network ID";
    const beacon = openSecureNetworkBeacon(hostCrypto, found.material, data);
    if (beacon instanceof Refusal) return "the authentication value does not fit";
    lines.push(`  NetKey: number ${found.subnet.index + 1}, authentication value fits`);
    explainSecurity(beacon, lines);
    return undefined;
  }

  #privateBeacon(data: Uint8Array, lines: string[]): string | undefined {
    lines.push("Private beacon", `  Random: ${toHex(data.subarray(1, 14))}`);
    let reason: string = "no NetKey was given";
    for (const subnet of this.#keys.stores[0].subnets()) {
      const beacon = openPrivateBeacon(subnet.current, data);
      if (beacon instanceof Refusal) {
        reason =
          beacon.reason === "beacon-mic" ? "no NetKey that was given authenticates it" : String(beacon);
        continue;
      }
      lines.push(`  NetKey: number ${subnet.index + 1}, authentication tag fits`);
      explainSecurity(beacon, lines);
      return undefined;
    }
    return reason;
  }

  #network(structure: Uint8Array, lines: string[]): string | undefined {
    const first = structure[2] ?? 0;
    lines.push(`Network layer, ${structure.length - 2} bytes`);
    lines.push(`  IVI: ${first >> 7}, NID: ${hex(first & 0x7f, 2)}`);
    // Each PDU gets a codec of its own, so that one given twice is explained twice.
    const codec = new NetworkCodec(this.#keys.stores[0], new MessageCache(1));
    const pdu = codec.decode(structure, this.#keys.ivIndex);
    if (pdu instanceof Refusal) return NETWORK_REASONS[pdu.reason];
    const friendship = pdu.credentials.friendshipWith !== undefined;
    lines.push(
      `  keys: NetKey number ${pdu.credentials.subnet.index + 1}, ${friendship ? "friendship" : "flooding"} credentials`,
      `  IV Index: ${hex(pdu.ivIndex, 8)}`,
      `  CTL: ${pdu.ctl ? "1, control message (NetMIC of 8 bytes fits)" : "0, access message (NetMIC of 4 bytes fits)"}`,
      `  TTL: ${pdu.ttl}${pdu.ttl < 2 ? ", not to be relayed" : ""}`,
      `  SEQ: ${hex(pdu.seq, 6)}`,
      `  SRC: ${addressName(pdu.src)}`,
      `  DST: ${addressName(pdu.dst)}`,
    );
    return this.#lower(pdu, lines);
  }

  #lower(pdu: NetworkPdu, lines: string[]): string | undefined {
    const { transport } = pdu;
    const segmented = transport[0] > 0x7f;
    const header = transport[0] & 0x7f;
    lines.push(`Lower transport layer, ${transport.length} bytes: ${toHex(transport)}`);
    if (pdu.ctl) lines.push(`  opcode: ${hex(header, 2)}, ${controlOpcodeName(header)}`);
    else if ((header & AKF) !== 0) lines.push(`  AKF: 1, AID: ${hex(header & 0x3f, 2)} (AppKey)`);
    else lines.push("  AKF: 0 (device key)");
    if (pdu.ctl && header === ControlOpcode.SEGMENT_ACKNOWLEDGMENT)
      return explainAcknowledgment(transport, lines);
    if (!segmented) {
      const upper = upperOf(pdu, header, false, pdu.seq, transport.slice(1), false);
      return this.#upper(upper, lines);
    }
    if (transport.length <= SEGMENT_HEADER) return "a segment without data";
    const szmic = transport[1] > 0x7f;
    const seqZero = ((transport[1] & 0x7f) << 6) | (transport[2] >> 2);
    const segO = ((transport[2] & 3) << 3) | (transport[3] >> 5);
    const segN = transport[3] & 0x1f;
    const seqAuth = pdu.seq - ((pdu.seq - seqZero) & 0x1fff);
    lines.push(`  segment ${segO} of 0 to ${segN}, SeqZero: ${hex(seqZero, 4)}, SZMIC: ${szmic ? 1 : 0}`);
    lines.push(`  SeqAuth: ${hex(pdu.ivIndex, 8)} ${hex(Math.max(seqAuth, 0), 6)}`);
    if (segO > segN || seqAuth < 0) return "a segment that cannot be";
    const name = `${pdu.src}/${pdu.dst}/${pdu.ivIndex}/${seqAuth}/${segN}`;
    const assembly = this.#assemblies.get(name) ?? { segN, parts: [] };
    this.#assemblies.set(name, assembly);
    assembly.parts[segO] = transport.slice(SEGMENT_HEADER);
    const missing: number[] = [];
    for (let i = 0; i <= segN; i++) if (assembly.parts[i] === undefined) missing.push(i);
    if (missing.length > 0) {
      lines.push(`  not whole yet: segment ${missing.join(", ")} to come`);
      return undefined;
    }
    const payload = Uint8Array.from(assembly.parts.flatMap((part) => [...part!]));
    lines.push(`  all segments are here: ${payload.length} bytes`);
    return this.#upper(upperOf(pdu, header, szmic, seqAuth, payload, true), lines);
  }

  #upper(upper: UpperPdu, lines: string[]): string | undefined {
    lines.push(`Upper transport layer, ${upper.payload.length} bytes: ${toHex(upper.payload)}`);
    if (upper.ctl) return explainControl(upper, lines);
    let reason: string = "no-app-key";
    for (let i = 0; i < this.#keys.stores.length; i++) {
      const decrypted = new UpperTransport(this.#keys.stores[i]).decrypt(upper, this.#keys.labels);
      if (decrypted instanceof Refusal) {
        reason = decrypted.reason;
        continue;
      }
      const mic = `TransMIC of ${upper.szmic ? 8 : 4} bytes fits`;
      if (decrypted.appKeyIndex === undefined) lines.push(`  key: device key number ${i + 1}, ${mic}`);
      else lines.push(`  key: AppKey number ${appKeyNumber(this.#options, decrypted.appKeyIndex)}, ${mic}`);
      if (decrypted.label !== undefined) lines.push(`  Label UUID: ${toHex(decrypted.label)}`);
      return explainAccess(decrypted.access, lines);
    }
    if (reason === "access-length") return "too short for an access message";
    const key = (upper.header & AKF) === 0 ? "device key" : `AppKey with AID ${hex(upper.header & 0x3f, 2)}`;
    return reason === "no-app-key" ? `no ${key} was given` : `no ${key} that was given fits`;
  }
}

function explainSecurity(beacon: SecureNetworkBeacon, lines: string[]): void {
  lines.push(
    `  IV Index: ${hex(beacon.ivIndex, 8)}`,
    `  IV Update: ${beacon.ivUpdate ? "in progress" : "normal operation"}`,
    `  Key Refresh: ${beacon.keyRefresh ? "new keys in use (phase 2)" : "none"}`,
  );
}

const NETWORK_REASONS: Readonly<Record<string, string>> = {
  "pdu-length": "no network PDU has this length",
  nid: "no NetKey that was given has this NID",
  "iv-index": "there is no IV Index before 0",
  source: "it does not decrypt: wrong NetKey or IV Index (the header makes no sense)",
  mic: "it does not decrypt: wrong NetKey or IV Index, or it was changed on its way",
  destination: "its destination cannot be",
};

function upperOf(
  pdu: NetworkPdu,
  header: number,
  szmic: boolean,
  seq: number,
  payload: Uint8Array,
  segmented: boolean,
): UpperPdu {
  const { credentials, ivIndex, ctl, ttl, src, dst } = pdu;
  return {
    credentials,
    ivIndex,
    ctl,
    ttl,
    seq,
    src,
    dst,
    header,
    szmic,
    segmented,
    payload,
    rssi: 0,
    segmentSeqs: undefined,
  };
}

function explainAcknowledgment(transport: Uint8Array, lines: string[]): string | undefined {
  if (transport.length !== 7) return "a segment acknowledgment has 7 bytes";
  const seqZero = ((transport[1] & 0x7f) << 6) | (transport[2] >> 2);
  const block = ((transport[3] << 24) | (transport[4] << 16) | (transport[5] << 8) | transport[6]) >>> 0;
  const received: number[] = [];
  for (let i = 0; i < 32; i++) if ((block >>> i) & 1) received.push(i);
  lines.push(
    `  OBO: ${transport[1] >> 7}${transport[1] > 0x7f ? ", a Friend speaks for the destination" : ""}`,
  );
  lines.push(`  SeqZero: ${hex(seqZero, 4)}`);
  lines.push(
    `  BlockAck: ${hex(block, 8)}, ${received.length === 0 ? "refuses the message" : `has segment ${received.join(", ")}`}`,
  );
  return undefined;
}

function explainControl(upper: UpperPdu, lines: string[]): string | undefined {
  const bytes = upper.payload;
  switch (upper.header) {
    case ControlOpcode.HEARTBEAT:
      if (bytes.length !== 3) return "a heartbeat has 3 bytes";
      lines.push(`  InitTTL: ${bytes[0] & 0x7f}, hops so far: ${(bytes[0] & 0x7f) - upper.ttl + 1}`);
      lines.push(`  features: ${hex((bytes[1] << 8) | bytes[2], 4)}`);
      return undefined;
    case ControlOpcode.FRIEND_UPDATE:
      if (bytes.length !== 6) return "a Friend Update has 6 bytes";
      lines.push(`  flags: ${hex(bytes[0], 2)}, IV Index: 0x${toHex(bytes.subarray(1, 5))}`);
      lines.push(`  more data: ${bytes[5] === 1 ? "yes" : "no"}`);
      return undefined;
    case ControlOpcode.FRIEND_POLL:
      lines.push(`  FSN: ${(bytes[0] ?? 0) & 1}`);
      return undefined;
    default:
      return undefined;
  }
}

function explainAccess(access: Uint8Array, lines: string[]): string | undefined {
  lines.push(`Access layer, ${access.length} bytes: ${toHex(access)}`);
  const opcode = readOpcode(access);
  if (opcode instanceof Refusal) return "no opcode";
  const length = opcode < 0x80 ? 1 : opcode < 0x10000 ? 2 : 3;
  const parameters = access.subarray(length);
  lines.push(`  opcode: ${hex(opcode, 2 * length)}, ${accessOpcodeName(opcode)}`);
  lines.push(`  parameters: ${parameters.length === 0 ? "none" : toHex(parameters)}`);
  const status = statusOf(opcode, parameters);
  if (status !== undefined) lines.push(`  status: ${hex(status, 2)}, ${statusName(status)}`);
  if (opcode !== OPCODE_COAP_STATUS) return undefined;
  const message = decodeMessage(parameters);
  if (message instanceof Refusal) return `no CoAP message: ${message}`;
  lines.push(`CoAP, ${parameters.length} bytes`, ...explainMessage(message).map((line) => `  ${line}`));
  return undefined;
}

const FORMATS = [
  "transaction start",
  "transaction acknowledgment",
  "transaction continuation",
  "bearer control",
];
const CONTROLS = ["Link Open", "Link ACK", "Link Close"];

function explainPbAdv(data: Uint8Array, lines: string[]): string | undefined {
  if (data.length < 6) return "too short for PB-ADV";
  const format = data[5] & 3;
  lines.push("PB-ADV", `  Link ID: 0x${toHex(data.subarray(0, 4))}, transaction: ${hex(data[4], 2)}`);
  lines.push(`Generic provisioning: ${FORMATS[format]}`);
  if (format === 3) {
    lines.push(`  ${CONTROLS[data[5] >> 2] ?? "reserved opcode"}`);
    if (data.length > 6) lines.push(`  parameters: ${toHex(data.subarray(6))}`);
  } else if (format === 0 && data.length > 9) {
    lines.push(`  SegN: ${data[5] >> 2}, total length: ${(data[6] << 8) | data[7]}, FCS: ${hex(data[8], 2)}`);
    lines.push(`  data: ${toHex(data.subarray(9))}`);
  } else if (format === 2) {
    lines.push(`  segment ${data[5] >> 2}, data: ${toHex(data.subarray(6))}`);
  }
  return undefined;
}
