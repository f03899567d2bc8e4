import { Refusal } from "../bytes/refusal.js";
import { isUnicast, isVirtual, UNASSIGNED } from "./addresses.js";
import type { KeyStore, NetworkCredentials } from "./keys.js";
import type { MessageCache } from "./message-cache.js";
import { AD_STRUCTURE_MAX, AdType, NETWORK_PDU_MAX } from "./numbers.js";
import { Views } from "./views.js";

/**
 * The network layer's PDUs (Mesh Profile §3.4.4): which key, deobfuscation, decryption, and the same backwards.
 *
 * Everything works in place, in two buffers of the codec's own, so a PDU that is heard, decrypted, and encrypted again
 * for the next hop leaves nothing for the garbage collector, and loops over bytes run below the HAL.
 */

export type NetworkReason =
  | "pdu-length"
  | "nid"
  | "iv-index"
  | "source"
  | "duplicate"
  | "mic"
  | "destination";

/** A decrypted network PDU. The codec uses one object again and again: valid until the next `decode`. */
export interface NetworkPdu {
  /** The keys that it came with and would be relayed with. */
  credentials: NetworkCredentials;
  /** The IV Index that it was sent under: the current one or the one before. */
  ivIndex: number;
  /** Control message (CTL = 1) rather than access message. */
  ctl: boolean;
  ttl: number;
  seq: number;
  src: number;
  dst: number;
  /** Lower transport PDU, 1 to 16 bytes. */
  transport: Uint8Array;
}

/** IVI ‖ NID, then the obfuscated CTL ‖ TTL, SEQ, SRC. */
const HEADER = 7;
const DST = 2;
/** Offset of the network PDU in its AD structure: length and AD type come before. */
const PDU = 2;
const EMPTY = new Uint8Array(0);

const REFUSED = {
  length: new Refusal<NetworkReason>("pdu-length"),
  nid: new Refusal<NetworkReason>("nid"),
  ivIndex: new Refusal<NetworkReason>("iv-index"),
  source: new Refusal<NetworkReason>("source"),
  duplicate: new Refusal<NetworkReason>("duplicate"),
  mic: new Refusal<NetworkReason>("mic"),
  destination: new Refusal<NetworkReason>("destination"),
};

/** An AD structure's memory, and the parts of it that are asked for with every PDU. */
class Frame {
  readonly bytes = new Uint8Array(AD_STRUCTURE_MAX);
  readonly data = new DataView(this.bytes.buffer);
  /** CTL ‖ TTL, SEQ, SRC: obfuscated on the air. */
  readonly header = this.bytes.subarray(PDU + 1, PDU + HEADER);
  /** The first bytes of what is encrypted. */
  readonly privacyRandom = this.bytes.subarray(PDU + HEADER, PDU + HEADER + 7);
  /** Of any length. */
  readonly structures = new Views(this.bytes);
  readonly transports = new Views(this.bytes, PDU + HEADER + DST);
}

/** Network PDUs to bytes and back: encryption, obfuscation, copies (§3.4.4, §3.8.7). */
export class NetworkCodec {
  readonly #keys: KeyStore;
  readonly #cache: MessageCache;
  readonly #received = new Frame();
  readonly #sending = new Frame();
  /** 0x00 ‖ CTL, TTL ‖ SEQ ‖ SRC ‖ 0x0000 ‖ IV Index (§3.8.5.1). */
  readonly #nonce = new Uint8Array(13);
  readonly #nonceData = new DataView(this.#nonce.buffer);
  readonly #clearHeader = this.#nonce.subarray(1, HEADER);
  /** 0x0000000000 ‖ IV Index ‖ Privacy Random (§3.8.7.3). */
  readonly #privacyPlaintext = new Uint8Array(16);
  readonly #privacyData = new DataView(this.#privacyPlaintext.buffer);
  #ivIndexInPlace = 0;
  readonly #pdu: NetworkPdu = {
    credentials: undefined as unknown as NetworkCredentials,
    ivIndex: 0,
    ctl: false,
    ttl: 0,
    seq: 0,
    src: 0,
    dst: 0,
    transport: EMPTY,
  };

  /** @param cache asked after deobfuscation, which is cheap, so that duplicates never cost a decryption */
  constructor(keys: KeyStore, cache: MessageCache) {
    this.#keys = keys;
    this.#cache = cache;
  }

  /**
   * Opens a network PDU; what comes back is valid until the next call.
   * @param adStructure length, AD type, network PDU; longer ones than the advertising bearer's are refused
   * @param ivIndex the current IV Index; the IVI bit tells between it and the one before (§3.10.5)
   */
  decode(adStructure: Uint8Array, ivIndex: number): NetworkPdu | Refusal<NetworkReason> {
    const length = adStructure.length - PDU;
    // The shortest: an access PDU with one byte of transport PDU and a 4-byte MIC.
    if (length < HEADER + DST + 1 + 4 || length > NETWORK_PDU_MAX) return REFUSED.length;
    const first = adStructure[PDU];
    const candidates = this.#keys.credentials(first & 0x7f);
    if (candidates.length === 0) return REFUSED.nid;
    const ivi = first >> 7;
    const pduIvIndex = (ivIndex & 1) === ivi ? ivIndex : ivIndex - 1;
    if (pduIvIndex < 0) return REFUSED.ivIndex;
    let refusal: Refusal<NetworkReason> = REFUSED.mic;
    for (let i = 0; i < candidates.length; i++) {
      const result = this.#open(candidates[i], pduIvIndex, adStructure, length);
      if (!(result instanceof Refusal)) return result;
      if (result === REFUSED.duplicate || result === REFUSED.destination) return result;
      // With two keys of one NID the wrong one ends at a random header or at the MIC, and says nothing.
      if (candidates.length === 1) refusal = result;
    }
    return refusal;
  }

  #open(
    credentials: NetworkCredentials,
    ivIndex: number,
    adStructure: Uint8Array,
    length: number,
  ): NetworkPdu | Refusal<NetworkReason> {
    const received = this.#received;
    const nonce = this.#nonce;
    received.bytes.set(adStructure);
    if (ivIndex !== this.#ivIndexInPlace) this.#placeIvIndex(ivIndex);
    nonce.set(received.header, 1);
    this.#privacyPlaintext.set(received.privacyRandom, 9);
    credentials.privacy.mask(this.#privacyPlaintext, nonce, 1, 6);

    const src = this.#nonceData.getUint16(5);
    if (!isUnicast(src)) return REFUSED.source;
    const head = this.#nonceData.getUint32(1);
    const seq = head & 0xffffff;
    // What a friend kept may have been heard before it: as the answer to a poll it must not get lost (§3.6.6.4.2).
    const cached = credentials.friendshipWith === undefined;
    if (cached && this.#cache.has(src, seq, ivIndex & 1)) return REFUSED.duplicate;

    const ctl = head > 0x7fffffff;
    const aead = ctl ? credentials.control : credentials.access;
    const size = length - HEADER - aead.tagLength;
    if (size < DST + 1) return REFUSED.length;
    if (!aead.openAt(nonce, EMPTY, received.bytes, PDU + HEADER, length - HEADER)) return REFUSED.mic;
    if (cached) this.#cache.add(src, seq, ivIndex & 1);

    const dst = received.data.getUint16(PDU + HEADER);
    // §3.4.2.1, §3.4.2.3: never the unassigned address, and no control message to a virtual one.
    if (dst === UNASSIGNED || (ctl && isVirtual(dst))) return REFUSED.destination;
    const pdu = this.#pdu;
    pdu.credentials = credentials;
    pdu.ivIndex = ivIndex;
    pdu.ctl = ctl;
    pdu.ttl = (head >>> 24) & 0x7f;
    pdu.seq = seq;
    pdu.src = src;
    pdu.dst = dst;
    pdu.transport = received.transports.view(size - DST);
    return pdu;
  }

  /**
   * @param transport lower transport PDU of 1 to 16 bytes (12 in a control message)
   * @returns the AD structure to send, valid until the next `encode` or `relay`
   */
  encode(
    credentials: NetworkCredentials,
    ivIndex: number,
    ctl: boolean,
    ttl: number,
    seq: number,
    src: number,
    dst: number,
    transport: Uint8Array,
  ): Uint8Array {
    const { bytes, data } = this.#sending;
    if (ivIndex !== this.#ivIndexInPlace) this.#placeIvIndex(ivIndex);
    this.#nonceData.setUint32(1, ((ctl ? 0x80 | ttl : ttl) << 24) | seq);
    this.#nonceData.setUint16(5, src);
    bytes[PDU] = ((ivIndex & 1) << 7) | credentials.nid;
    data.setUint16(PDU + HEADER, dst);
    bytes.set(transport, PDU + HEADER + DST);
    // Relays send our own PDUs back to us: known ones end before the decryption.
    this.#cache.add(src, seq, ivIndex & 1);
    return this.#seal(credentials, ctl, DST + transport.length);
  }

  /** The PDU that was decoded just now, with another TTL: what a relay sends (§3.4.6.3). */
  relay(pdu: NetworkPdu, ttl: number): Uint8Array {
    // The nonce is in its place, and what was received is wanted afterwards.
    this.#sending.bytes.set(this.#received.bytes);
    this.#nonce[1] = pdu.ctl ? 0x80 | ttl : ttl;
    return this.#seal(pdu.credentials, pdu.ctl, DST + pdu.transport.length);
  }

  /** Encrypts what is in the frame under what is in the nonce. @param size of DST and lower transport PDU */
  #seal(credentials: NetworkCredentials, ctl: boolean, size: number): Uint8Array {
    const { bytes, privacyRandom, structures } = this.#sending;
    const aead = ctl ? credentials.control : credentials.access;
    aead.sealAt(this.#nonce, EMPTY, bytes, PDU + HEADER, size);
    this.#privacyPlaintext.set(privacyRandom, 9);
    bytes.set(this.#clearHeader, PDU + 1);
    credentials.privacy.mask(this.#privacyPlaintext, bytes, PDU + 1, 6);
    const length = 1 + HEADER + size + aead.tagLength;
    bytes[0] = length;
    bytes[1] = AdType.MESH_MESSAGE;
    return structures.view(1 + length);
  }

  #placeIvIndex(ivIndex: number): void {
    this.#ivIndexInPlace = ivIndex;
    this.#nonceData.setUint32(9, ivIndex);
    this.#privacyData.setUint32(5, ivIndex);
  }
}
