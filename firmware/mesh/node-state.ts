import { ALL_FRIENDS, ALL_NODES, ALL_RELAYS, isUnicast, isVirtual } from "./addresses.js";
import { Feature } from "./numbers.js";
import type { Label } from "./upper-transport.js";

/** How often, and how far apart, the bearer sends one PDU (Mesh Profile §4.2.19, §4.2.20). */
export interface Retransmission {
  /** Transmissions in all, 1 to 8. */
  readonly count: number;
  /** Between two of them, in milliseconds. */
  readonly intervalMs: number;
}

/** To whom heartbeats go (§4.2.17); counts and periods as powers of two. */
export interface HeartbeatPublication {
  readonly destination: number;
  /** 0xFF: without an end. */
  readonly countLog: number;
  readonly periodLog: number;
  readonly ttl: number;
  /** Features whose change is told at once. */
  readonly features: number;
  readonly netKeyIndex: number;
}

/** What a node is and how it behaves: what the layers ask again and again, and the Configuration Server changes. */
export class NodeState {
  /** Unicast address of the primary element. */
  readonly address: number;
  /** Elements have consecutive addresses (§2.3.4). */
  readonly elements: number;
  defaultTtl: number;
  relay = false;
  friend = false;
  friendSupported = false;
  lowPowerSupported = false;
  /** This node is a Low Power node with a friend. */
  lowPower = false;
  /** Secure network beacons are sent (§4.2.10). */
  beacon = true;
  networkTransmit: Retransmission;
  relayRetransmit: Retransmission;
  heartbeatPublication: HeartbeatPublication | undefined;
  /** A group that heartbeats are subscribed at, 0 for none (§4.2.18). */
  heartbeatGroup = 0;
  /** The Health Server's Fast Period Divisor (§4.2.25). */
  healthPeriod = 0;
  /** Virtual addresses that any model listens to. */
  labels: readonly Label[] = [];
  readonly #groups = new Set<number>();

  constructor(
    address: number,
    elements: number,
    defaultTtl: number,
    networkTransmit: Retransmission,
    relayRetransmit: Retransmission,
  ) {
    this.address = address;
    this.elements = elements;
    this.defaultTtl = defaultTtl;
    this.networkTransmit = networkTransmit;
    this.relayRetransmit = relayRetransmit;
  }

  /** Features in use, as heartbeats tell them (§3.6.5.10). */
  get features(): number {
    return (
      (this.relay ? Feature.RELAY : 0) |
      (this.friend ? Feature.FRIEND : 0) |
      (this.lowPower ? Feature.LOW_POWER : 0)
    );
  }

  /** Replaces the group addresses that any model listens to. */
  setGroups(groups: Iterable<number>): void {
    this.#groups.clear();
    for (const group of groups) this.#groups.add(group);
  }

  /** Group addresses that any model listens to. */
  groups(): IterableIterator<number> {
    return this.#groups.values();
  }

  /** Whether it is the address of one of the node's elements. */
  isOwn(address: number): boolean {
    return address >= this.address && address < this.address + this.elements;
  }

  /** Whether messages to this address are for this node (§3.4.2, fixed groups §3.4.2.4). */
  listensTo(dst: number): boolean {
    if (isUnicast(dst)) return this.isOwn(dst);
    if (isVirtual(dst)) {
      for (let i = 0; i < this.labels.length; i++) if (this.labels[i].address === dst) return true;
      return false;
    }
    if (dst === ALL_NODES) return true;
    if (dst === ALL_RELAYS) return this.relay;
    if (dst === ALL_FRIENDS) return this.friend;
    return this.#groups.has(dst) || dst === this.heartbeatGroup;
  }
}
