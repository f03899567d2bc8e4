import { ByteReader } from "../bytes/reader.js";
import { ByteWriter } from "../bytes/writer.js";

/** The control messages between a Low Power node and its friend (Mesh Profile §3.6.5). */

/** What a Low Power node asks for (§3.6.5.3). */
export interface FriendRequest {
  /** Weight of the signal's strength, and of the receive window: 0 to 3 for 1, 1.5, 2, 2.5. */
  readonly rssiFactor: number;
  readonly windowFactor: number;
  /** Messages to keep at least, as a power of two: 1 to 7. */
  readonly minQueueSizeLog: number;
  /** From the end of a poll to the beginning of the answer's window: 10 to 255 ms. */
  readonly receiveDelay: number;
  /** In 100 ms: without a poll for so long the friendship is over. */
  readonly pollTimeout: number;
  /** Unicast address of the friend before, 0 for none. */
  readonly previousAddress: number;
  readonly elements: number;
  readonly counter: number;
}

/** Parameters of a Friend Request (§3.6.5.3). */
export function encodeFriendRequest(request: FriendRequest): Uint8Array {
  return new ByteWriter(10)
    .u8((request.rssiFactor << 5) | (request.windowFactor << 3) | request.minQueueSizeLog)
    .u8(request.receiveDelay)
    .uint(request.pollTimeout, 3)
    .u16(request.previousAddress)
    .u8(request.elements)
    .u16(request.counter)
    .finish();
}

/** `undefined` when the length or a value is one that §3.6.5.3 prohibits. */
export function decodeFriendRequest(bytes: Uint8Array): FriendRequest | undefined {
  if (bytes.length !== 10) return undefined;
  const reader = new ByteReader(bytes);
  const criteria = reader.u8()!;
  const request: FriendRequest = {
    rssiFactor: (criteria >> 5) & 3,
    windowFactor: (criteria >> 3) & 3,
    minQueueSizeLog: criteria & 7,
    receiveDelay: reader.u8()!,
    pollTimeout: reader.uint(3)!,
    previousAddress: reader.u16()!,
    elements: reader.u8()!,
    counter: reader.u16()!,
  };
  const right =
    request.minQueueSizeLog > 0 &&
    request.receiveDelay >= 0x0a &&
    request.pollTimeout >= 0x0a &&
    request.pollTimeout <= 0x34bbff &&
    request.elements > 0 &&
    request.previousAddress < 0x8000;
  return right ? request : undefined;
}

/** What a friend offers (§3.6.5.4). */
export interface FriendOffer {
  /** Milliseconds within which it answers. */
  readonly receiveWindow: number;
  readonly queueSize: number;
  readonly subscriptionListSize: number;
  /** dBm at which it heard the request. */
  readonly rssi: number;
  readonly counter: number;
}

/** Parameters of a Friend Offer (§3.6.5.4). */
export function encodeFriendOffer(offer: FriendOffer): Uint8Array {
  return new ByteWriter(6)
    .u8(offer.receiveWindow)
    .u8(offer.queueSize)
    .u8(offer.subscriptionListSize)
    .u8(offer.rssi & 0xff)
    .u16(offer.counter)
    .finish();
}

/**
 * Reads a Friend Offer (§3.6.5.4).
 * @returns `undefined` when it is not well formed
 */
export function decodeFriendOffer(bytes: Uint8Array): FriendOffer | undefined {
  if (bytes.length !== 6 || bytes[0] === 0) return undefined;
  return {
    receiveWindow: bytes[0],
    queueSize: bytes[1],
    subscriptionListSize: bytes[2],
    rssi: bytes[3] > 127 ? bytes[3] - 256 : bytes[3],
    counter: (bytes[4] << 8) | bytes[5],
  };
}

/** A friend's word on the network's security, and whether more is waiting (§3.6.5.2). */
export interface FriendUpdate {
  readonly keyRefresh: boolean;
  readonly ivUpdate: boolean;
  readonly ivIndex: number;
  readonly moreData: boolean;
}

/** Parameters of a Friend Update (§3.6.5.2). */
export function encodeFriendUpdate(update: FriendUpdate): Uint8Array {
  return new ByteWriter(6)
    .u8((update.keyRefresh ? 1 : 0) | (update.ivUpdate ? 2 : 0))
    .u32(update.ivIndex)
    .u8(update.moreData ? 1 : 0)
    .finish();
}

/**
 * Reads a Friend Update (§3.6.5.2).
 * @returns `undefined` when it is not well formed
 */
export function decodeFriendUpdate(bytes: Uint8Array): FriendUpdate | undefined {
  if (bytes.length !== 6 || bytes[5] > 1) return undefined;
  return {
    keyRefresh: (bytes[0] & 1) !== 0,
    ivUpdate: (bytes[0] & 2) !== 0,
    ivIndex: new ByteReader(bytes, 1).u32()!,
    moreData: bytes[5] === 1,
  };
}

/** Friend Clear and its confirmation: whose friendship, and the counter of the request that began it (§3.6.5.5). */
export function encodeFriendClear(lowPowerNode: number, counter: number): Uint8Array {
  return new ByteWriter(4).u16(lowPowerNode).u16(counter).finish();
}

/**
 * Reads a Friend Clear or its confirmation (§3.6.5.5, §3.6.5.6).
 * @returns `undefined` when it is not well formed
 */
export function decodeFriendClear(bytes: Uint8Array): { lowPowerNode: number; counter: number } | undefined {
  if (bytes.length !== 4) return undefined;
  return { lowPowerNode: (bytes[0] << 8) | bytes[1], counter: (bytes[2] << 8) | bytes[3] };
}

/** Addresses that one Subscription List message carries unsegmented (§3.6.5.7). */
export const SUBSCRIPTIONS_PER_MESSAGE = 5;

/** Friend Subscription List Add and Remove (§3.6.5.7, §3.6.5.8). */
export function encodeSubscriptions(transaction: number, addresses: readonly number[]): Uint8Array {
  const writer = new ByteWriter(11).u8(transaction);
  for (const address of addresses) writer.u16(address);
  return writer.finish();
}

/**
 * Reads a Friend Subscription List (§3.6.5.7, §3.6.5.8).
 * @returns `undefined` when it is not well formed
 */
export function decodeSubscriptions(
  bytes: Uint8Array,
): { transaction: number; addresses: number[] } | undefined {
  if (bytes.length < 3 || bytes.length % 2 === 0) return undefined;
  const addresses: number[] = [];
  for (let i = 1; i < bytes.length; i += 2) addresses.push((bytes[i] << 8) | bytes[i + 1]);
  return { transaction: bytes[0], addresses };
}
