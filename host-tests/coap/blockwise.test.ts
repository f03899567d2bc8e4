import assert from "node:assert/strict";
import fc from "fast-check";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import {
  type Block,
  blockOption,
  formatBlock,
  getBlock,
  operationKey,
  szxFor,
} from "../../firmware/coap/block.js";
import { BlockwiseClient } from "../../firmware/coap/blockwise-client.js";
import { BlockwiseServer } from "../../firmware/coap/blockwise-server.js";
import type { Content } from "../../firmware/coap/messaging.js";
import { Code, OptionNumber } from "../../firmware/coap/numbers.js";
import { getOption, getUint, opaqueOption, pathOptions, uintOption } from "../../firmware/coap/options.js";
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
  message,
  NONE,
  post,
  put,
  run,
} from "./blockwise-bodies.js";

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
