import type { Hal } from "../../hal/hal.js";
import type { Kind } from "../console/label.js";
import { VENDOR_MODEL_COAP } from "../mesh/numbers.js";
import { type Provisioned, ProvisioningDevice } from "../mesh/provisioning-device.js";
import type { MeshStack } from "../mesh/stack.js";
import type { MeshIdentity } from "./identity.js";
import { serveIdentity } from "./identity-server.js";
import { jitterOf, makeMeshStack } from "./mesh.js";
import { Pump, type Timed } from "./pump.js";

/** A provisioner that has not spoken to a device that it has taken in for this long is gone, ms. */
const GIVE_UP = 120_000;
/** Where the OOB information is (Mesh Profile §3.9.2): on the device. */
const OOB_ON_DEVICE = 0x8000;
const NEVER = Number.POSITIVE_INFINITY;

export interface CommissioningOptions {
  readonly kind: Kind;
  readonly hal: Hal;
  readonly uuid: Uint8Array;
  /** Static OOB value. */
  readonly oob: Uint8Array;
  /** The device has its identity, or is to begin again without: it restarts. */
  readonly onEnd: () => void;
}

/**
 * A device without an identity, on the air: it beacons, is provisioned (PB-ADV, Mesh Profile §5), configured, and given
 * its identity under the device key. Until that is in storage it is nobody's: a provisioner that goes away in between
 * leaves it as it was, but for its sequence numbers.
 */
export class Commissioning implements Timed {
  /** From provisioning on. */
  stack: MeshStack | undefined;
  readonly #options: CommissioningOptions;
  readonly #device: ProvisioningDevice;
  readonly #pump: Pump;
  #giveUpAt = NEVER;

  constructor(options: CommissioningOptions) {
    const { hal, uuid, oob } = options;
    const { clock, crypto, bearer } = hal;
    this.#options = options;
    this.#device = new ProvisioningDevice({
      crypto,
      random: jitterOf(crypto),
      now: () => clock.now(),
      transmit: (data, count, interval) => bearer.send(data, count, interval),
      uuid,
      staticOob: oob,
      oobInformation: OOB_ON_DEVICE,
      onProvisioned: (data) => this.#provisioned(data),
    });
    this.#pump = new Pump(clock, this);
  }

  start(): void {
    const { clock, bearer } = this.#options.hal;
    bearer.onReceive = (data, _address, rssi) => {
      (this.stack ?? this.#device).receive(data, rssi, clock.now());
      this.#pump.settle();
    };
    this.#pump.settle();
  }

  halt(): void {
    this.#options.hal.bearer.onReceive = undefined;
    this.#pump.stop();
  }

  get deadline(): number {
    return Math.min(this.stack?.deadline ?? this.#device.deadline, this.#giveUpAt);
  }

  tick(now: number): void {
    (this.stack ?? this.#device).tick(now);
    if (now < this.#giveUpAt) return;
    this.#giveUpAt = NEVER;
    this.#options.onEnd();
  }

  #provisioned({ netKey, ivIndex, unicastAddress, deviceKey }: Provisioned): void {
    const { hal, kind, onEnd } = this.#options;
    const { clock } = hal;
    const stack = makeMeshStack(hal, {
      address: unicastAddress,
      netKey,
      deviceKey,
      ivIndex,
      ttl: 5,
      subscriptions: [],
      relay: false,
    });
    this.stack = stack;
    const postpone = () => {
      this.#giveUpAt = clock.now() + GIVE_UP;
    };
    postpone();
    // Also from within the tick that the provisioner's last PDU comes in.
    stack.onWake = () => this.#pump.settle();
    stack.onReset = onEnd;
    serveIdentity({
      kind,
      hal,
      stack,
      configured: () => configuredOf(stack, netKey),
      onContact: postpone,
      onInstalled: onEnd,
    });
  }
}

/** What Configuration messages have made of a device. */
function configuredOf(stack: MeshStack, netKey: Uint8Array): Omit<MeshIdentity, "deviceKey"> {
  const { state, models, keys, iv } = stack;
  const model = models.find(stack.address, VENDOR_MODEL_COAP);
  const [appKey] = keys.appKeys();
  const publish = model?.publication?.address;
  return {
    address: stack.address,
    netKey,
    ...(appKey !== undefined && { appKey: appKey.current.key }),
    ivIndex: iv.current,
    ttl: state.defaultTtl,
    ...(publish !== undefined && { publish }),
    subscriptions: model?.groups ?? [],
    relay: state.relay,
  };
}
