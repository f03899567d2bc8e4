import { Refusal } from "../bytes/refusal.js";
import { isUnicast, isVirtual, UNASSIGNED } from "./addresses.js";
import type { KeyStore, NetworkCredentials } from "./keys.js";
import type { MessageCache } from "./message-cache.js";
import { AD_STRUCTURE_MAX, AdType, NETWORK_PDU_MAX } from "./numbers.js";
import { Views } from "./views.js";

/**
 * The network layer's PDUs (Mesh Profile §3.4.4): which key, deobfuscation, decryption, and the same backwards.
 *
 * Everything works on three buffers of the codec's own, so a PDU that is heard, decrypted, and encrypted again for
 * the next hop leaves nothing for the garbage collector.
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

export class NetworkCodec {
  readonly #keys: KeyStore;
  readonly #cache: MessageCache;
  readonly #received = new Views(AD_STRUCTURE_MAX);
  readonly #plaintext = new Views(NETWORK_PDU_MAX);
  readonly #sending = new Views(AD_STRUCTURE_MAX);
  /** 0x00 ‖ CTL, TTL ‖ SEQ ‖ SRC ‖ 0x0000 ‖ IV Index (§3.8.5.1). */
  readonly #nonce = new Uint8Array(13);
  /** 0x0000000000 ‖ IV Index ‖ Privacy Random (§3.8.7.3). */
  readonly #privacyPlaintext = new Uint8Array(16);
  readonly #pecb = new Uint8Array(16);
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
   * @param adStructure length, AD type, network PDU; longer ones than the advertising bearer's are refused
   * @param ivIndex the current IV Index; the IVI bit tells between it and the one before (§3.10.5)
   */
  decode(adStructure: Uint8Array, ivIndex: number): NetworkPdu | Refusal<NetworkReason> {
    const length = adStructure.length - PDU;
    // The shortest: an access PDU with one byte of transport PDU and a 4-byte MIC.
    if (length < HEADER + DST + 1 + 4 || length > NETWORK_PDU_MAX) return REFUSED.length;
    const bytes = this.#received.bytes;
    bytes.set(adStructure);
    const first = bytes[PDU];
    const candidates = this.#keys.credentials(first & 0x7f);
    if (candidates.length === 0) return REFUSED.nid;
    const ivi = first >> 7;
    const pduIvIndex = (ivIndex & 1) === ivi ? ivIndex : ivIndex - 1;
    if (pduIvIndex < 0) return REFUSED.ivIndex;
    let refusal: Refusal<NetworkReason> = REFUSED.mic;
    for (let i = 0; i < candidates.length; i++) {
      const result = this.#open(candidates[i], pduIvIndex, length);
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
    length: number,
  ): NetworkPdu | Refusal<NetworkReason> {
    const bytes = this.#received.bytes;
    const nonce = this.#nonce;
    const pecb = this.#pecb;
    this.#placeIvIndex(ivIndex);
    this.#privacyPlaintext.set(this.#received.view(PDU + HEADER, 7), 9);
    credentials.privacy.encrypt(this.#privacyPlaintext, pecb);
    for (let i = 0; i < 6; i++) nonce[1 + i] = bytes[PDU + 1 + i] ^ pecb[i];

    const src = (nonce[5] << 8) | nonce[6];
    if (!isUnicast(src)) return REFUSED.source;
    const seq = (nonce[2] << 16) | (nonce[3] << 8) | nonce[4];
    // What a friend kept may have been heard before it: as the answer to a poll it must not get lost (§3.6.6.4.2).
    const cached = credentials.friendshipWith === undefined;
    if (cached && this.#cache.has(src, seq, ivIndex & 1)) return REFUSED.duplicate;

    const ctl = nonce[1] > 0x7f;
    const aead = ctl ? credentials.control : credentials.access;
    const size = length - HEADER - aead.tagLength;
    if (size < DST + 1) return REFUSED.length;
    const plaintext = this.#plaintext.view(0, size);
    const sealed = this.#received.view(PDU + HEADER, length - HEADER);
    if (aead.open(nonce, EMPTY, sealed, plaintext) === undefined) return REFUSED.mic;
    if (cached) this.#cache.add(src, seq, ivIndex & 1);

    const dst = (plaintext[0] << 8) | plaintext[1];
    // §3.4.2.1, §3.4.2.3: never the unassigned address, and no control message to a virtual one.
    if (dst === UNASSIGNED || (ctl && isVirtual(dst))) return REFUSED.destination;
    const pdu = this.#pdu;
    pdu.credentials = credentials;
    pdu.ivIndex = ivIndex;
    pdu.ctl = ctl;
    pdu.ttl = nonce[1] & 0x7f;
    pdu.seq = seq;
    pdu.src = src;
    pdu.dst = dst;
    pdu.transport = this.#plaintext.view(DST, size - DST);
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
    const plaintext = this.#sending.bytes;
    // The plaintext is put where its ciphertext will be: CCM works in place.
    plaintext[PDU + HEADER] = dst >> 8;
    plaintext[PDU + HEADER + 1] = dst;
    plaintext.set(transport, PDU + HEADER + DST);
    // Relays send our own PDUs back to us: known ones end before the decryption.
    this.#cache.add(src, seq, ivIndex & 1);
    return this.#seal(credentials, ivIndex, ctl, ttl, seq, src, DST + transport.length);
  }

  /** The PDU decoded last, with another TTL: what a relay sends (§3.4.6.3). */
  relay(pdu: NetworkPdu, ttl: number): Uint8Array {
    const size = DST + pdu.transport.length;
    this.#sending.bytes.set(this.#plaintext.view(0, size), PDU + HEADER);
    return this.#seal(pdu.credentials, pdu.ivIndex, pdu.ctl, ttl, pdu.seq, pdu.src, size);
  }

  #seal(
    credentials: NetworkCredentials,
    ivIndex: number,
    ctl: boolean,
    ttl: number,
    seq: number,
    src: number,
    size: number,
  ): Uint8Array {
    const aead = ctl ? credentials.control : credentials.access;
    const bytes = this.#sending.bytes;
    const nonce = this.#nonce;
    const pecb = this.#pecb;
    this.#placeIvIndex(ivIndex);
    nonce[1] = ctl ? 0x80 | ttl : ttl;
    nonce[2] = seq >> 16;
    nonce[3] = seq >> 8;
    nonce[4] = seq;
    nonce[5] = src >> 8;
    nonce[6] = src;
    const sealedLength = size + aead.tagLength;
    aead.seal(
      nonce,
      EMPTY,
      this.#sending.view(PDU + HEADER, size),
      this.#sending.view(PDU + HEADER, sealedLength),
    );
    this.#privacyPlaintext.set(this.#sending.view(PDU + HEADER, 7), 9);
    credentials.privacy.encrypt(this.#privacyPlaintext, pecb);
    const total = HEADER + sealedLength;
    bytes[0] = total + 1;
    bytes[1] = AdType.MESH_MESSAGE;
    bytes[PDU] = ((ivIndex & 1) << 7) | credentials.nid;
    for (let i = 0; i < 6; i++) bytes[PDU + 1 + i] = nonce[1 + i] ^ pecb[i];
    return this.#sending.view(0, PDU + total);
  }

  #placeIvIndex(ivIndex: number): void {
    if (ivIndex === this.#ivIndexInPlace) return;
    this.#ivIndexInPlace = ivIndex;
    for (let i = 0; i < 4; i++) {
      const byte = ivIndex >>> (24 - 8 * i);
      this.#nonce[9 + i] = byte;
      this.#privacyPlaintext[5 + i] = byte;
    }
  }
}
