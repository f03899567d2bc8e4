import { Refusal } from "../bytes/refusal.js";
import { isVirtual } from "./addresses.js";
import type { AppKeyMaterial, KeyStore } from "./keys.js";
import { UPPER_PDU_MAX } from "./numbers.js";
import type { UpperPdu } from "./reassembly.js";
import type { OutgoingMessage } from "./segmentation.js";

/** Encryption of access payloads (Mesh Profile §3.6.2, §3.8.5): by an AppKey, or by a node's device key. */

/** AKF in the first octet of the lower transport PDU: an AppKey, and its AID in the bits below (§3.5.2.1). */
export const AKF = 0x40;

/** Why an access message cannot be opened. */
export type UpperReason = "access-length" | "no-app-key" | "app-mic";

const REFUSED = {
  length: new Refusal<UpperReason>("access-length"),
  key: new Refusal<UpperReason>("no-app-key"),
  mic: new Refusal<UpperReason>("app-mic"),
};

/** A virtual address that the node listens to. */
export interface Label {
  readonly address: number;
  readonly uuid: Uint8Array;
}

/** An access payload and what it came with. One object is used again and again: valid until the next one. */
export interface DecryptedAccess {
  /** `undefined` when a device key was used. */
  appKeyIndex: number | undefined;
  /** With a device key: our own one, rather than the sender's. */
  ownDeviceKey: boolean;
  /** The Label UUID that a virtual destination stood for. */
  label: Uint8Array | undefined;
  /** Opcode and parameters. */
  access: Uint8Array;
}

const NO_LABEL = new Uint8Array(0);

/** Encrypts and opens access messages with AppKeys and device keys (§3.6.2, §3.6.4). */
export class UpperTransport {
  readonly #keys: KeyStore;
  /** Type ‖ ASZMIC ‖ SEQ ‖ SRC ‖ DST ‖ IV Index (§3.8.5.2, §3.8.5.3). */
  readonly #nonce = new Uint8Array(13);
  readonly #plaintext = new Uint8Array(UPPER_PDU_MAX);
  readonly #result: DecryptedAccess = {
    appKeyIndex: undefined,
    ownDeviceKey: false,
    label: undefined,
    access: NO_LABEL,
  };

  constructor(keys: KeyStore) {
    this.#keys = keys;
  }

  /** Encrypts a message's access payload in its own memory; the TransMIC's place is at its end. */
  encrypt(message: OutgoingMessage): void {
    const { key, payload } = message;
    if (key === undefined) return;
    this.#placeNonce(
      (message.header & AKF) !== 0,
      message.szmic,
      message.seq,
      message.src,
      message.dst,
      message.ivIndex,
    );
    const aead = message.szmic ? key.mic8 : key.mic4;
    aead.seal(this.#nonce, message.label, payload.subarray(0, payload.length - aead.tagLength), payload);
  }

  /**
   * Decrypts an access message with whichever key fits.
   * @param labels the virtual addresses that the node listens to
   */
  decrypt(upper: UpperPdu, labels: readonly Label[]): DecryptedAccess | Refusal<UpperReason> {
    // At least an opcode of one byte.
    if (upper.payload.length < (upper.szmic ? 8 : 4) + 1) return REFUSED.length;
    const appKey = (upper.header & AKF) !== 0;
    this.#placeNonce(appKey, upper.szmic, upper.seq, upper.src, upper.dst, upper.ivIndex);
    const result = this.#result;
    result.label = undefined;
    return appKey ? this.#byAppKey(upper, labels) : this.#byDeviceKey(upper);
  }

  #byAppKey(upper: UpperPdu, labels: readonly Label[]): DecryptedAccess | Refusal<UpperReason> {
    const aid = upper.header & 0x3f;
    const netKeyIndex = upper.credentials.subnet.index;
    let refusal = REFUSED.key;
    for (const key of this.#keys.appKeys()) {
      if (key.netKeyIndex !== netKeyIndex) continue;
      for (let i = 0; i < 2; i++) {
        const material = i === 0 ? key.current : key.next;
        if (material === undefined || material.aid !== aid) continue;
        refusal = REFUSED.mic;
        if (this.#tryLabels(material, upper, labels)) {
          this.#result.appKeyIndex = key.index;
          this.#result.ownDeviceKey = false;
          return this.#result;
        }
      }
    }
    return refusal;
  }

  /** Several Label UUIDs may share one virtual address; the right one is the one that authenticates (§3.4.2.3). */
  #tryLabels(key: AppKeyMaterial, upper: UpperPdu, labels: readonly Label[]): boolean {
    if (!isVirtual(upper.dst)) return this.#open(key, upper, NO_LABEL);
    for (let i = 0; i < labels.length; i++) {
      if (labels[i].address !== upper.dst || !this.#open(key, upper, labels[i].uuid)) continue;
      this.#result.label = labels[i].uuid;
      return true;
    }
    return false;
  }

  #byDeviceKey(upper: UpperPdu): DecryptedAccess | Refusal<UpperReason> {
    const result = this.#result;
    result.appKeyIndex = undefined;
    const own = this.#keys.deviceKey;
    if (own !== undefined && this.#open(own, upper, NO_LABEL)) {
      result.ownDeviceKey = true;
      return result;
    }
    const remote = this.#keys.remoteDeviceKey(upper.src);
    if (remote !== undefined && this.#open(remote, upper, NO_LABEL)) {
      result.ownDeviceKey = false;
      return result;
    }
    return own === undefined && remote === undefined ? REFUSED.key : REFUSED.mic;
  }

  #open(key: AppKeyMaterial, upper: UpperPdu, label: Uint8Array): boolean {
    const aead = upper.szmic ? key.mic8 : key.mic4;
    const plaintext = this.#plaintext.subarray(0, upper.payload.length - aead.tagLength);
    if (aead.open(this.#nonce, label, upper.payload, plaintext) === undefined) return false;
    this.#result.access = plaintext;
    return true;
  }

  #placeNonce(appKey: boolean, szmic: boolean, seq: number, src: number, dst: number, ivIndex: number): void {
    const nonce = this.#nonce;
    nonce[0] = appKey ? 0x01 : 0x02;
    nonce[1] = szmic ? 0x80 : 0;
    nonce[2] = seq >> 16;
    nonce[3] = seq >> 8;
    nonce[4] = seq;
    nonce[5] = src >> 8;
    nonce[6] = src;
    nonce[7] = dst >> 8;
    nonce[8] = dst;
    nonce[9] = ivIndex >>> 24;
    nonce[10] = ivIndex >>> 16;
    nonce[11] = ivIndex >>> 8;
    nonce[12] = ivIndex;
  }
}
