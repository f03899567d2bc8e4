/** The way to a board over the air: PB-ADV, Configuration messages, and the identity under the device key. */

import { hostCrypto } from "#hal/crypto.js";
import { equal } from "../../firmware/bytes/compare.js";
import { fingerprintOf, readDeviceUuid } from "../../firmware/console/label.js";
import * as config from "../../firmware/mesh/config-messages.js";
import {
  OPCODE_IDENTITY_SET,
  OPCODE_IDENTITY_STATUS,
  TTL_DEFAULT,
  VENDOR_MODEL_COAP,
} from "../../firmware/mesh/numbers.js";
import { encodeIdentity, encodePersonal, type Identity } from "../../firmware/roles/identity.js";
import type { Clock } from "../../hal/hal.js";
import { HostClock } from "../../hal/host/clock.js";
import { AirProvisioner } from "./air-provisioner.js";
import { BridgedBearer } from "./bridged-bearer.js";
import { ConsoleLink } from "./console-link.js";
import { type OpenPort, portOpener } from "./port.js";
import {
  type BoardInfo,
  type Label,
  type OverTheAirOptions,
  type Progress,
  type Way,
  WayError,
} from "./way.js";

const PATIENCE = 60_000;
/** Sessions of PB-ADV until it is given up: each may be lost to a bad moment on the air. */
const SESSIONS = 3;
/** A look for the beacon or for an answer, ms. */
const LOOK = 500;
/** How long a board may take from the last answer to its role, ms. */
const START = 60_000;

/** Opens the way through a bridge. @throws {WayError} no-port, no-serial-library, silent, refused */
export async function openOverTheAir(options: OverTheAirOptions): Promise<Way> {
  return AirWay.open(portOpener(options.bridge), options);
}

type Found = "unprovisioned" | { readonly fingerprint: Uint8Array };

export class AirWay implements Way {
  readonly #link: ConsoleLink;
  readonly #bearer: BridgedBearer;
  readonly #air: AirProvisioner;
  readonly #options: OverTheAirOptions;
  readonly #progress: (progress: Progress) => void;
  #known: Identity | undefined;

  private constructor(
    link: ConsoleLink,
    bearer: BridgedBearer,
    air: AirProvisioner,
    options: OverTheAirOptions,
  ) {
    this.#link = link;
    this.#bearer = bearer;
    this.#air = air;
    this.#options = options;
    this.#known = options.known;
    this.#progress = options.onProgress ?? (() => {});
  }

  static async open(
    open: OpenPort,
    options: OverTheAirOptions,
    clock: Clock = new HostClock(),
  ): Promise<AirWay> {
    const { patience = PATIENCE, onProgress, network } = options;
    onProgress?.({ step: "connect", done: 0, of: 1 });
    let bearer: BridgedBearer | undefined;
    const link = await ConsoleLink.open({
      open,
      clock,
      patience,
      onEvent: (text) => bearer?.event(text),
      onCable: (there) => {
        onProgress?.({
          step: "connect",
          done: there ? 1 : 0,
          of: 1,
          note: there
            ? "the bridge's cable is in again"
            : "the bridge's cable is out: put it in again to go on",
        });
        if (there) bearer?.start().catch(() => {});
      },
    });
    bearer = new BridgedBearer(link, clock);
    const air = new AirProvisioner(bearer, clock, network);
    try {
      await bearer.start();
    } catch (error) {
      air.stop();
      link.close();
      throw error;
    }
    onProgress?.({ step: "connect", done: 1, of: 1 });
    return new AirWay(link, bearer, air, options);
  }

  async inspect(): Promise<BoardInfo> {
    this.#progress({ step: "identify", done: 0, of: 1 });
    const { uuid } = this.#options;
    const said = readDeviceUuid(uuid);
    if (said === undefined) throw new WayError("wrong-board", "this label is of no board of ours");
    const found = await this.#find(this.#known);
    this.#progress({ step: "identify", done: 1, of: 1 });
    if (found === "unprovisioned") return { ...said, uuid, proven: false };
    // It has answered under its device key, which nobody else has.
    return { ...said, uuid, fingerprint: found.fingerprint, name: this.#known!.name, proven: true };
  }

  async label(): Promise<Label> {
    const { uuid, oob } = this.#options;
    return { uuid, oob };
  }

  async write(identity: Identity): Promise<void> {
    const expected = fingerprintOf(hostCrypto, encodeIdentity(identity));
    let deviceKey = identity.mesh.deviceKey;
    let found = await this.#find(identity);
    if (found !== "unprovisioned" && equal(found.fingerprint, expected)) return;
    if (found === "unprovisioned") {
      deviceKey = await this.#provision(identity.mesh.address);
      await this.#configure(identity, deviceKey);
    }
    await this.#tell(identity, deviceKey);
    this.#known = identity;
    this.#progress({ step: "restart", done: 0, of: 1 });
    const giveUp = this.#air.now + START;
    do {
      found = await this.#find(identity, giveUp);
      if (found !== "unprovisioned" && equal(found.fingerprint, expected)) {
        this.#progress({ step: "restart", done: 1, of: 1 });
        return;
      }
      await this.#air.wait(LOOK);
    } while (this.#air.now < giveUp);
    throw new WayError("not-written", "the board runs with another identity");
  }

  async verify(identity: Identity): Promise<"same" | "other" | "none"> {
    this.#progress({ step: "verify", done: 0, of: 1 });
    const found = await this.#find(identity);
    this.#progress({ step: "verify", done: 1, of: 1 });
    if (found === "unprovisioned") return "none";
    return equal(found.fingerprint, fingerprintOf(hostCrypto, encodeIdentity(identity))) ? "same" : "other";
  }

  async erase(identity = this.#known): Promise<void> {
    if ((await this.#find(identity)) === "unprovisioned") return;
    await this.#ask(identity!.mesh.address, identity!.mesh.deviceKey, config.nodeReset());
    const giveUp = this.#air.now + START;
    while (!this.#air.hears(this.#options.uuid)) {
      if (this.#air.now > giveUp) throw new WayError("unreachable", "no beacon after the Node Reset");
      await this.#air.wait(LOOK);
    }
  }

  async close(): Promise<void> {
    this.#air.stop();
    await this.#bearer.stop();
    this.#link.close();
  }

  /**
   * Waits for the board: as a device that beacons, or as the node that it is known as.
   * @throws {WayError} not-heard
   */
  async #find(known: Identity | undefined, until?: number): Promise<Found> {
    const { uuid, patience = PATIENCE } = this.#options;
    const giveUp = until ?? this.#air.now + patience;
    let asked: Promise<void> | undefined;
    let answer: Uint8Array | undefined;
    do {
      if (this.#air.hears(uuid)) return "unprovisioned";
      if (answer !== undefined) return { fingerprint: answer };
      if (known !== undefined && asked === undefined) {
        const { address, deviceKey } = known.mesh;
        asked = this.#air.fingerprint(address, deviceKey).then((fingerprint) => {
          answer = fingerprint;
          asked = undefined;
        });
      }
      await this.#air.wait(LOOK);
    } while (this.#air.now < giveUp);
    throw new WayError("not-heard", "neither a beacon nor an answer: is the board on, and near enough?");
  }

  /** @returns the device key of this session */
  async #provision(address: number): Promise<Uint8Array> {
    const { uuid, oob } = this.#options;
    for (let session = 1; ; session++) {
      this.#progress({ step: "provision", done: session - 1, of: SESSIONS });
      const outcome = await this.#air.provision(uuid, oob, address);
      if (outcome.kind === "provisioned") {
        this.#progress({ step: "provision", done: SESSIONS, of: SESSIONS });
        return outcome.deviceKey;
      }
      // The confirmation value: one of the two does not know the secret. Trying again would let it be guessed.
      if (outcome.reason === "confirmation" || outcome.reason === "refused-4") {
        throw new WayError("wrong-board", "the board does not know the secret of this label");
      }
      if (session === SESSIONS) throw new WayError("provisioning-failed", outcome.reason);
      const found = await this.#find(undefined);
      if (found !== "unprovisioned") throw new WayError("provisioning-failed", outcome.reason);
    }
  }

  async #configure({ mesh }: Identity, deviceKey: Uint8Array): Promise<void> {
    const { address, appKey, publish, subscriptions, relay, ttl } = mesh;
    const model = VENDOR_MODEL_COAP;
    const requests = [config.defaultTtlSet(ttl), config.relaySet(relay, { count: 2, intervalMs: 20 })];
    // A relay is blind: no AppKey, nothing to bind or to publish.
    if (appKey !== undefined) {
      requests.push(config.appKeyAdd(0, 0, appKey), config.modelAppBind(address, 0, model));
      if (publish !== undefined) {
        const publication = { address: publish, appKeyIndex: 0, ttl: TTL_DEFAULT };
        requests.push(config.modelPublicationSet(address, model, publication));
      }
    }
    for (const group of subscriptions) requests.push(config.modelSubscriptionAdd(address, group, model));
    let done = 0;
    for (const request of requests) {
      this.#progress({ step: "configure", done: done++, of: requests.length });
      await this.#ask(address, deviceKey, request);
    }
    this.#progress({ step: "configure", done, of: requests.length });
  }

  /** Under the device key of the session: name, keys and settings. */
  async #tell(identity: Identity, deviceKey: Uint8Array): Promise<void> {
    this.#progress({ step: "write", done: 0, of: 1 });
    const result = await this.#air.ask(identity.mesh.address, deviceKey, {
      opcode: OPCODE_IDENTITY_SET,
      parameters: encodePersonal(identity),
      answer: OPCODE_IDENTITY_STATUS,
      echo: 0,
    });
    // No answer at all: it may have it, and be away with the new key already. What it has is asked next.
    if (result.kind === "answer" && result.parameters[0] !== 0) {
      throw new WayError("refused", "the board cannot run with this identity");
    }
    this.#progress({ step: "write", done: 1, of: 1 });
  }

  /** @throws {WayError} unreachable, refused */
  async #ask(address: number, deviceKey: Uint8Array, request: config.ConfigRequest): Promise<void> {
    const result = await this.#air.ask(address, deviceKey, request);
    if (result.kind === "timed-out") throw new WayError("unreachable", "the node does not answer any more");
    if (result.status !== undefined && result.status !== 0) {
      throw new WayError(
        "refused",
        `Configuration message 0x${request.opcode.toString(16)}: ${result.status}`,
      );
    }
  }
}
