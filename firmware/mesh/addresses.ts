/** Addresses (Mesh Profile §3.4.2): 16 bits, the kind in the upper ones. */

export const UNASSIGNED = 0x0000;
/** Fixed groups (§3.4.2.4). */
export const ALL_PROXIES = 0xfffc;
/** All nodes that are a friend (§3.4.2.4). */
export const ALL_FRIENDS = 0xfffd;
/** All nodes that relay (§3.4.2.4). */
export const ALL_RELAYS = 0xfffe;
/** All nodes (§3.4.2.4). */
export const ALL_NODES = 0xffff;

/** 0x0001 … 0x7FFF (Mesh Profile §3.4.2.2). */
export function isUnicast(address: number): boolean {
  return address > 0 && address < 0x8000;
}

/** 0b10 in the upper bits: the hash of a Label UUID stands for it. */
export function isVirtual(address: number): boolean {
  return (address & 0xc000) === 0x8000;
}

/** Assigned by whoever configures the network, or fixed. */
export function isGroup(address: number): boolean {
  return address >= 0xc000;
}

/** 0xFF00–0xFFFB are reserved for future use (§3.4.2.4). */
export function isReservedGroup(address: number): boolean {
  return address >= 0xff00 && address <= 0xfffb;
}

/** A group that anyone may subscribe to: fixed groups belong to features instead (§4.3.2.19). */
export function isSubscribableGroup(address: number): boolean {
  return address >= 0xc000 && address < 0xff00;
}
