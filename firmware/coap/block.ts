/** Block1 and Block2 (RFC 7959 §2.2), and what tells one block-wise operation from another (§2.4, RFC 9175 §3.3). */

import { toHex } from "../bytes/hex.js";
import type { CoapOption } from "./message.js";
import type { Content } from "./messaging.js";
import { OptionNumber } from "./numbers.js";
import { getUint, type HasOptions, isNoCacheKey, isUnsafe, uintOption } from "./options.js";

/** One block of a body. */
export interface Block {
  /** counted in blocks of this size */
  readonly number: number;
  /** others follow; has no meaning in a request's Block2 */
  readonly more: boolean;
  /** the size exponent, 0–6: blocks of 2^(szx + 4) bytes */
  readonly szx: number;
}

/** The option that describes a block: Block1 of a request's body, Block2 of a response's (RFC 7959 §2.1). */
export type BlockOptionNumber = typeof OptionNumber.BLOCK1 | typeof OptionNumber.BLOCK2;

/** 1024 bytes, the largest block. */
export const MAX_SZX = 6;
const RESERVED_SZX = 7;
const MAX_BLOCK_NUMBER = 0xfffff;

/** Bytes of a block. */
export function blockSize(szx: number): number {
  return 1 << (szx + 4);
}

/** Where a block begins in its body. */
export function blockOffset(block: Block): number {
  return block.number * blockSize(block.szx);
}

/** The exponent of the largest block of at most so many bytes; 0 for less than 16. */
export function szxFor(bytes: number): number {
  let szx = 0;
  while (szx < MAX_SZX && blockSize(szx + 1) <= bytes) szx++;
  return szx;
}

/** The block that a message is about; `undefined` without the option; "reserved" for SZX 7, to be answered with 4.00. */
export function getBlock(message: HasOptions, number: BlockOptionNumber): Block | "reserved" | undefined {
  const value = getUint(message, number);
  if (value === undefined) return undefined;
  const szx = value & 7;
  return szx === RESERVED_SZX ? "reserved" : { number: value >>> 4, more: (value & 8) !== 0, szx };
}

/** @throws RangeError for a block number beyond 20 bits: bodies end at 16 MiB in blocks of 16 bytes */
export function blockOption(number: BlockOptionNumber, block: Block): CoapOption {
  if (block.number > MAX_BLOCK_NUMBER) throw new RangeError(`block number ${block.number}`);
  return uintOption(number, (block.number << 4) | (block.more ? 8 : 0) | block.szx);
}

/** "2:3/1/128", as RFC 7959 §3 writes it. */
export function formatBlock(number: BlockOptionNumber, block: Block): string {
  const which = number === OptionNumber.BLOCK1 ? 1 : 2;
  return `${which}:${block.number}/${block.more ? 1 : 0}/${blockSize(block.szx)}`;
}

/**
 * What all requests of one block-wise operation have in common: code and the options that are part of the cache key
 * (RFC 7252 §5.6), among them Request-Tag, without those that differ from block to block or say nothing about the
 * resource.
 */
export function operationKey(request: Pick<Content, "code" | "options">): string {
  let key = `${request.code}`;
  for (const { number, value } of request.options) {
    if (isBlockwise(number) || (isNoCacheKey(number) && !isUnsafe(number))) continue;
    key += `|${number}:${toHex(value)}`;
  }
  return key;
}

function isBlockwise(number: number): boolean {
  switch (number) {
    case OptionNumber.BLOCK1:
    case OptionNumber.BLOCK2:
    case OptionNumber.OBSERVE:
    case OptionNumber.OSCORE:
    case OptionNumber.NO_RESPONSE:
      return true;
    default:
      return false;
  }
}
