import assert from "node:assert/strict";
import { hex } from "../../firmware/bytes/hex.js";
import { type Block, blockOption, getBlock } from "../../firmware/coap/block.js";
import { BlockwiseClient } from "../../firmware/coap/blockwise-client.js";
import { BlockwiseServer } from "../../firmware/coap/blockwise-server.js";
import type { Content } from "../../firmware/coap/messaging.js";
import { Code, OptionNumber } from "../../firmware/coap/numbers.js";
import { getOption, getUint, pathOptions, uintOption } from "../../firmware/coap/options.js";
import {
  BLOCK1,
  BLOCK2,
  body,
  changed,
  content,
  done,
  get,
  type Handler,
  line,
  NONE,
  post,
  put,
  run,
} from "./blockwise-bodies.js";

describe("block-wise: the client", () => {
  it("sends and takes what fits one message as it is", () => {
    const { log, result } = run(put(64), changed, { szx: 2 });
    assert.deepEqual(log, ["PUT", "  Changed"]);
    assert.equal(done(result).code, Code.CHANGED);
  });

  it("gives the options of the first response with the whole body", () => {
    const options = [uintOption(OptionNumber.CONTENT_FORMAT, 60), uintOption(OptionNumber.MAX_AGE, 10)];
    const { result } = run(get, () => ({ ...content(100), options }), {}, { szx: 1 });
    assert.deepEqual(
      done(result).options.filter(({ number }) => number !== OptionNumber.ETAG),
      options,
    );
  });

  it("announces the size with the first block, and Request-Tag with all, also of the response's", () => {
    const requestTag = hex("0102");
    const operation = new BlockwiseClient(post(200), { szx: 2, requestTag });
    const first = operation.start();
    assert.equal(getUint(first, OptionNumber.SIZE1), 200);
    const step = operation.next({
      code: Code.CONTINUE,
      options: [blockOption(BLOCK1, { number: 0, more: true, szx: 2 })],
      payload: NONE,
    });
    assert.ok("send" in step);
    assert.equal(getUint(step.send, OptionNumber.SIZE1), undefined);
    assert.deepEqual(getOption(step.send, OptionNumber.REQUEST_TAG), requestTag);
    const { server } = run(post(200), () => content(200, Code.CHANGED), { szx: 2, requestTag }, { szx: 2 });
    assert.equal(server.size, 1);
  });

  it("begins anew after 4.08, and gives up when it comes again and again", () => {
    const server = new BlockwiseServer();
    let lose = 1;
    const { log, result } = run(put(150), changed, { szx: 2 }, {}, server, (response, round) =>
      round === 1 && lose-- > 0
        ? { code: Code.REQUEST_ENTITY_INCOMPLETE, options: [], payload: NONE }
        : response,
    );
    assert.deepEqual(
      log.filter((text) => text.startsWith("PUT")),
      ["PUT 1:0/1/64", "PUT 1:1/1/64", "PUT 1:0/1/64", "PUT 1:1/1/64", "PUT 1:2/0/64"],
    );
    assert.equal(done(result).code, Code.CHANGED);
    const never = run(put(150), changed, { szx: 2 }, {}, server, (response) =>
      getUint(response, BLOCK1) === 0x1a
        ? { code: Code.REQUEST_ENTITY_INCOMPLETE, options: [], payload: NONE }
        : response,
    );
    assert.equal(done(never.result).code, Code.REQUEST_ENTITY_INCOMPLETE);
  });

  it("tries blocks, or smaller ones, after 4.13; takes it for an answer when that is no help", () => {
    const small =
      (limit: number): Handler =>
      (request) =>
        request.payload.length > limit && getBlock(request, BLOCK1) === undefined
          ? { code: Code.REQUEST_ENTITY_TOO_LARGE, options: [], payload: NONE }
          : changed();
    const { log, result } = run(put(100), small(50));
    assert.deepEqual(log.slice(0, 4), [
      "PUT",
      "  Request Entity Too Large",
      "PUT 1:0/1/64",
      "  Continue 1:0/1/64",
    ]);
    assert.equal(done(result).code, Code.CHANGED);

    const operation = new BlockwiseClient(put(200), { szx: 3 });
    operation.start();
    const refusal = (szx: number) => ({
      code: Code.REQUEST_ENTITY_TOO_LARGE,
      options: [blockOption(BLOCK1, { number: 0, more: true, szx })],
      payload: NONE,
    });
    const smaller = operation.next(refusal(1));
    assert.equal("send" in smaller ? line(smaller.send) : "", "PUT 1:0/1/32");
    assert.ok("done" in operation.next(refusal(1)));

    const tooLarge = run(put(3000), changed, {}, { limit: 2000 });
    assert.equal(done(tooLarge.result).code, Code.REQUEST_ENTITY_TOO_LARGE);
    assert.equal(getUint(done(tooLarge.result), OptionNumber.SIZE1), 2000);
  });

  it("begins anew when the representation changes, a few times", () => {
    let version = 0;
    const changes = [0, 0, 1, 1, 1, 1];
    // A server without memory: every block is of what there is now.
    const handler = () => {
      version = changes.shift() ?? 1;
      return {
        code: Code.CONTENT,
        options: [uintOption(OptionNumber.ETAG, version + 1)],
        payload: body(300, version),
      };
    };
    const { result } = run(get, handler, {}, { szx: 3, memory: 0 });
    assert.deepEqual(done(result).payload, body(300, 1));
    const always = run(
      get,
      () => ({ ...content(300), options: [uintOption(OptionNumber.ETAG, ++version)] }),
      {},
      { szx: 3, memory: 0 },
    );
    assert.deepEqual(always.result, { failed: "blockwise-changed" });
    // What is not safe is not asked for twice.
    const posted = run(
      post(10),
      () => content(300, Code.CHANGED),
      {},
      { szx: 3 },
      undefined,
      (response, round) =>
        round === 1
          ? { ...response, options: [uintOption(OptionNumber.ETAG, 9), ...response.options] }
          : response,
    );
    assert.deepEqual(posted.result, { failed: "blockwise-changed" });
  });

  it("fails for a body beyond its limit, at the announcement already", () => {
    const { log, result } = run(get, () => content(5000), { limit: 4999 });
    assert.deepEqual(result, { failed: "blockwise-too-large" });
    assert.equal(log.length, 2);
    const silent = run(get, () => content(300), { limit: 250 }, { szx: 3 });
    assert.deepEqual(silent.result, { failed: "blockwise-too-large" });
  });

  it("fails for blocks that do not fit what was asked for", () => {
    const answer = (block: Block, length: number): Content => ({
      code: Code.CONTENT,
      options: [blockOption(BLOCK2, block)],
      payload: body(length),
    });
    const cases: [Content, string][] = [
      [answer({ number: 1, more: true, szx: 2 }, 64), "a first block that is not"],
      [answer({ number: 0, more: true, szx: 2 }, 63), "a block that is not full"],
      [answer({ number: 0, more: true, szx: 2 }, 0), "a block of nothing"],
      [answer({ number: 0, more: true, szx: 2 }, 65), "a block that is too full"],
      [{ code: Code.CONTENT, options: [uintOption(BLOCK2, 7)], payload: NONE }, "SZX 7"],
      [{ code: Code.CONTINUE, options: [], payload: NONE }, "nothing to continue"],
    ];
    for (const [response, why] of cases) {
      const operation = new BlockwiseClient(get);
      operation.start();
      assert.deepEqual(operation.next(response), { failed: "blockwise-unexpected" }, why);
    }
    const operation = new BlockwiseClient(get);
    operation.start();
    assert.ok("send" in operation.next(answer({ number: 0, more: true, szx: 2 }, 64)));
    assert.deepEqual(operation.next(content(5)), { failed: "blockwise-unexpected" });
    // An error in the middle is the answer.
    const other = new BlockwiseClient(get);
    other.start();
    other.next(answer({ number: 0, more: true, szx: 2 }, 64));
    assert.equal(done(other.next({ code: Code.NOT_FOUND, options: [], payload: NONE })).code, Code.NOT_FOUND);
  });

  it("repeats what FETCH asks for", () => {
    const fetch: Content = { code: Code.FETCH, options: pathOptions("x"), payload: hex("0102") };
    const operation = new BlockwiseClient(fetch);
    operation.start();
    const step = operation.next({
      code: Code.CONTENT,
      options: [blockOption(BLOCK2, { number: 0, more: true, szx: 0 })],
      payload: body(16),
    });
    assert.deepEqual("send" in step && step.send.payload, hex("0102"));
  });
});
