import assert from "node:assert/strict";
import fc from "fast-check";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import {
  type Block,
  type BlockOptionNumber,
  blockOption,
  formatBlock,
  getBlock,
  operationKey,
  szxFor,
} from "../../firmware/coap/block.js";
import { BlockwiseClient, type BlockwiseClientOptions } from "../../firmware/coap/blockwise-client.js";
import { BlockwiseServer, type BlockwiseServerOptions } from "../../firmware/coap/blockwise-server.js";
import { type CoapMessage, Type } from "../../firmware/coap/message.js";
import type { Content } from "../../firmware/coap/messaging.js";
import { Code, codeName, OptionNumber } from "../../firmware/coap/numbers.js";
import {
  getOption,
  getUint,
  opaqueOption,
  pathOptions,
  setOption,
  uintOption,
} from "../../firmware/coap/options.js";

const NONE = new Uint8Array(0);
const { BLOCK1, BLOCK2 } = OptionNumber;

/** A body in which every position tells itself from its neighbours. */
function body(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 13 + seed) & 255);
}

function message(content: Content): CoapMessage {
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
function line(content: Content): string {
  const parts = [codeName(content.code)];
  for (const number of [BLOCK2, BLOCK1] as BlockOptionNumber[]) {
    const block = getBlock(content, number);
    if (block !== undefined && block !== "reserved") parts.push(formatBlock(number, block));
  }
  return parts.join(" ");
}

type Handler = (request: CoapMessage) => Content;

/** A client's operation and a server, until the operation ends. */
function run(
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

function done(result: ReturnType<BlockwiseClient["next"]>): Content {
  assert.ok("done" in result, JSON.stringify(result));
  return result.done;
}

const get: Content = { code: Code.GET, options: pathOptions("status"), payload: NONE };
const put = (length: number): Content => ({
  code: Code.PUT,
  options: pathOptions("options"),
  payload: body(length),
});
const post = (length: number): Content => ({
  code: Code.POST,
  options: pathOptions("soap"),
  payload: body(length),
});

function content(length: number, code: number = Code.CONTENT): Content {
  return { code, options: [], payload: body(length, 3) };
}

function changed(): Content {
  return { code: Code.CHANGED, options: [], payload: NONE };
}

describe("block options (RFC 7959 §2.2)", () => {
  it("are written and read as the specification says", () => {
    const option = (value: number) => ({ options: [uintOption(BLOCK2, value)] });
    // §3: "a Block2 Option value of 33 would be shown as 2:2/0/32 and a Block1 Option value of 59 as 1:3/1/128".
    assert.equal(formatBlock(BLOCK2, getBlock(option(33), BLOCK2) as Block), "2:2/0/32");
    assert.equal(formatBlock(BLOCK1, getBlock(option(59), BLOCK2) as Block), "1:3/1/128");
    assert.equal(getBlock(option(7), BLOCK2), "reserved");
    assert.equal(getBlock({ options: [] }, BLOCK2), undefined);
    assert.equal(blockOption(BLOCK2, { number: 0, more: false, szx: 0 }).value.length, 0);
    assert.throws(() => blockOption(BLOCK2, { number: 0x100000, more: false, szx: 0 }), RangeError);
    fc.assert(
      fc.property(fc.nat({ max: 0xfffff }), fc.boolean(), fc.nat({ max: 6 }), (number, more, szx) => {
        const block = { number, more, szx };
        assert.deepEqual(getBlock({ options: [blockOption(BLOCK1, block)] }, BLOCK1), block);
      }),
    );
    assert.deepEqual([0, 16, 31, 32, 1023, 1024, 5000].map(szxFor), [0, 0, 0, 1, 5, 6, 6]);
  });

  it("one operation is told from others by path, query, Content-Format, Request-Tag; not by its blocks", () => {
    const key = (...options: Content["options"]) => operationKey({ code: Code.PUT, options });
    const base = pathOptions("a/b");
    assert.equal(key(...base), key(...base, blockOption(BLOCK1, { number: 1, more: true, szx: 2 })));
    assert.equal(key(...base), key(...base, uintOption(OptionNumber.SIZE1, 100)));
    assert.equal(key(...base), key(...base, opaqueOption(OptionNumber.ECHO, hex("01"))));
    const others = [
      key(...base),
      key(...pathOptions("a")),
      key(...pathOptions("ab")),
      key(...base, uintOption(OptionNumber.CONTENT_FORMAT, 60)),
      key(...base, opaqueOption(OptionNumber.REQUEST_TAG, NONE)),
      key(...base, opaqueOption(OptionNumber.REQUEST_TAG, hex("01"))),
      operationKey({ code: Code.POST, options: base }),
    ];
    assert.equal(new Set(others).size, others.length);
  });
});

describe("block-wise: the figures of RFC 7959 §3", () => {
  it("figure 2: simple GET", () => {
    const { log, result } = run(get, () => content(300), {}, { szx: 3 });
    assert.deepEqual(log, [
      "GET",
      "  Content 2:0/1/128",
      "GET 2:1/0/128",
      "  Content 2:1/1/128",
      "GET 2:2/0/128",
      "  Content 2:2/0/128",
    ]);
    assert.deepEqual(done(result).payload, body(300, 3));
    assert.equal(getOption(done(result), BLOCK2), undefined);
  });

  it("figure 3: early negotiation", () => {
    const { log, result } = run(get, () => content(350), { szx: 2, negotiate: true });
    assert.deepEqual(log.slice(0, 4), [
      "GET 2:0/0/64",
      "  Content 2:0/1/64",
      "GET 2:1/0/64",
      "  Content 2:1/1/64",
    ]);
    assert.deepEqual(log.slice(-2), ["GET 2:5/0/64", "  Content 2:5/0/64"]);
    assert.deepEqual(done(result).payload, body(350, 3));
  });

  it("figure 4: late negotiation", () => {
    const { log, result } = run(get, () => content(350), { szx: 2 }, { szx: 3 });
    assert.deepEqual(log, [
      "GET",
      "  Content 2:0/1/128",
      "GET 2:2/0/64",
      "  Content 2:2/1/64",
      "GET 2:3/0/64",
      "  Content 2:3/1/64",
      "GET 2:4/0/64",
      "  Content 2:4/1/64",
      "GET 2:5/0/64",
      "  Content 2:5/0/64",
    ]);
    assert.deepEqual(done(result).payload, body(350, 3));
  });

  it("figure 7: simple atomic PUT", () => {
    const bodies: string[] = [];
    const handler: Handler = ({ payload }) => {
      bodies.push(toHex(payload));
      return changed();
    };
    const { log, result } = run(put(300), handler, { szx: 3 });
    assert.deepEqual(log, [
      "PUT 1:0/1/128",
      "  Continue 1:0/1/128",
      "PUT 1:1/1/128",
      "  Continue 1:1/1/128",
      "PUT 1:2/0/128",
      "  Changed 1:2/0/128",
    ]);
    assert.deepEqual(bodies, [toHex(body(300))]);
    assert.equal(done(result).code, Code.CHANGED);
  });

  it("figure 8: a server that acts on each block is sent all of them", () => {
    const operation = new BlockwiseClient(put(300), { szx: 3 });
    const log = [line(operation.start())];
    for (let i = 0; i < 3; i++) {
      const options = [blockOption(BLOCK1, { number: i, more: false, szx: 3 })];
      const step = operation.next({ code: Code.CHANGED, options, payload: NONE });
      log.push("send" in step ? line(step.send) : "done");
    }
    assert.deepEqual(log, ["PUT 1:0/1/128", "PUT 1:1/1/128", "PUT 1:2/0/128", "done"]);
  });

  it("figure 9: atomic PUT with negotiation", () => {
    const { log, result } = run(put(220), changed, { szx: 3 }, { szx: 1 });
    assert.deepEqual(log, [
      "PUT 1:0/1/128",
      "  Continue 1:0/1/32",
      "PUT 1:4/1/32",
      "  Continue 1:4/1/32",
      "PUT 1:5/1/32",
      "  Continue 1:5/1/32",
      "PUT 1:6/0/32",
      "  Changed 1:6/0/32",
    ]);
    assert.equal(done(result).code, Code.CHANGED);
  });

  it("figure 10: atomic POST with block-wise response", () => {
    const { log, result } = run(post(300), () => content(400, Code.CHANGED), { szx: 3 }, { szx: 3 });
    assert.deepEqual(log, [
      "POST 1:0/1/128",
      "  Continue 1:0/1/128",
      "POST 1:1/1/128",
      "  Continue 1:1/1/128",
      "POST 1:2/0/128",
      "  Changed 2:0/1/128 1:2/0/128",
      "POST 2:1/0/128",
      "  Changed 2:1/1/128",
      "POST 2:2/0/128",
      "  Changed 2:2/1/128",
      "POST 2:3/0/128",
      "  Changed 2:3/0/128",
    ]);
    assert.deepEqual(done(result).payload, body(400, 3));
  });

  it("figure 11: the same with early negotiation of the response's blocks", () => {
    const { log } = run(
      { ...post(300), options: [...post(0).options] },
      () => content(250, Code.CHANGED),
      { szx: 2, negotiate: true },
      { szx: 3 },
    );
    assert.equal(log[8], "POST 2:0/0/64 1:4/0/64");
    assert.equal(log[9], "  Changed 2:0/1/64 1:4/0/64");
    assert.equal(log[10], "POST 2:1/0/64");
  });

  it("figure 12: the rest of a notification is fetched without Observe", () => {
    const server = new BlockwiseServer({ szx: 3 });
    const registration = { ...get, options: [uintOption(OptionNumber.OBSERVE, 0), ...get.options] };
    const notification = server.respond(
      "client",
      message(registration),
      { code: Code.CONTENT, options: [uintOption(OptionNumber.OBSERVE, 62354)], payload: body(309) },
      0,
    );
    assert.equal(line(notification), "Content 2:0/1/128");
    assert.equal(getUint(notification, OptionNumber.OBSERVE), 62354);
    const operation = new BlockwiseClient(registration);
    const step = operation.next(notification);
    assert.ok("send" in step);
    assert.equal(getUint(step.send, OptionNumber.OBSERVE), undefined);
    const second = server.accept("client", message(step.send), 1);
    assert.ok("answer" in second);
    assert.equal(line(second.answer), "Content 2:1/1/128");
    assert.equal(getUint(second.answer, OptionNumber.OBSERVE), undefined);
    const third = operation.next(second.answer);
    assert.ok("send" in third);
    const last = server.accept("client", message(third.send), 2);
    assert.ok("answer" in last);
    const whole = done(operation.next(last.answer));
    assert.deepEqual(whole.payload, body(309));
    assert.equal(getUint(whole, OptionNumber.OBSERVE), 62354);
  });
});

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

describe("block-wise: properties", () => {
  it("bodies of any size arrive whole, both ways, whatever the block sizes", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 900 }),
        fc.nat({ max: 900 }),
        fc.nat({ max: 6 }),
        fc.nat({ max: 6 }),
        fc.boolean(),
        fc.constantFrom(0, 1 << 20),
        (up, down, clientSzx, serverSzx, negotiate, memory) => {
          let served: Uint8Array | undefined;
          let times = 0;
          const handler: Handler = (request) => {
            served = request.payload;
            times++;
            return content(down, Code.CHANGED);
          };
          const server = new BlockwiseServer({ szx: serverSzx, memory: Math.max(memory, 2000) });
          const { result } = run(post(up), handler, { szx: clientSzx, negotiate }, {}, server);
          assert.deepEqual(done(result).payload, body(down, 3));
          assert.deepEqual(served, body(up));
          assert.equal(times, 1);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("arbitrary requests and responses never throw, never exceed the limits, and end", () => {
    const anyContent = fc.record({
      code: fc.constantFrom(
        Code.GET,
        Code.PUT,
        Code.POST,
        Code.CONTENT,
        Code.CONTINUE,
        Code.CHANGED,
        0x88,
        0x8d,
      ),
      options: fc
        .array(
          fc.record({
            number: fc.constantFrom(
              BLOCK1,
              BLOCK2,
              OptionNumber.ETAG,
              OptionNumber.SIZE1,
              OptionNumber.SIZE2,
            ),
            value: fc.oneof(
              fc.nat({ max: 64 }).map((value) => uintOption(0, value).value),
              fc.uint8Array({ maxLength: 4 }),
            ),
          }),
          { maxLength: 3 },
        )
        .map((options) => options.sort((a, b) => a.number - b.number)),
      payload: fc.constantFrom(0, 3, 16, 32, 64, 1024).map((length) => body(length)),
    });
    fc.assert(
      fc.property(
        fc.array(anyContent, { maxLength: 30 }),
        fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 }),
        (contents, clients) => {
          const server = new BlockwiseServer({ limit: 100, operations: 2, memory: 150 });
          const operation = new BlockwiseClient(post(100), { szx: 1, limit: 200 });
          operation.start();
          let ended = false;
          for (const [i, anything] of contents.entries()) {
            const client = clients[i % clients.length];
            const verdict = server.accept(client, message(anything), i);
            if ("request" in verdict) server.respond(client, verdict.request, content(i * 20), i);
            assert.ok(server.size <= 2 && server.used <= 150);
            if (!ended) ended = !("send" in operation.next(anything));
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
