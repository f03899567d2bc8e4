/**
 * A client's block-wise operation (RFC 7959): one request with a body of any size, one response with a body of any size,
 * in as many exchanges as it takes. Sans-IO, and sans messages: it makes the requests and takes the responses; whether
 * OSCORE protects each block (RFC 8613 §4.1.3.4.1) or the whole is not its business.
 */

import { equal } from "../bytes/compare.js";
import { ByteWriter } from "../bytes/writer.js";
import { type Block, blockOffset, blockOption, blockSize, getBlock, MAX_SZX } from "./block.js";
import type { CoapOption } from "./message.js";
import type { Content } from "./messaging.js";
import { Code, codeClass, isError, OptionNumber } from "./numbers.js";
import { getOption, getUint, opaqueOption, removeOption, setOption, uintOption } from "./options.js";

/** How bodies are cut and how large they may become. */
export interface BlockwiseClientOptions {
  /** largest block to send and to ask for, default 6: 1024 bytes */
  readonly szx?: number;
  /** bytes of the largest response body taken, default 65536 */
  readonly limit?: number;
  /** ask for blocks of `szx` from the first request on (RFC 7959 §2.4, early negotiation), default false */
  readonly negotiate?: boolean;
  /**
   * Tells this operation from others on the same resource (RFC 9175 §3.3). Where messages are integrity protected, it
   * must not come again as long as blocks of an earlier operation could be mixed in (§3.5.1).
   */
  readonly requestTag?: Uint8Array;
}

/** Why a body could not be put together. */
export type BlockwiseFailure =
  /** the response body is larger than the limit */
  | "blockwise-too-large"
  /** a block that was not asked for, or of another size than it says */
  | "blockwise-unexpected"
  /** the representation changed again and again (RFC 7959 §2.4) */
  | "blockwise-changed";

/** What is to be done next: send this, hand this on, or give up. */
export type BlockwiseStep =
  | { readonly send: Content }
  /** the whole response, an error among them; its arrays are copies where the body was put together */
  | { readonly done: Content }
  | { readonly failed: BlockwiseFailure };

/** How often an operation begins anew, after 4.08, 4.13 or a changed ETag. */
const MAX_RESTARTS = 3;
const DEFAULT_LIMIT = 0x10000;
const NO_BYTES = new Uint8Array(0);

/** One request with a body of any length, seen from the client (RFC 7959): says what to send next for each answer. */
export class BlockwiseClient {
  readonly #request: Content;
  readonly #limit: number;
  readonly #negotiate: boolean;
  readonly #requestTag: Uint8Array | undefined;
  /** of blocks that we send; falls when the server wants smaller ones */
  #szx: number;
  /** bytes of the request body that were sent and taken */
  #sent = 0;
  /** bytes of the request body in the last request */
  #sending = 0;
  #restarts = 0;
  /** the first response with a part of the body */
  #first: Content | undefined;
  #etag: Uint8Array | undefined;
  readonly #body = new ByteWriter(64);

  /** @param request its payload may be larger than a block; `requestTag` and Block options are added here */
  constructor(request: Content, options: BlockwiseClientOptions = {}) {
    this.#request = request;
    this.#szx = Math.min(options.szx ?? MAX_SZX, MAX_SZX);
    this.#limit = options.limit ?? DEFAULT_LIMIT;
    this.#negotiate = options.negotiate ?? false;
    this.#requestTag = options.requestTag;
  }

  /** The first request. */
  start(): Content {
    return this.#request.payload.length > blockSize(this.#szx) ? this.#upload() : this.#whole();
  }

  /** What follows from the response to the last request. */
  next(response: Content): BlockwiseStep {
    if (this.#first !== undefined) return this.#download(response);
    if (isError(response.code)) return this.#refused(response);
    if (this.#sent + this.#sending < this.#request.payload.length) return this.#uploaded(response);
    return this.#download(response);
  }

  // ── Block1 ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #whole(): Content {
    this.#sending = this.#request.payload.length;
    return { ...this.#request, options: this.#options(this.#negotiate) };
  }

  #upload(): Content {
    const { payload } = this.#request;
    const size = blockSize(this.#szx);
    const end = Math.min(this.#sent + size, payload.length);
    const isLast = end === payload.length;
    this.#sending = end - this.#sent;
    // The answer's block size is for the last request to say, RFC 7959 figure 11.
    const options = this.#options(this.#negotiate && isLast);
    const block = { number: this.#sent / size, more: !isLast, szx: this.#szx };
    setOption(options, blockOption(OptionNumber.BLOCK1, block));
    if (this.#sent === 0) setOption(options, uintOption(OptionNumber.SIZE1, payload.length));
    return { code: this.#request.code, options, payload: payload.subarray(this.#sent, end) };
  }

  /** A block that is not the last was taken. */
  #uploaded(response: Content): BlockwiseStep {
    const block = getBlock(response, OptionNumber.BLOCK1);
    // Servers that act on each block answer with a final code each time (RFC 7959 figure 8); so the code says nothing.
    if (block === undefined || block === "reserved") return { failed: "blockwise-unexpected" };
    if (codeClass(response.code) !== 2) return { failed: "blockwise-unexpected" };
    this.#sent += this.#sending;
    this.#szx = Math.min(this.#szx, block.szx);
    return { send: this.#upload() };
  }

  #refused(response: Content): BlockwiseStep {
    const { payload } = this.#request;
    const block = getBlock(response, OptionNumber.BLOCK1);
    if (response.code === Code.REQUEST_ENTITY_INCOMPLETE && this.#sent > 0 && this.#mayRestart()) {
      // The server no longer has the blocks before (RFC 7959 §2.9.2).
      this.#sent = 0;
      return { send: this.#upload() };
    }
    if (response.code === Code.REQUEST_ENTITY_TOO_LARGE && payload.length > blockSize(0)) {
      // §2.9.3: a hint to try smaller blocks, or blocks at all.
      const hint = block !== undefined && block !== "reserved" ? block.szx : undefined;
      const wasWhole = this.#sent === 0 && this.#sending === payload.length;
      if ((wasWhole || (hint !== undefined && hint < this.#szx)) && this.#mayRestart()) {
        this.#szx = Math.min(this.#szx, hint ?? MAX_SZX);
        while (this.#szx > 0 && blockSize(this.#szx) >= payload.length) this.#szx--;
        this.#sent = 0;
        return { send: this.#upload() };
      }
    }
    return { done: response };
  }

  // ── Block2 ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #download(response: Content): BlockwiseStep {
    const block = getBlock(response, OptionNumber.BLOCK2);
    if (isError(response.code)) return { done: response };
    // There is nothing left to continue with.
    if (response.code === Code.CONTINUE) return { failed: "blockwise-unexpected" };
    if (block === undefined && this.#first === undefined) return { done: response };
    if (block === undefined || block === "reserved") return { failed: "blockwise-unexpected" };
    const etag = getOption(response, OptionNumber.ETAG);
    if (this.#first === undefined) {
      // The whole in one block is no case for copies.
      if (block.number === 0 && !block.more) return { done: withoutBlocks(response, response.payload) };
      this.#first = keep(response);
      this.#etag = etag?.slice();
    } else if (!sameTag(etag, this.#etag)) {
      return this.#changed();
    }
    return this.#append(response, block);
  }

  #append(response: Content, block: Block): BlockwiseStep {
    const { payload } = response;
    if (blockOffset(block) !== this.#body.length) return { failed: "blockwise-unexpected" };
    // RFC 7959 §2.3: a block that others follow is full.
    if (block.more ? payload.length !== blockSize(block.szx) : payload.length > blockSize(block.szx)) {
      return { failed: "blockwise-unexpected" };
    }
    const size = this.#body.length + payload.length;
    const announced = getUint(response, OptionNumber.SIZE2) ?? 0;
    if (Math.max(size, announced) > this.#limit) return { failed: "blockwise-too-large" };
    this.#body.bytes(payload);
    if (!block.more) return { done: withoutBlocks(this.#first as Content, this.#body.finish()) };
    this.#szx = Math.min(this.#szx, block.szx);
    return { send: this.#more() };
  }

  /** The request for the next block: the same options, no payload (RFC 7959 §2.7). */
  #more(): Content {
    const options = this.#options(false);
    // Only the registration itself observes (§2.6).
    removeOption(options, OptionNumber.OBSERVE);
    const number = this.#body.length / blockSize(this.#szx);
    setOption(options, blockOption(OptionNumber.BLOCK2, { number, more: false, szx: this.#szx }));
    // What FETCH asks for is in its payload (RFC 8132 §2.1), as far as it fits one message.
    const { code, payload } = this.#request;
    const isFetch = code === Code.FETCH && payload.length <= blockSize(MAX_SZX);
    return { code, options, payload: isFetch ? payload : NO_BYTES };
  }

  /** Another version of the representation: from the beginning, where asking again does no harm. */
  #changed(): BlockwiseStep {
    const { code } = this.#request;
    const isSafe = code === Code.GET || code === Code.FETCH;
    if (!isSafe || !this.#mayRestart()) return { failed: "blockwise-changed" };
    this.#first = undefined;
    this.#body.reset();
    const options = this.#options(false);
    removeOption(options, OptionNumber.OBSERVE);
    setOption(options, blockOption(OptionNumber.BLOCK2, { number: 0, more: false, szx: this.#szx }));
    return { send: { ...this.#request, options } };
  }

  #options(negotiate: boolean): CoapOption[] {
    const options = [...this.#request.options];
    if (this.#requestTag !== undefined) {
      setOption(options, opaqueOption(OptionNumber.REQUEST_TAG, this.#requestTag));
    }
    if (negotiate) {
      setOption(options, blockOption(OptionNumber.BLOCK2, { number: 0, more: false, szx: this.#szx }));
    }
    return options;
  }

  #mayRestart(): boolean {
    return ++this.#restarts <= MAX_RESTARTS;
  }
}

function sameTag(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equal(a, b);
}

/** Code and options with memory of their own: responses are views of datagrams. */
function keep(response: Content): Content {
  const options = response.options.map(({ number, value }) => ({ number, value: value.slice() }));
  return { code: response.code, options, payload: NO_BYTES };
}

/** The response as if it had come in one piece. */
function withoutBlocks(response: Content, payload: Uint8Array): Content {
  const options = [...response.options];
  removeOption(options, OptionNumber.BLOCK1);
  removeOption(options, OptionNumber.BLOCK2);
  removeOption(options, OptionNumber.SIZE2);
  return { code: response.code, options, payload };
}
