import type { Crypto } from "../../hal/hal.js";
import { equal } from "../bytes/compare.js";
import type { Counters } from "../bytes/counters.js";
import { Refusal } from "../bytes/refusal.js";
import {
  BeaconType,
  networkIdOf,
  openPrivateBeacon,
  openSecureNetworkBeacon,
  type SecureNetworkBeacon,
  sealSecureNetworkBeacon,
} from "./beacon.js";
import type { IvIndex } from "./iv-index.js";
import type { KeyStore, NetKeyMaterial, Subnet } from "./keys.js";
import type { NodeState } from "./node-state.js";

/** One beacon in ten seconds is what a place should hear of a subnet, whoever sends it (Mesh Profile §3.9.3.1). */
const EXPECTED_INTERVAL = 10_000;
const LONGEST_INTERVAL = 600_000;
/** After a change it is told soon, but not by all at once. */
const NEWS_WITHIN = 3000;

/** What beaconing needs of the stack that it is part of. */
export interface BeaconingOptions {
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  readonly state: NodeState;
  readonly iv: IvIndex;
  readonly counters: Counters;
  /** [0, 1) */
  readonly random: () => number;
  /** The bearer. */
  readonly transmit: (adStructure: Uint8Array, count: number, intervalMs: number) => boolean;
  /** A key refresh has gone on to another phase. */
  readonly onKeysChanged: (subnet: Subnet) => void;
}

interface Schedule {
  nextAt: number;
  /** Beacons heard since the last own one. */
  observed: number;
  /** The last one that was found genuine: most are repetitions of it, and need no CMAC. */
  genuine: Uint8Array | undefined;
  genuineKey: NetKeyMaterial | undefined;
}

/** Sends and hears the secure network beacons of all subnets (§3.9.3). */
export class Beaconing {
  readonly #options: BeaconingOptions;
  readonly #schedules = new Map<number, Schedule>();
  deadline = Number.POSITIVE_INFINITY;

  constructor(options: BeaconingOptions, now: number) {
    this.#options = options;
    this.refresh(now);
  }

  /** To be called when subnets have come or gone, or the beacon state was set. */
  refresh(now: number): void {
    const { keys, random } = this.#options;
    for (const index of [...this.#schedules.keys()]) {
      if (keys.subnet(index) === undefined) this.#schedules.delete(index);
    }
    for (const { index } of keys.subnets()) {
      if (this.#schedules.has(index)) continue;
      this.#schedules.set(index, {
        nextAt: now + random() * EXPECTED_INTERVAL,
        observed: 0,
        genuine: undefined,
        genuineKey: undefined,
      });
    }
    this.#settle();
  }

  /** The IV Index or a key has changed: the neighbours should know soon. */
  news(now: number): void {
    for (const schedule of this.#schedules.values()) {
      schedule.nextAt = Math.min(schedule.nextAt, now + this.#options.random() * NEWS_WITHIN);
      schedule.observed = 0;
    }
    this.#settle();
  }

  /** Sends the beacons that are due at `now` (ms). */
  tick(now: number): void {
    if (this.deadline > now) return;
    for (const [index, schedule] of this.#schedules) {
      if (schedule.nextAt > now) continue;
      const subnet = this.#options.keys.subnet(index);
      if (subnet !== undefined) this.#send(subnet);
      // The more others send, the less this node does (§3.9.3.1).
      const interval = Math.min(EXPECTED_INTERVAL * (schedule.observed + 1), LONGEST_INTERVAL);
      schedule.nextAt = now + interval * (0.9 + this.#options.random() * 0.2);
      schedule.observed = 0;
    }
    this.#settle();
  }

  #send(subnet: Subnet): void {
    const { crypto, iv, counters, transmit } = this.#options;
    const beacon = sealSecureNetworkBeacon(crypto, subnet.transmit, {
      keyRefresh: subnet.phase === 2,
      ivUpdate: iv.updating,
      ivIndex: iv.current,
    });
    counters.add(transmit(beacon, 1, 20) ? "beacon.sent" : "queue-full");
  }

  /**
   * A beacon came.
   * @param data what is behind the AD type
   */
  receive(data: Uint8Array, now: number): void {
    const { crypto, keys, counters } = this.#options;
    if (data[0] === BeaconType.PRIVATE) {
      this.#receivePrivate(data, now);
      return;
    }
    const networkId = networkIdOf(data);
    if (networkId instanceof Refusal) {
      counters.add(`drop.${networkId.reason}`);
      return;
    }
    const found = keys.byNetworkId(networkId);
    if (found === undefined) {
      counters.add("drop.beacon-network");
      return;
    }
    const { subnet, material } = found;
    const schedule = this.#schedules.get(subnet.index);
    if (
      schedule?.genuine !== undefined &&
      schedule.genuineKey === material &&
      equal(schedule.genuine, data)
    ) {
      // Nothing new in it, unless this node could not follow it when it came first.
      schedule.observed++;
      this.#apply(subnet, material, (data[1] & 1) !== 0, (data[1] & 2) !== 0, ivIndexOf(data), now);
      return;
    }
    const beacon = openSecureNetworkBeacon(crypto, material, data);
    if (beacon instanceof Refusal) {
      counters.add(`drop.${beacon.reason}`);
      return;
    }
    if (schedule !== undefined) {
      schedule.observed++;
      schedule.genuine = data.slice();
      schedule.genuineKey = material;
    }
    this.#apply(subnet, material, beacon.keyRefresh, beacon.ivUpdate, beacon.ivIndex, now);
  }

  /** They are not counted as heard: who has no private beacons cannot be heard by them. */
  #receivePrivate(data: Uint8Array, now: number): void {
    const { keys, counters } = this.#options;
    let beacon: SecureNetworkBeacon | undefined;
    const found = keys.findMaterial((material) => {
      const opened = openPrivateBeacon(material, data);
      if (opened instanceof Refusal) return false;
      beacon = opened;
      return true;
    });
    if (found === undefined || beacon === undefined) {
      counters.add("drop.beacon-network");
      return;
    }
    const { keyRefresh, ivUpdate, ivIndex } = beacon;
    this.#apply(found.subnet, found.material, keyRefresh, ivUpdate, ivIndex, now);
  }

  #apply(
    subnet: Subnet,
    material: NetKeyMaterial,
    keyRefresh: boolean,
    ivUpdate: boolean,
    ivIndex: number,
    now: number,
  ): void {
    const { iv, counters, keys } = this.#options;
    counters.add("beacon.received");
    // §3.10.4.1: a beacon by the new key ends phase 1, and with the flag cleared the whole refresh.
    if (material === subnet.next) this.followKeyRefresh(subnet, keyRefresh);
    // §3.10.5: a member of the primary subnet follows that one only.
    if (subnet.index !== 0 && keys.subnet(0) !== undefined && ivIndex > iv.current) {
      counters.add("drop.beacon-secondary");
      return;
    }
    const verdict = iv.heard(ivIndex, ivUpdate, now);
    if (verdict === "ignored-far" || verdict === "ignored-early") counters.add(`drop.beacon-${verdict}`);
  }

  /** Someone has said by the new key how far the key refresh is. */
  followKeyRefresh(subnet: Subnet, keyRefresh: boolean): void {
    if (subnet.next === undefined) return;
    if (keyRefresh) {
      if (subnet.phase !== 1) return;
      subnet.phase = 2;
    } else {
      this.#options.keys.completeRefresh(subnet);
    }
    this.#options.onKeysChanged(subnet);
  }

  #settle(): void {
    let deadline = Number.POSITIVE_INFINITY;
    // §4.2.10: without the beacon state beacons are only heard.
    if (this.#options.state.beacon) {
      for (const { nextAt } of this.#schedules.values()) if (nextAt < deadline) deadline = nextAt;
    }
    this.deadline = deadline;
  }
}

function ivIndexOf(data: Uint8Array): number {
  return ((data[10] << 24) | (data[11] << 16) | (data[12] << 8) | data[13]) >>> 0;
}
