import type { Crypto, P256KeyPair } from "../../hal/hal.js";
import { concat, equal, equalConstantTime } from "../bytes/compare.js";
import { Counters } from "../bytes/counters.js";
import { Refusal } from "../bytes/refusal.js";
import { decodeUnprovisionedBeacon, type UnprovisionedBeacon } from "./beacon.js";
import { AdType } from "./numbers.js";
import { CloseReason, PbAdvLink } from "./pb-adv.js";
import {
  AuthMethod,
  alphanumericAuthValue,
  type Capabilities,
  decodeCapabilities,
  encodeData,
  encodeStart,
  numericAuthValue,
  OutputAction,
  Pdu,
  type ProvisioningData,
  SessionKeys,
  type StartParameters,
  splitPdu,
} from "./provisioning.js";

/** §5.4.4: without a PDU for this long the session has failed. */
const PROTOCOL_TIMEOUT = 60_000;
const NEVER = Number.POSITIVE_INFINITY;

/** How a session ended. */
export type ProvisioningOutcome =
  | {
      readonly kind: "provisioned";
      readonly data: ProvisioningData;
      readonly deviceKey: Uint8Array;
      readonly elements: number;
    }
  | {
      readonly kind: "failed";
      /** `refused-N`: the device said so with error code N; the others are this side's. */
      readonly reason: string;
    };

/** What to do with a device. */
export interface ProvisioningJob {
  readonly uuid: Uint8Array;
  /** The device shall draw attention for so many seconds. */
  readonly attention?: number;
  /** Static OOB value: used when it is given and the device has one. */
  readonly staticOob?: Uint8Array;
  /**
   * A person reads off what the device shows: called with action and size; `answer` takes the number or text.
   * Used when it is given, no static value is, and the device can show something.
   */
  readonly askForOutput?: (action: number, size: number, answer: (value: number | string) => void) => void;
  /** Refuse a device that cannot be authenticated by what is given here. Default: take it without (No OOB). */
  readonly requireOob?: boolean;
  /** NetKey, address and so on, once it is known how many elements the device has; `undefined` refuses it. */
  readonly assign: (elements: number) => ProvisioningData | undefined;
  /** Told once how it ended. */
  readonly done: (outcome: ProvisioningOutcome) => void;
}

/** What a {@link Provisioner} needs of the world. */
export interface ProvisionerOptions {
  readonly crypto: Crypto;
  /** [0, 1) */
  readonly random: () => number;
  /** ms */
  readonly now: () => number;
  /** The bearer. */
  readonly transmit: (adStructure: Uint8Array, count: number, intervalMs: number) => boolean;
  /** A device that wants to be provisioned was heard. */
  readonly onBeacon?: (beacon: UnprovisionedBeacon, rssi: number) => void;
}

type Phase = "opening" | "capabilities" | "public-key" | "output" | "confirmation" | "random" | "complete";

/** The provisioner's side (Mesh Profile §5.4): one device at a time. */
export class Provisioner {
  readonly counters = new Counters();
  readonly #options: ProvisionerOptions;
  #job: ProvisioningJob | undefined;
  #link: PbAdvLink | undefined;
  #outcome: ProvisioningOutcome | undefined;
  #timeout = NEVER;
  #phase: Phase = "opening";
  #exchanged: Uint8Array[] = [];
  #elements = 0;
  #start: StartParameters | undefined;
  #authValue: Uint8Array | undefined;
  #keyPair: P256KeyPair | undefined;
  #keys: SessionKeys | undefined;
  #random: Uint8Array = new Uint8Array(16);
  #confirmation: Uint8Array = new Uint8Array(16);
  #peerConfirmation: Uint8Array = new Uint8Array(16);
  #data: ProvisioningData | undefined;
  #deviceKey: Uint8Array = new Uint8Array(16);

  constructor(options: ProvisionerOptions) {
    this.#options = options;
  }

  /** A session is under way. */
  get busy(): boolean {
    return this.#job !== undefined;
  }

  get deadline(): number {
    return this.#link === undefined ? NEVER : Math.min(this.#link.deadline, this.#timeout);
  }

  /**
   * Begins a session.
   * @returns false when another one is under way
   */
  provision(job: ProvisioningJob): boolean {
    if (this.#job !== undefined) return false;
    const { crypto, random, transmit } = this.#options;
    const now = this.#options.now();
    const [a, b, c, d] = crypto.random(4);
    this.#job = job;
    this.#outcome = undefined;
    this.#phase = "opening";
    this.#authValue = undefined;
    this.#keys = undefined;
    this.#timeout = NEVER;
    this.#link = new PbAdvLink({
      linkId: ((a << 24) | (b << 16) | (c << 8) | d) >>> 0,
      provisioner: true,
      counters: this.counters,
      random,
      transmit,
      onOpen: (at) => this.#onOpen(at),
      onPdu: (pdu, at) => this.#onPdu(pdu, at),
      onClosed: (reason) => this.#onClosed(reason),
    });
    this.#link.open(job.uuid, now);
    return true;
  }

  /** Repeats and gives up what is due at `now` (ms). */
  tick(now: number): void {
    if (this.#timeout <= now) this.#fail("timeout", CloseReason.TIMEOUT, now);
    this.#link?.tick(now);
  }

  /** Takes an AD structure of any kind. */
  receive(adStructure: Uint8Array, rssi: number, now: number): void {
    if (adStructure.length < 3 || adStructure[0] !== adStructure.length - 1) return;
    if (adStructure[1] === AdType.MESH_BEACON) {
      const beacon = decodeUnprovisionedBeacon(adStructure.subarray(2));
      if (!(beacon instanceof Refusal)) this.#options.onBeacon?.(beacon, rssi);
      return;
    }
    if (adStructure[1] !== AdType.PB_ADV || adStructure.length < 8 || this.#link === undefined) return;
    const linkId =
      ((adStructure[2] << 24) | (adStructure[3] << 16) | (adStructure[4] << 8) | adStructure[5]) >>> 0;
    if (linkId === this.#link.linkId) this.#link.receive(adStructure.subarray(6), now);
  }

  #onOpen(now: number): void {
    this.#phase = "capabilities";
    this.#exchanged = [Uint8Array.of(this.#job!.attention ?? 0)];
    this.#send(Pdu.INVITE, this.#exchanged[0], now);
  }

  #onPdu(pdu: Uint8Array, now: number): void {
    if (this.#outcome !== undefined) return;
    const reason = this.#handle(pdu, now);
    if (reason !== undefined) this.#fail(reason, CloseReason.FAIL, now);
  }

  /** @returns why the session has failed */
  #handle(pdu: Uint8Array, now: number): string | undefined {
    const split = splitPdu(pdu);
    if (split instanceof Refusal) return split.reason;
    const { type, parameters } = split;
    this.#timeout = now + PROTOCOL_TIMEOUT;
    if (type === Pdu.FAILED) return `refused-${parameters[0]}`;
    if (this.#phase === "capabilities" && type === Pdu.CAPABILITIES)
      return this.#onCapabilities(parameters, now);
    if (this.#phase === "public-key" && type === Pdu.PUBLIC_KEY) return this.#onPublicKey(parameters, now);
    if (this.#phase === "confirmation" && type === Pdu.CONFIRMATION)
      return this.#onConfirmation(parameters, now);
    if (this.#phase === "random" && type === Pdu.RANDOM) return this.#onRandom(parameters, now);
    if (this.#phase !== "complete" || type !== Pdu.COMPLETE) return "unexpected-pdu";
    this.#onComplete(now);
    return undefined;
  }

  #onCapabilities(parameters: Uint8Array, now: number): string | undefined {
    const capabilities = decodeCapabilities(parameters);
    if ((capabilities.algorithms & 1) === 0) return "algorithm";
    this.#elements = capabilities.elements;
    this.#data = capabilities.elements === 0 ? undefined : this.#job!.assign(capabilities.elements);
    if (this.#data === undefined) return "elements";
    const start = this.#choose(capabilities);
    if (start === undefined) return "no-oob";
    this.#start = start;
    const encoded = encodeStart(start);
    this.#keyPair = this.#options.crypto.p256.generate();
    this.#exchanged.push(parameters.slice(), encoded, this.#keyPair.publicKey);
    this.#phase = "public-key";
    this.#send(Pdu.START, encoded, now);
    this.#send(Pdu.PUBLIC_KEY, this.#keyPair.publicKey, now);
    return undefined;
  }

  /** The strongest authentication that both sides have. */
  #choose(capabilities: Capabilities): StartParameters | undefined {
    const { staticOob, askForOutput, requireOob } = this.#job!;
    const none = { algorithm: 0, publicKeyOob: 0, method: AuthMethod.NONE, action: 0, size: 0 };
    if (staticOob !== undefined && (capabilities.staticOobType & 1) !== 0) {
      this.#authValue = staticOob.slice();
      return { ...none, method: AuthMethod.STATIC };
    }
    if (askForOutput !== undefined && capabilities.outputSize > 0) {
      for (const action of [
        OutputAction.ALPHANUMERIC,
        OutputAction.NUMERIC,
        OutputAction.BLINK,
        OutputAction.BEEP,
        OutputAction.VIBRATE,
      ]) {
        if (((capabilities.outputActions >> action) & 1) === 0) continue;
        // Nobody counts more than nine blinks; digits and letters may be as many as there is room for.
        const counted = action !== OutputAction.ALPHANUMERIC && action !== OutputAction.NUMERIC;
        const size = counted ? 1 : Math.min(capabilities.outputSize, 8);
        return { ...none, method: AuthMethod.OUTPUT, action, size };
      }
    }
    if (requireOob === true) return undefined;
    this.#authValue = new Uint8Array(16);
    return none;
  }

  #onPublicKey(parameters: Uint8Array, now: number): string | undefined {
    const { crypto } = this.#options;
    const { privateKey, publicKey } = this.#keyPair!;
    const secret = crypto.p256.sharedSecret(privateKey, parameters);
    privateKey.fill(0);
    if (secret === undefined || equal(parameters, publicKey)) {
      return "public-key";
    }
    this.#exchanged.push(parameters.slice());
    this.#keys = new SessionKeys(crypto, secret, concat(...this.#exchanged));
    if (this.#authValue !== undefined) {
      this.#confirm(now);
      return undefined;
    }
    this.#phase = "output";
    const job = this.#job!;
    const { action, size } = this.#start!;
    job.askForOutput!(action, size, (value) => {
      // An answer may come late, when the session is another one.
      if (this.#job !== job || this.#phase !== "output") return;
      this.#authValue = typeof value === "number" ? numericAuthValue(value) : alphanumericAuthValue(value);
      this.#confirm(this.#options.now());
    });
    return undefined;
  }

  #confirm(now: number): void {
    this.#random = this.#options.crypto.random(16);
    this.#confirmation = this.#keys!.confirmation(this.#random, this.#authValue!);
    this.#phase = "confirmation";
    this.#send(Pdu.CONFIRMATION, this.#confirmation, now);
  }

  #onConfirmation(parameters: Uint8Array, now: number): string | undefined {
    // Our own value sent back would pass for one of a device that knows the AuthValue.
    if (equalConstantTime(parameters, this.#confirmation)) return "confirmation";
    this.#peerConfirmation = parameters.slice();
    this.#phase = "random";
    this.#send(Pdu.RANDOM, this.#random, now);
    return undefined;
  }

  #onRandom(parameters: Uint8Array, now: number): string | undefined {
    const { crypto } = this.#options;
    const expected = this.#keys!.confirmation(parameters, this.#authValue!);
    if (equal(parameters, this.#random) || !equalConstantTime(expected, this.#peerConfirmation)) {
      return "confirmation";
    }
    const { sessionKey, nonce, deviceKey } = this.#keys!.final(this.#random, parameters);
    this.#deviceKey = deviceKey;
    this.#phase = "complete";
    const plain = encodeData(this.#data!);
    const sealed = crypto.ccm(sessionKey, 8).seal(nonce, new Uint8Array(0), plain);
    for (const secret of [plain, sessionKey, this.#authValue!]) secret.fill(0);
    this.#send(Pdu.DATA, sealed, now);
    return undefined;
  }

  #onComplete(now: number): void {
    this.#outcome = {
      kind: "provisioned",
      data: this.#data!,
      deviceKey: this.#deviceKey,
      elements: this.#elements,
    };
    this.#timeout = NEVER;
    this.#link?.close(CloseReason.SUCCESS, now);
  }

  #send(type: number, parameters: Uint8Array, now: number): void {
    this.#timeout = now + PROTOCOL_TIMEOUT;
    this.#link?.send(concat(Uint8Array.of(type), parameters), now);
  }

  #fail(reason: string, close: CloseReason, now: number): void {
    this.#timeout = NEVER;
    this.#outcome ??= { kind: "failed", reason };
    this.#link?.close(close, now);
  }

  #onClosed(reason: CloseReason): void {
    const job = this.#job;
    this.#job = undefined;
    this.#link = undefined;
    this.#timeout = NEVER;
    this.#keys?.forget();
    this.#keys = undefined;
    const failed = { kind: "failed", reason: reason === CloseReason.TIMEOUT ? "timeout" : "closed" } as const;
    job?.done(this.#outcome ?? failed);
  }
}
