/** A message layer with its datagrams in hand, and what asks it. */

import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { encodeUtf8 } from "../../firmware/bytes/utf8.js";
import type { CoapMessage } from "../../firmware/coap/message.js";
import {
  type Content,
  type Exchange,
  MessageLayer,
  type MessageLayerOptions,
  type RequestHandle,
  type RequestHandler,
  type Verdict,
} from "../../firmware/coap/message-layer.js";
import { Code, OptionNumber } from "../../firmware/coap/numbers.js";
import { stringOption } from "../../firmware/coap/options.js";
import { seeded } from "./network.js";

export const NONE = new Uint8Array(0);

export const GET: Content = {
  code: Code.GET,
  options: [stringOption(OptionNumber.URI_PATH, "temperature")],
  payload: NONE,
};

export const CONTENT: Content = { code: Code.CONTENT, options: [], payload: encodeUtf8("22.3 C") };

/** One layer with its outputs recorded, and inputs written as hex. */
export class Bench {
  readonly sent: string[] = [];
  readonly exchanges: Exchange[] = [];
  readonly resets: string[] = [];
  readonly layer: MessageLayer;
  now = 0;

  constructor(options: Partial<MessageLayerOptions> = {}) {
    this.layer = new MessageLayer({
      send: (_endpoint, bytes) => this.sent.push(toHex(bytes)),
      random: seeded(1),
      onRequest: (exchange) => this.exchanges.push(exchange),
      onReset: (endpoint, messageId) => this.resets.push(`${endpoint} ${messageId.toString(16)}`),
      ...options,
    });
  }

  receive(bytes: string | Uint8Array, endpoint = "peer"): void {
    this.layer.receive(endpoint, typeof bytes === "string" ? hex(bytes) : bytes, this.now);
  }

  respond(exchange: Exchange, content: Content = CONTENT): void {
    this.layer.respond(exchange, content, this.now);
  }

  /** What left since the last call. */
  take(): string[] {
    return this.sent.splice(0);
  }

  /** Lets time pass, ticking exactly when the layer asks for it. */
  pass(ms: number): void {
    const end = this.now + ms;
    while (this.layer.deadline <= end) {
      this.now = this.layer.deadline;
      this.layer.tick(this.now);
    }
    this.now = end;
  }

  count(reason: string): number {
    return this.layer.counters.get(reason);
  }
}

/** Records what becomes of a request. */
export class Recorder implements RequestHandler {
  readonly log: string[] = [];
  verdict: Verdict = "done";

  onResponse(response: CoapMessage): Verdict {
    this.log.push(`response ${response.code.toString(16)} ${toHex(response.payload)}`);
    return this.verdict;
  }

  onFailure(failure: string): void {
    this.log.push(failure);
  }

  onAcknowledged(): void {
    this.log.push("acknowledged");
  }
}

export function request(bench: Bench, recorder = new Recorder(), options = {}, content = GET): RequestHandle {
  const handle = bench.layer.request("peer", content, recorder, bench.now, options);
  assert.ok(!(handle instanceof Refusal));
  return handle;
}

export const PAYLOAD = "32322e332043";

export const REQUEST_TAIL = "bb74656d7065726174757265";
