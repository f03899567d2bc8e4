/** Bodies and requests for transfers in blocks, and a client and a server that carry one out. */

import assert from "node:assert/strict";
import { type BlockOptionNumber, formatBlock, getBlock } from "../../firmware/coap/block.js";
import { BlockwiseClient, type BlockwiseClientOptions } from "../../firmware/coap/blockwise-client.js";
import { BlockwiseServer, type BlockwiseServerOptions } from "../../firmware/coap/blockwise-server.js";
import { type CoapMessage, Type } from "../../firmware/coap/message.js";
import type { Content } from "../../firmware/coap/messaging.js";
import { Code, codeName, OptionNumber } from "../../firmware/coap/numbers.js";
import { pathOptions } from "../../firmware/coap/options.js";

export const NONE = new Uint8Array(0);

export const { BLOCK1, BLOCK2 } = OptionNumber;

/** A body in which every position tells itself from its neighbours. */
export function body(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 13 + seed) & 255);
}

export function message(content: Content): CoapMessage {
  return {
    type: Type.CON,
    messageId: 1,
    token: NONE,
    code: content.code,
    options: [...content.options],
    payload: content.payload,
  };
}

/** "PUT 1:0/1/128", as the figures of RFC 7959 §3 say it. */
export function line(content: Content): string {
  const parts = [codeName(content.code)];
  for (const number of [BLOCK2, BLOCK1] as BlockOptionNumber[]) {
    const block = getBlock(content, number);
    if (block !== undefined && block !== "reserved") parts.push(formatBlock(number, block));
  }
  return parts.join(" ");
}

export type Handler = (request: CoapMessage) => Content;

/** A client's operation and a server, until the operation ends. */
export function run(
  request: Content,
  handler: Handler,
  client: BlockwiseClientOptions = {},
  options: BlockwiseServerOptions = {},
  server = new BlockwiseServer(options),
  tamper: (response: Content, round: number) => Content = (response) => response,
) {
  const log: string[] = [];
  const operation = new BlockwiseClient(request, client);
  let step: ReturnType<BlockwiseClient["next"]> = { send: operation.start() };
  for (let round = 0; "send" in step; round++) {
    assert.ok(round < 5000, "the operation ends");
    log.push(line(step.send));
    const sent = message(step.send);
    const verdict = server.accept("client", sent, round);
    const response =
      "answer" in verdict
        ? verdict.answer
        : server.respond("client", verdict.request, handler(verdict.request), round);
    log.push(`  ${line(response)}`);
    // A response is a view of a datagram that is gone with the next one.
    const datagram = tamper(response, round);
    const view = {
      ...datagram,
      payload: datagram.payload.slice(),
      options: datagram.options.map(({ number, value }) => ({ number, value: value.slice() })),
    };
    step = operation.next(view);
    if ("send" in step) {
      view.payload.fill(0);
      for (const { value } of view.options) value.fill(0);
    }
  }
  return { log, server, result: step };
}

export function done(result: ReturnType<BlockwiseClient["next"]>): Content {
  assert.ok("done" in result, JSON.stringify(result));
  return result.done;
}

export const get: Content = { code: Code.GET, options: pathOptions("status"), payload: NONE };

export const put = (length: number): Content => ({
  code: Code.PUT,
  options: pathOptions("options"),
  payload: body(length),
});

export const post = (length: number): Content => ({
  code: Code.POST,
  options: pathOptions("soap"),
  payload: body(length),
});

export function content(length: number, code: number = Code.CONTENT): Content {
  return { code, options: [], payload: body(length, 3) };
}

export function changed(): Content {
  return { code: Code.CHANGED, options: [], payload: NONE };
}
