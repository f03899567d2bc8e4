import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { blockOption } from "../../firmware/coap/block.js";
import { BlockwiseServer } from "../../firmware/coap/blockwise-server.js";
import type { CoapMessage } from "../../firmware/coap/message.js";
import type { Content } from "../../firmware/coap/messaging.js";
import { Code, OptionNumber } from "../../firmware/coap/numbers.js";
import {
  getOption,
  getUint,
  opaqueOption,
  pathOptions,
  setOption,
  uintOption,
} from "../../firmware/coap/options.js";
import { BLOCK1, BLOCK2, body, content, done, get, message, post, run } from "./blockwise-bodies.js";

describe("block-wise: the server", () => {
  const block1 = (
    number: number,
    more: boolean,
    szx: number,
    payload: Uint8Array,
    ...options: Content["options"]
  ) => {
    const all = [...pathOptions("a"), ...options];
    setOption(all, blockOption(BLOCK1, { number, more, szx }));
    return message({ code: Code.PUT, options: all, payload });
  };
  const codeOf = (verdict: ReturnType<BlockwiseServer["accept"]>) =>
    "answer" in verdict ? verdict.answer.code : "request";

  it("answers 4.08 for blocks out of order, of other clients, of other operations, or too late", () => {
    const start = () => {
      const server = new BlockwiseServer();
      assert.equal(codeOf(server.accept("a", block1(0, true, 0, body(16)), 0)), Code.CONTINUE);
      return server;
    };
    const late = 247_000;
    const cases: [string, CoapMessage, number][] = [
      ["a", block1(2, true, 0, body(16)), 1],
      ["b", block1(1, true, 0, body(16)), 1],
      ["a", block1(1, true, 0, body(16), uintOption(OptionNumber.CONTENT_FORMAT, 60)), 1],
      ["a", block1(1, false, 0, body(3), opaqueOption(OptionNumber.REQUEST_TAG, hex("01"))), 1],
      ["a", block1(1, true, 0, body(16)), late],
    ];
    for (const [client, request, now] of cases) {
      assert.equal(codeOf(start().accept(client, request, now)), Code.REQUEST_ENTITY_INCOMPLETE);
    }
    assert.equal(codeOf(start().accept("a", block1(1, true, 0, body(16)), late - 1)), Code.CONTINUE);
    assert.equal(
      codeOf(new BlockwiseServer().accept("a", block1(1, false, 0, body(3)), 0)),
      Code.REQUEST_ENTITY_INCOMPLETE,
    );
  });

  it("tells concurrent operations by Request-Tag (RFC 9175 §3.3)", () => {
    const server = new BlockwiseServer();
    const tagged = (tag: string, number: number, more: boolean, payload: Uint8Array) =>
      server.accept(
        "a",
        block1(number, more, 0, payload, opaqueOption(OptionNumber.REQUEST_TAG, hex(tag))),
        0,
      );
    tagged("01", 0, true, body(16, 1));
    tagged("02", 0, true, body(16, 2));
    const first = tagged("01", 1, false, hex("aa"));
    const second = tagged("02", 1, false, hex("bb"));
    assert.ok("request" in first && "request" in second);
    assert.equal(toHex(first.request.payload), `${toHex(body(16, 1))}aa`);
    assert.equal(toHex(second.request.payload), `${toHex(body(16, 2))}bb`);
    assert.equal(server.size + server.used, 0);
  });

  it("a first block takes the place of an operation under way", () => {
    const server = new BlockwiseServer();
    server.accept("a", block1(0, true, 0, body(16, 1)), 0);
    server.accept("a", block1(0, true, 0, body(16, 2)), 0);
    const last = server.accept("a", block1(1, false, 0, hex("bb")), 0);
    assert.ok("request" in last);
    assert.equal(toHex(last.request.payload), `${toHex(body(16, 2))}bb`);
  });

  it("answers 4.00 for SZX 7, for blocks that are not full, for blocks beyond the end", () => {
    const server = new BlockwiseServer({ szx: 0 });
    const request = (option: Content["options"][number]) =>
      message({ ...get, options: [...get.options, option] });
    assert.equal(codeOf(server.accept("a", request(uintOption(BLOCK2, 7)), 0)), Code.BAD_REQUEST);
    assert.equal(codeOf(server.accept("a", request(uintOption(BLOCK1, 15)), 0)), Code.BAD_REQUEST);
    assert.equal(codeOf(server.accept("a", block1(0, true, 0, body(15)), 0)), Code.BAD_REQUEST);
    assert.equal(codeOf(server.accept("a", block1(0, true, 0, body(17)), 0)), Code.BAD_REQUEST);
    const beyond = request(blockOption(BLOCK2, { number: 2, more: false, szx: 0 }));
    const verdict = server.accept("a", beyond, 0);
    assert.ok("request" in verdict);
    assert.equal(server.respond("a", verdict.request, content(32), 0).code, Code.BAD_REQUEST);
    assert.equal(server.respond("a", verdict.request, content(33), 0).code, Code.CONTENT);
  });

  it("makes a safe response again that it no longer has, answers 4.08 for others", () => {
    const server = new BlockwiseServer({ szx: 3, memory: 0 });
    const { result } = run(get, () => content(1000), {}, {}, server);
    assert.deepEqual(done(result).payload, body(1000, 3));
    const posted = run(post(10), () => content(1000, Code.CHANGED), {}, {}, server);
    assert.equal(done(posted.result).code, Code.REQUEST_ENTITY_INCOMPLETE);
    assert.equal(server.used, 0);
  });

  it("takes no more than its limits: bytes of one body, operations, bytes of all", () => {
    const server = new BlockwiseServer({ limit: 40, operations: 3, memory: 60 });
    assert.equal(
      codeOf(server.accept("a", block1(0, true, 0, body(16), uintOption(OptionNumber.SIZE1, 41)), 0)),
      Code.REQUEST_ENTITY_TOO_LARGE,
    );
    for (let number = 0; number < 2; number++) {
      assert.equal(codeOf(server.accept("a", block1(number, true, 0, body(16)), 0)), Code.CONTINUE);
    }
    assert.equal(codeOf(server.accept("a", block1(2, false, 0, body(9)), 0)), Code.REQUEST_ENTITY_TOO_LARGE);
    assert.equal(server.size, 0);
    for (let i = 0; i < 10; i++) {
      server.accept(`client ${i}`, block1(0, true, 0, body(16)), 0);
      assert.ok(server.size <= 3 && server.used <= 60);
    }
    // The latest are still there.
    assert.equal(codeOf(server.accept("client 9", block1(1, false, 0, hex("01")), 0)), "request");
    assert.equal(
      codeOf(server.accept("client 0", block1(1, false, 0, hex("01")), 0)),
      Code.REQUEST_ENTITY_INCOMPLETE,
    );
  });

  it("marks representations with an ETag, says their size when asked or when large", () => {
    const server = new BlockwiseServer({ szx: 0 });
    const respond = (length: number, ...options: Content["options"]) =>
      server.respond("a", message({ ...get, options: [...get.options, ...options] }), content(length), 0);
    assert.equal(getOption(respond(16), OptionNumber.ETAG), undefined);
    const first = respond(32);
    assert.equal(getOption(first, OptionNumber.ETAG)?.length, 4);
    assert.deepEqual(getOption(first, OptionNumber.ETAG), getOption(respond(32), OptionNumber.ETAG));
    assert.equal(getUint(first, OptionNumber.SIZE2), undefined);
    assert.equal(getUint(respond(32, uintOption(OptionNumber.SIZE2, 0)), OptionNumber.SIZE2), 32);
    assert.equal(getUint(respond(100), OptionNumber.SIZE2), 100);
  });
});
