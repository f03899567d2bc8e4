import { ALL_FRIENDS, ALL_NODES, ALL_RELAYS, isUnicast, isVirtual } from "./addresses.js";
import type { Label } from "./upper-transport.js";

/** How often, and how far apart, the bearer sends one PDU (Mesh Profile §4.2.19, §4.2.20). */
export interface Retransmission {
  /** Transmissions in all, 1 to 8. */
  readonly count: number;
  /** Between two of them, in milliseconds. */
  readonly intervalMs: number;
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
  networkTransmit: Retransmission;
  relayRetransmit: Retransmission;
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

  /** Replaces the group addresses that any model listens to. */
  setGroups(groups: Iterable<number>): void {
    this.#groups.clear();
    for (const group of groups) this.#groups.add(group);
  }

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
    return this.#groups.has(dst);
  }
}
