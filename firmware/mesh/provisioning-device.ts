import type { Crypto, P256KeyPair } from "../../hal/hal.js";
import { concat, equal, equalConstantTime } from "../bytes/compare.js";
import { Counters } from "../bytes/counters.js";
import { Refusal } from "../bytes/refusal.js";
import { isUnicast } from "./addresses.js";
import { encodeUnprovisionedBeacon } from "./beacon.js";
import { KEY_INDEX_MAX } from "./keys.js";
import { AdType } from "./numbers.js";
import { CloseReason, linkOpenUuid, PbAdvLink } from "./pb-adv.js";
import {
  AuthMethod,
  alphanumericAuthValue,
  type Capabilities,
  decodeData,
  decodeStart,
  encodeCapabilities,
  numericAuthValue,
  OutputAction,
  Pdu,
  type ProvisioningData,
  ProvisioningError,
  SessionKeys,
  splitPdu,
} from "./provisioning.js";

/** Between two unprovisioned device beacons (Mesh Profile §3.9.2 leaves it open; scanners expect a few seconds). */
const BEACON_INTERVAL = 3000;
/** §5.4.4: without a PDU for this long the device closes the link. */
const PROTOCOL_TIMEOUT = 60_000;
const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const NEVER = Number.POSITIVE_INFINITY;

/** What provisioning gave to a device, with the key that only it and its provisioner know. */
export interface Provisioned extends ProvisioningData {
  readonly deviceKey: Uint8Array;
}

/** What a {@link ProvisioningDevice} needs of the world. */
export interface ProvisioningDeviceOptions {
  readonly crypto: Crypto;
  /** [0, 1) */
  readonly random: () => number;
  /** ms */
  readonly now: () => number;
  /** The bearer. */
  readonly transmit: (adStructure: Uint8Array, count: number, intervalMs: number) => boolean;
  /** Device UUID, 16 bytes. */
  readonly uuid: Uint8Array;
  readonly oobInformation?: number;
  readonly elements?: number;
  /** Static OOB value, 16 bytes: printed on the device, or in the provisioner's list. */
  readonly staticOob?: Uint8Array;
  /** How the device can show a number or a text, and of how many digits or characters at most. */
  readonly output?: { readonly actions: number; readonly size: number };
  /** The device has keys and an address now. */
  readonly onProvisioned: (data: Provisioned) => void;
  /** Shows a person what is to be typed in at the provisioner; `undefined`: stop showing. */
  readonly onOutput?: (action: number, value: number | string | undefined) => void;
  /** It should show itself for so many seconds. */
  readonly onAttention?: (seconds: number) => void;
  /** A provisioning ended without success; the next may begin. */
  readonly onFailed?: (error: ProvisioningError | "closed" | "timeout") => void;
}

type Phase = "invite" | "start" | "public-key" | "confirmation" | "random" | "data" | "complete" | "failed";

/** The device's side of provisioning (Mesh Profile §5.4): beacons until a provisioner takes it in. */
export class ProvisioningDevice {
  readonly counters = new Counters();
  readonly #options: ProvisioningDeviceOptions;
  readonly #capabilities: Capabilities;
  #link: PbAdvLink | undefined;
  #nextBeacon: number;
  #timeout = NEVER;
  #phase: Phase = "invite";
  #exchanged: Uint8Array[] = [];
  #method = 0;
  #authValue: Uint8Array = new Uint8Array(16);
  #keyPair: P256KeyPair | undefined;
  #keys: SessionKeys | undefined;
  #random: Uint8Array = new Uint8Array(16);
  #peerConfirmation: Uint8Array = new Uint8Array(16);
  #peerRandom: Uint8Array = new Uint8Array(16);
  #result: Provisioned | undefined;

  constructor(options: ProvisioningDeviceOptions) {
    this.#options = options;
    this.#nextBeacon = options.now();
    this.#capabilities = {
      elements: options.elements ?? 1,
      algorithms: 1,
      publicKeyType: 0,
      staticOobType: options.staticOob === undefined ? 0 : 1,
      outputSize: options.output?.size ?? 0,
      outputActions: options.output?.actions ?? 0,
      inputSize: 0,
      inputActions: 0,
    };
  }

  get deadline(): number {
    return this.#link === undefined ? this.#nextBeacon : Math.min(this.#link.deadline, this.#timeout);
  }

  /** Beacons, repeats and gives up as is due at `now` (ms). */
  tick(now: number): void {
    if (this.#link !== undefined) {
      if (this.#timeout <= now) {
        this.#timeout = NEVER;
        this.#link.close(CloseReason.TIMEOUT, now);
      }
      this.#link?.tick(now);
      return;
    }
    if (this.#nextBeacon > now) return;
    const { uuid, oobInformation = 0, random, transmit } = this.#options;
    this.#nextBeacon = now + BEACON_INTERVAL * (0.9 + random() * 0.2);
    transmit(encodeUnprovisionedBeacon({ uuid, oobInformation }), 1, 20);
  }

  /** Takes an AD structure of any kind. */
  receive(adStructure: Uint8Array, _rssi: number, now: number): void {
    if (adStructure.length < 8 || adStructure[0] !== adStructure.length - 1) return;
    if (adStructure[1] !== AdType.PB_ADV) return;
    const linkId =
      ((adStructure[2] << 24) | (adStructure[3] << 16) | (adStructure[4] << 8) | adStructure[5]) >>> 0;
    const data = adStructure.subarray(6);
    if (this.#link !== undefined) {
      if (this.#link.linkId === linkId) this.#link.receive(data, now);
      return;
    }
    const uuid = linkOpenUuid(data.subarray(1));
    if (uuid === undefined || !equal(uuid, this.#options.uuid)) return;
    this.#begin(linkId, now);
  }

  #begin(linkId: number, now: number): void {
    this.#phase = "invite";
    this.#exchanged = [];
    this.#keys = undefined;
    this.#result = undefined;
    this.#timeout = now + PROTOCOL_TIMEOUT;
    this.#link = new PbAdvLink({
      linkId,
      provisioner: false,
      counters: this.counters,
      random: this.#options.random,
      transmit: this.#options.transmit,
      onPdu: (pdu, at) => this.#onPdu(pdu, at),
      onClosed: (reason, at) => this.#onClosed(reason, at),
    });
    this.#link.accept(now);
  }

  #onPdu(pdu: Uint8Array, now: number): void {
    this.#timeout = now + PROTOCOL_TIMEOUT;
    const error = this.#handle(pdu, now);
    if (error !== undefined) this.#fail(error, now);
  }

  #handle(pdu: Uint8Array, now: number): ProvisioningError | undefined {
    // §5.4.4: after an error every PDU is an unexpected one, until the link is closed.
    if (this.#phase === "failed") return ProvisioningError.UNEXPECTED_PDU;
    const split = splitPdu(pdu);
    if (split instanceof Refusal) {
      return split.reason === "invalid-pdu"
        ? ProvisioningError.INVALID_PDU
        : ProvisioningError.INVALID_FORMAT;
    }
    const { type, parameters } = split;
    if (this.#phase === "invite" && type === Pdu.INVITE) return this.#onInvite(parameters, now);
    if (this.#phase === "start" && type === Pdu.START) return this.#onStart(parameters);
    if (this.#phase === "public-key" && type === Pdu.PUBLIC_KEY) return this.#onPublicKey(parameters, now);
    if (this.#phase === "confirmation" && type === Pdu.CONFIRMATION)
      return this.#onConfirmation(parameters, now);
    if (this.#phase === "random" && type === Pdu.RANDOM) return this.#onRandom(parameters, now);
    if (this.#phase === "data" && type === Pdu.DATA) return this.#onData(parameters, now);
    return ProvisioningError.UNEXPECTED_PDU;
  }

  #onInvite(parameters: Uint8Array, now: number): ProvisioningError | undefined {
    this.#options.onAttention?.(parameters[0]);
    const capabilities = encodeCapabilities(this.#capabilities);
    this.#exchanged = [parameters.slice(), capabilities];
    this.#phase = "start";
    this.#send(Pdu.CAPABILITIES, capabilities, now);
    return undefined;
  }

  #onStart(parameters: Uint8Array): ProvisioningError | undefined {
    const start = decodeStart(parameters);
    if (start.algorithm !== 0 || start.publicKeyOob !== 0) return ProvisioningError.INVALID_FORMAT;
    const { staticOob, output } = this.#options;
    switch (start.method) {
      case AuthMethod.NONE:
      case AuthMethod.STATIC:
        if (start.action !== 0 || start.size !== 0) return ProvisioningError.INVALID_FORMAT;
        if (start.method === AuthMethod.STATIC && staticOob === undefined)
          return ProvisioningError.INVALID_FORMAT;
        this.#authValue = start.method === AuthMethod.STATIC ? staticOob!.slice() : new Uint8Array(16);
        break;
      case AuthMethod.OUTPUT: {
        const can = output !== undefined && start.action < 5 && ((output.actions >> start.action) & 1) === 1;
        if (!can || start.size === 0 || start.size > output.size) return ProvisioningError.INVALID_FORMAT;
        this.#chooseOutput(start.action, start.size);
        break;
      }
      default:
        return ProvisioningError.INVALID_FORMAT;
    }
    this.#method = start.method;
    this.#exchanged.push(parameters.slice());
    this.#phase = "public-key";
    return undefined;
  }

  #onPublicKey(parameters: Uint8Array, now: number): ProvisioningError | undefined {
    const { crypto } = this.#options;
    this.#keyPair = crypto.p256.generate();
    const { privateKey, publicKey } = this.#keyPair;
    const secret = crypto.p256.sharedSecret(privateKey, parameters);
    privateKey.fill(0);
    // A point off the curve would give our key away, our own point sent back would need none (§5.4.1.4).
    if (secret === undefined || equal(parameters, publicKey)) return ProvisioningError.INVALID_FORMAT;
    this.#exchanged.push(parameters.slice(), publicKey);
    this.#keys = new SessionKeys(crypto, secret, concat(...this.#exchanged));
    this.#phase = "confirmation";
    this.#send(Pdu.PUBLIC_KEY, publicKey, now);
    if (this.#method === AuthMethod.OUTPUT) this.#options.onOutput?.(this.#outputAction, this.#outputValue);
    return undefined;
  }

  #onConfirmation(parameters: Uint8Array, now: number): ProvisioningError | undefined {
    if (this.#method === AuthMethod.OUTPUT) this.#options.onOutput?.(this.#outputAction, undefined);
    this.#peerConfirmation = parameters.slice();
    this.#random = this.#options.crypto.random(16);
    const confirmation = this.#keys!.confirmation(this.#random, this.#authValue);
    this.#phase = "random";
    this.#send(Pdu.CONFIRMATION, confirmation, now);
    return undefined;
  }

  #onRandom(parameters: Uint8Array, now: number): ProvisioningError | undefined {
    const expected = this.#keys!.confirmation(parameters, this.#authValue);
    if (!equalConstantTime(expected, this.#peerConfirmation)) return ProvisioningError.CONFIRMATION_FAILED;
    this.#peerRandom = parameters.slice();
    this.#phase = "data";
    this.#send(Pdu.RANDOM, this.#random, now);
    return undefined;
  }

  #onData(parameters: Uint8Array, now: number): ProvisioningError | undefined {
    const { sessionKey, nonce, deviceKey } = this.#keys!.final(this.#peerRandom, this.#random);
    this.#keys!.forget();
    const plain = this.#options.crypto.ccm(sessionKey, 8).open(nonce, new Uint8Array(0), parameters);
    sessionKey.fill(0);
    if (plain === undefined) return ProvisioningError.DECRYPTION_FAILED;
    const data = decodeData(plain);
    plain.fill(0);
    const last = data.unicastAddress + this.#capabilities.elements - 1;
    if (!isUnicast(data.unicastAddress) || !isUnicast(last)) return ProvisioningError.CANNOT_ASSIGN_ADDRESSES;
    if (data.netKeyIndex > KEY_INDEX_MAX) return ProvisioningError.INVALID_FORMAT;
    this.#result = { ...data, deviceKey };
    this.#phase = "complete";
    this.#send(Pdu.COMPLETE, new Uint8Array(0), now);
    return undefined;
  }

  #outputAction = 0;
  #outputValue: number | string = 0;

  #chooseOutput(action: number, size: number): void {
    const { crypto } = this.#options;
    this.#outputAction = action;
    if (action === OutputAction.ALPHANUMERIC) {
      let text = "";
      // 252 is the largest multiple of 36 in a byte, so that every letter is as likely as any other.
      while (text.length < size) {
        const [byte] = crypto.random(1);
        if (byte < 252) text += LETTERS[byte % 36];
      }
      this.#outputValue = text;
      this.#authValue = alphanumericAuthValue(text);
      return;
    }
    const bytes = crypto.random(6);
    let value = 0;
    for (const byte of bytes) value = value * 256 + byte;
    // Something that is counted is there at least once (§5.4.2.4); the bias of 48 bits over 8 digits is below 2^-21.
    const range = 10 ** size;
    this.#outputValue = action === OutputAction.NUMERIC ? value % range : 1 + (value % (range - 1));
    this.#authValue = numericAuthValue(this.#outputValue);
  }

  #send(type: number, parameters: Uint8Array, now: number): void {
    this.#link?.send(concat(Uint8Array.of(type), parameters), now);
  }

  #fail(error: ProvisioningError, now: number): void {
    this.counters.add(`provisioning.failed-${error}`);
    if (this.#phase !== "failed") this.#options.onFailed?.(error);
    this.#phase = "failed";
    this.#keys?.forget();
    this.#keys = undefined;
    this.#send(Pdu.FAILED, Uint8Array.of(error), now);
  }

  #onClosed(reason: CloseReason, now: number): void {
    this.#link = undefined;
    this.#keys?.forget();
    this.#keys = undefined;
    this.#timeout = NEVER;
    this.#nextBeacon = now;
    const result = this.#result;
    // With our Complete on the air the provisioner counts us in, however the link ends.
    if (this.#phase === "complete" && result !== undefined) {
      this.#nextBeacon = NEVER;
      this.#result = undefined;
      this.#options.onProvisioned(result);
    } else if (this.#phase !== "failed") {
      this.#options.onFailed?.(reason === CloseReason.TIMEOUT ? "timeout" : "closed");
    }
  }
}
