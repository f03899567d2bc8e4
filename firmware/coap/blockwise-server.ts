/**
 * A server's half of block-wise transfers (RFC 7959): puts request bodies together, hands them on whole, and gives
 * response bodies out block by block. Bounded in operations and bytes, whatever clients do.
 */

import { ByteWriter } from "../bytes/writer.js";
import { type Block, blockOffset, blockOption, blockSize, getBlock, MAX_SZX, operationKey } from "./block.js";
import type { CoapMessage } from "./message.js";
import type { Content } from "./messaging.js";
import { Code, isError, OptionNumber } from "./numbers.js";
import { getUint, hasOption, opaqueOption, removeOption, setOption, uintOption } from "./options.js";
import { DEFAULT_TRANSMISSION, exchangeLifetime } from "./transmission.js";

/** How bodies are cut, and how much of others' bodies is kept. */
export interface BlockwiseServerOptions {
  /** largest block to send and to ask for, default 6: 1024 bytes */
  readonly szx?: number;
  /** bytes of the largest request body, default 65536 */
  readonly limit?: number;
  /** operations under way, default 64; the one used least recently goes first */
  readonly operations?: number;
  /** bytes kept over all operations, default 1 MiB */
  readonly memory?: number;
  /** ms that an operation lives behind its last block, default EXCHANGE_LIFETIME (RFC 7959 §2.4, §2.5) */
  readonly lifetime?: number;
}

/** What to do with a request. */
export type BlockwiseVerdict =
  /** hand it on: its payload is the whole body */
  | { readonly request: CoapMessage }
  /** answer it with this, nothing is to be done */
  | { readonly answer: Content };

interface Operation {
  /** a request body so far, or … */
  readonly body: ByteWriter | undefined;
  /** … the response whose blocks are being fetched */
  readonly response: Content | undefined;
  size: number;
  expires: number;
}

const NO_BYTES = new Uint8Array(0);

/** Puts requests together from their blocks, and cuts responses into them (RFC 7959), for all clients of a server. */
export class BlockwiseServer {
  readonly #szx: number;
  readonly #limit: number;
  readonly #maxOperations: number;
  readonly #memory: number;
  readonly #lifetime: number;
  /** By client and operation; in the order of their last use. */
  readonly #operations = new Map<string, Operation>();
  #used = 0;

  constructor(options: BlockwiseServerOptions = {}) {
    this.#szx = Math.min(options.szx ?? MAX_SZX, MAX_SZX);
    this.#limit = options.limit ?? 0x10000;
    this.#maxOperations = options.operations ?? 64;
    this.#memory = options.memory ?? 0x100000;
    this.#lifetime = options.lifetime ?? exchangeLifetime(DEFAULT_TRANSMISSION);
  }

  /** Operations under way. */
  get size(): number {
    return this.#operations.size;
  }

  /** Bytes that they hold. */
  get used(): number {
    return this.#used;
  }

  /**
   * Takes a request, or one block of it.
   * @param client names who sent it: the endpoint, or the security context
   */
  accept(client: string, message: CoapMessage, now: number): BlockwiseVerdict {
    const block1 = getBlock(message, OptionNumber.BLOCK1);
    const block2 = getBlock(message, OptionNumber.BLOCK2);
    // RFC 7959 §2.2: SZX 7 is reserved.
    if (block1 === "reserved" || block2 === "reserved") return answer(Code.BAD_REQUEST);
    if (block1 !== undefined) return this.#assemble(client, message, block1, now);
    if (block2 !== undefined && block2.number > 0) return this.#continue(client, message, block2, now);
    return { request: message };
  }

  /**
   * The answer to a request that {@link accept} handed on, or its first block.
   * @param request as it was handed on
   */
  respond(client: string, request: CoapMessage, content: Content, now: number): Content {
    const block1 = getBlock(request, OptionNumber.BLOCK1);
    const block2 = getBlock(request, OptionNumber.BLOCK2);
    let response = content;
    if (block2 !== "reserved" && !isError(content.code)) {
      const szx = Math.min(this.#szx, block2?.szx ?? MAX_SZX);
      if (block2 !== undefined || content.payload.length > blockSize(szx)) {
        const offset = block2 === undefined ? 0 : blockOffset(block2);
        response = this.#begin(client, request, content, blockAt(offset, szx), now);
      }
    }
    if (block1 === undefined || block1 === "reserved") return response;
    // RFC 7959 §2.3: says which block is acknowledged; M unset, this is the final response.
    const options = [...response.options];
    const szx = Math.min(this.#szx, block1.szx);
    setOption(options, blockOption(OptionNumber.BLOCK1, { number: block1.number, more: false, szx }));
    return { ...response, options };
  }

  // ── Block1 ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #assemble(client: string, message: CoapMessage, block: Block, now: number): BlockwiseVerdict {
    const { payload } = message;
    const key = `${client}|1|${operationKey(message)}`;
    if (block.more && payload.length !== blockSize(block.szx)) {
      this.#forget(key);
      return answer(Code.BAD_REQUEST);
    }
    if (block.number === 0) {
      // A new operation takes the place of an old one on the same resource (RFC 7959 §2.5).
      this.#forget(key);
      if (!block.more) return { request: message };
      if ((getUint(message, OptionNumber.SIZE1) ?? 0) > this.#limit) return this.#tooLarge(block);
      const body = new ByteWriter(2 * blockSize(block.szx));
      this.#keep(key, { body, response: undefined, size: 0, expires: now + this.#lifetime });
    }
    const operation = this.#find(key, now);
    const body = operation?.body;
    // §2.9.2: not in sequence, or forgotten. A body of another Content-Format has another key (§2.3).
    if (operation === undefined || body === undefined || blockOffset(block) !== body.length) {
      this.#forget(key);
      return answer(Code.REQUEST_ENTITY_INCOMPLETE);
    }
    if (body.length + payload.length > this.#limit) {
      this.#forget(key);
      return this.#tooLarge(block);
    }
    body.bytes(payload);
    if (!block.more) {
      this.#forget(key);
      return { request: { ...message, payload: body.finish() } };
    }
    this.#grow(operation, payload.length);
    this.#touch(key, operation, now);
    if (!this.#operations.has(key)) return this.#tooLarge(block);
    const szx = Math.min(this.#szx, block.szx);
    const option = blockOption(OptionNumber.BLOCK1, { number: block.number, more: true, szx });
    return { answer: { code: Code.CONTINUE, options: [option], payload: NO_BYTES } };
  }

  #tooLarge(block: Block): BlockwiseVerdict {
    const options = [
      blockOption(OptionNumber.BLOCK1, { ...block, szx: Math.min(this.#szx, block.szx) }),
      uintOption(OptionNumber.SIZE1, this.#limit),
    ];
    return { answer: { code: Code.REQUEST_ENTITY_TOO_LARGE, options, payload: NO_BYTES } };
  }

  // ── Block2 ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A further block of a response that was begun, or of one that can be made again. */
  #continue(client: string, message: CoapMessage, block: Block, now: number): BlockwiseVerdict {
    const key = `${client}|2|${operationKey(message)}`;
    const operation = this.#find(key, now);
    if (operation?.response !== undefined) {
      this.#touch(key, operation, now);
      // In blocks of a smaller size than asked for, this is another one.
      const wanted = blockAt(blockOffset(block), Math.min(this.#szx, block.szx));
      return { answer: slice(operation.response, wanted, false) };
    }
    const isSafe = message.code === Code.GET || message.code === Code.FETCH;
    return isSafe ? { request: message } : answer(Code.REQUEST_ENTITY_INCOMPLETE);
  }

  /** A block of a new response; the response is kept when there is more of it. */
  #begin(client: string, request: CoapMessage, content: Content, block: Block, now: number): Content {
    const response = hasOption(content, OptionNumber.ETAG) ? content : withEtag(content);
    const size = response.payload.length;
    if (size > blockOffset(block) + blockSize(block.szx)) {
      const key = `${client}|2|${operationKey(request)}`;
      this.#forget(key);
      const operation = { body: undefined, response: keptFor(response), size: 0, expires: 0 };
      this.#keep(key, operation);
      this.#grow(operation, size);
      this.#touch(key, operation, now);
    }
    return slice(response, block, hasOption(request, OptionNumber.SIZE2));
  }

  // ── What is kept ────────────────────────────────────────────────────────────────────────────────────────────────

  #find(key: string, now: number): Operation | undefined {
    const operation = this.#operations.get(key);
    if (operation === undefined || operation.expires > now) return operation;
    this.#forget(key);
    return undefined;
  }

  #keep(key: string, operation: Operation): void {
    this.#operations.set(key, operation);
    while (this.#operations.size > this.#maxOperations) this.#forgetOldest();
  }

  #grow(operation: Operation, by: number): void {
    operation.size += by;
    this.#used += by;
  }

  /** An operation was used last. Makes room by forgetting those used before it, and if need be itself. */
  #touch(key: string, operation: Operation, now: number): void {
    operation.expires = now + this.#lifetime;
    this.#operations.delete(key);
    this.#operations.set(key, operation);
    while (this.#used > this.#memory && this.#operations.size > 0) this.#forgetOldest();
  }

  #forgetOldest(): void {
    for (const key of this.#operations.keys()) {
      this.#forget(key);
      return;
    }
  }

  #forget(key: string): void {
    const operation = this.#operations.get(key);
    if (operation === undefined) return;
    this.#used -= operation.size;
    this.#operations.delete(key);
  }
}

function answer(code: number): { readonly answer: Content } {
  return { answer: { code, options: [], payload: NO_BYTES } };
}

function blockAt(offset: number, szx: number): Block {
  return { number: offset / blockSize(szx), more: false, szx };
}

/** One block of a response. Beyond the end there is none: 4.00. */
function slice(response: Content, block: Block, withSize: boolean): Content {
  const start = blockOffset(block);
  const { length } = response.payload;
  if (start >= length && start > 0) return answer(Code.BAD_REQUEST).answer;
  const end = Math.min(start + blockSize(block.szx), length);
  const options = [...response.options];
  setOption(options, blockOption(OptionNumber.BLOCK2, { ...block, more: end < length }));
  // Asked for (RFC 7959 §4), or of use because much is to come.
  if (withSize || (start === 0 && length > 4 * blockSize(block.szx))) {
    setOption(options, uintOption(OptionNumber.SIZE2, length));
  }
  return { code: response.code, options, payload: response.payload.subarray(start, end) };
}

/** What is kept of a notification is the representation: the blocks behind the first are plain responses (§2.6). */
function keptFor(response: Content): Content {
  const options = [...response.options];
  removeOption(options, OptionNumber.OBSERVE);
  return { ...response, options };
}

/** RFC 7959 §2.4: blocks of a representation that may change carry an ETag. Here a hash (FNV-1a) of it. */
function withEtag(content: Content): Content {
  if (content.code !== Code.CONTENT) return content;
  let hash = 0x811c9dc5;
  for (const byte of content.payload) hash = Math.imul(hash ^ byte, 0x01000193);
  const options = [...content.options];
  const tag = new Uint8Array([hash >>> 24, hash >>> 16, hash >>> 8, hash]);
  setOption(options, opaqueOption(OptionNumber.ETAG, tag));
  return { ...content, options };
}
