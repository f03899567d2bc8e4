import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { BlockwiseClient } from "../../firmware/coap/blockwise-client.js";
import { BlockwiseServer } from "../../firmware/coap/blockwise-server.js";
import { decodeMessage } from "../../firmware/coap/codec.js";
import { MessageLayer } from "../../firmware/coap/message-layer.js";
import type { Content, Exchange } from "../../firmware/coap/messaging.js";
import { Code, OptionNumber } from "../../firmware/coap/numbers.js";
import { Observers } from "../../firmware/coap/observe.js";
import { getString, hasOption, removeOption, stringOption, uintOption } from "../../firmware/coap/options.js";
import { OscoreClient } from "../../firmware/oscore/client.js";
import type { ContextParameters } from "../../firmware/oscore/context.js";
import type { TableContext } from "../../firmware/oscore/context-table.js";
import { MemoryContextStore, MemoryReserve } from "../../firmware/oscore/memory-store.js";
import { type ClientHandler, SecureClient } from "../../firmware/oscore/secure-client.js";
import { SecureServer, type ServerRequest, withObserve } from "../../firmware/oscore/secure-server.js";
import { OscoreServer } from "../../firmware/oscore/server.js";
import type { Change, ContextStore } from "../../firmware/oscore/store.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { Network } from "../coap/network.js";
import { taken } from "./helpers.js";

const CLIENT: ContextParameters = {
  masterSecret: hex("0102030405060708090a0b0c0d0e0f10"),
  masterSalt: hex("9e7ca92223786340"),
  senderId: hex(""),
  recipientId: hex("01"),
};
const SERVER: ContextParameters = { ...CLIENT, senderId: hex("01"), recipientId: hex("") };
const NOTHING = hex("");
const bytes = (length: number, from = 0) => Uint8Array.from({ length }, (_, index) => from + index);

type Handle = (request: ServerRequest<TableContext>, now: number) => void;

/** A client and a server, and room for somebody between them. */
class World {
  readonly network = new Network();
  readonly layers = new Map<string, MessageLayer>();
  readonly server: SecureServer<TableContext>;
  readonly client: SecureClient;
  readonly oscoreServer: OscoreServer<TableContext>;

  constructor(
    handle: Handle,
    options: { store?: ContextStore<TableContext>; observers?: Observers; via?: string } = {},
  ) {
    const memory = new MemoryContextStore(hostCrypto);
    memory.add(SERVER);
    this.oscoreServer = new OscoreServer({ crypto: hostCrypto, store: options.store ?? memory });
    this.server = new SecureServer<TableContext>({
      layer: () => this.layers.get("server") as MessageLayer,
      oscore: this.oscoreServer,
      handle,
      observers: options.observers,
      maxUnfragmentedSize: 512,
    });
    this.layer("server", (exchange, now) => this.server.onRequest(exchange, now));
    const reserve = new MemoryReserve();
    this.client = new SecureClient({
      layer: this.layer("client"),
      endpoint: options.via ?? "server",
      oscore: new OscoreClient({
        crypto: hostCrypto,
        parameters: CLIENT,
        state: {
          idContext: undefined,
          reserve: (count) => reserve.reserve(count),
          renew: () => assert.fail(),
        },
      }),
      random: (length) => hostCrypto.random(length),
    });
  }

  layer(name: string, onRequest?: (exchange: Exchange, now: number) => void): MessageLayer {
    const layer = new MessageLayer({
      send: this.network.sender(name),
      random: (length) => hostCrypto.random(length),
      ...(onRequest === undefined ? {} : { onRequest }),
    });
    this.layers.set(name, layer);
    this.network.attach(name, layer);
    return layer;
  }

  /** Sends a request and runs the network for a while. @returns what was called, in words */
  ask(
    content: Content,
    options: Parameters<SecureClient["request"]>[3] = {},
  ): { answers: Content[]; failures: string[] } {
    const result = { answers: [] as Content[], failures: [] as string[] };
    const handler: ClientHandler = {
      onResponse: (answer) => result.answers.push(answer),
      onFailure: (failure) => result.failures.push(failure),
    };
    this.client.request(content, handler, this.network.now, options);
    this.run();
    return result;
  }

  run(time = 10_000): void {
    this.network.run(this.network.now + time);
  }

  /** All outer messages so far. */
  get wire() {
    return this.network.sent.map((datagram) => taken(decodeMessage(datagram.bytes)));
  }
}

const get = (path: string, ...options: Content["options"][number][]): Content => ({
  code: Code.GET,
  options: [...options, stringOption(OptionNumber.URI_PATH, path)].sort((a, b) => a.number - b.number),
  payload: NOTHING,
});
const answer = (code: number, payload = NOTHING): Content => ({ code, options: [], payload });

describe("secure server and client", () => {
  it("answer in the protection what CoAP finds wrong", () => {
    const world = new World((request, now) => request.respond(answer(Code.CONTENT), now));
    const cases: [Content, number][] = [
      [get("a", { number: 2049, value: NOTHING }), Code.BAD_OPTION],
      [get("a", stringOption(OptionNumber.PROXY_SCHEME, "coap")), Code.PROXYING_NOT_SUPPORTED],
      [get("a", { number: OptionNumber.BLOCK2, value: hex("07") }), Code.BAD_REQUEST],
      [get("a", { number: 2048, value: NOTHING }), Code.CONTENT],
    ];
    for (const [content, code] of cases) {
      const { answers } = world.ask(content);
      assert.deepEqual(
        answers.map((one) => one.code),
        [code],
      );
    }
    assert.ok(world.wire.every((message) => hasOption(message, OptionNumber.OSCORE)));
  });

  it("keep silent where the client wants no answer (RFC 7967)", () => {
    const world = new World((request, now) => request.respond(answer(Code.CHANGED), now));
    const post = { ...get("a", uintOption(OptionNumber.NO_RESPONSE, 26)), code: Code.POST };
    const { answers } = world.ask(post, { expectResponse: false });
    assert.deepEqual(answers, []);
    assert.deepEqual(
      world.wire.map(({ code }) => code),
      [Code.POST, Code.EMPTY],
    );
  });

  it("let a server see requests later, and answer apart", () => {
    const waiting: ServerRequest<TableContext>[] = [];
    const world = new World((request) => waiting.push(request));
    const { answers } = world.ask(get("slow"));
    assert.equal(answers.length, 0);
    waiting[0].respond(answer(Code.CONTENT, hex("0102")), world.network.now);
    world.run();
    assert.equal(toHex(answers[0].payload), "0102");
  });

  it("notify observers of bodies larger than a block", () => {
    const observers = new Observers({ interval: 0 });
    let body = bytes(100);
    const world = new World(
      (request, now) => {
        const state = () => answer(Code.CONTENT, body);
        request.respond(withObserve(state(), request.observe("list", state, now)), now);
      },
      { observers },
    );
    const { answers, failures } = world.ask(get("list", uintOption(OptionNumber.OBSERVE, 0)), {
      blockwise: { szx: 1, negotiate: true },
    });
    for (const from of [50, 150]) {
      body = bytes(100, from);
      observers.changed("list", world.network.now);
      world.run();
    }
    assert.deepEqual(failures, []);
    assert.deepEqual(
      answers.map(({ payload }) => toHex(payload)),
      [0, 50, 150].map((from) => toHex(bytes(100, from))),
    );
  });

  it("give an actuator proof that a request was not held back (RFC 9175 §2.3)", () => {
    const switched: number[] = [];
    const world: World = new World((request, now) => {
      const { context, message } = request;
      assert.ok(context);
      const age = world.oscoreServer.age({ context, message }, now);
      if (age === undefined || age > 5000) {
        request.respond(world.oscoreServer.demandFreshness({ context }, now), now);
        return;
      }
      switched.push(now);
      request.respond(answer(Code.CHANGED), now);
    });
    const { answers } = world.ask({ ...get("valve"), code: Code.PUT });
    assert.equal(answers[0].code, Code.CHANGED);
    assert.equal(switched.length, 1);
    assert.equal(world.wire.length, 4);
    // Somebody holds the next request back for a minute: it still verifies, but is not acted on as it is.
    world.network.fate = ({ to }, index) => (to === "server" && index === 4 ? [60_000] : [10]);
    const late = world.ask({ ...get("valve"), code: Code.PUT });
    world.run(120_000);
    assert.equal(late.answers.length, 1);
    assert.ok(switched.every((time, index) => index === 0 || time - switched[index - 1] > 1000));
  });
});

describe("a store that answers later", () => {
  /** Each commit waits until the test settles it. */
  class SlowStore implements ContextStore<TableContext> {
    readonly memory = new MemoryContextStore(hostCrypto);
    readonly waiting: {
      change: Change<TableContext>;
      resolve: (taken: boolean) => void;
      reject: () => void;
    }[] = [];

    constructor() {
      this.memory.add(SERVER);
    }

    find(kid: Uint8Array, kidContext: Uint8Array | undefined): readonly TableContext[] {
      return this.memory.find(kid, kidContext);
    }

    commit(change: Change<TableContext>): Promise<boolean> {
      return new Promise((resolve, reject) => this.waiting.push({ change, resolve, reject }));
    }
  }

  async function play(
    settle: (store: SlowStore) => void,
  ): Promise<{ world: World; seen: string[]; answers: Content[] }> {
    const store = new SlowStore();
    const seen: string[] = [];
    const world = new World(
      (request, now) => {
        seen.push(`${getString(request.message, OptionNumber.URI_HOST)} ${toHex(request.message.payload)}`);
        request.respond(answer(Code.CHANGED), now);
      },
      { store },
    );
    // The datagram's memory is somebody else's as soon as the layer returns.
    const layer = world.layers.get("server") as MessageLayer;
    const receive = layer.receive.bind(layer);
    layer.receive = (endpoint, datagram, now) => {
      receive(endpoint, datagram, now);
      datagram.fill(0);
    };
    const content = {
      ...get("a", stringOption(OptionNumber.URI_HOST, "node")),
      code: Code.POST,
      payload: hex("aabb"),
    };
    const { answers } = world.ask(content);
    assert.deepEqual(seen, []);
    settle(store);
    await new Promise(setImmediate);
    world.run();
    return { world, seen, answers };
  }

  it("is waited for, and the request is still whole then", async () => {
    const { seen, answers } = await play((store) => {
      for (const { change, resolve } of store.waiting) resolve(store.memory.commit(change));
    });
    assert.deepEqual(seen, ["node aabb"]);
    assert.equal(answers[0].code, Code.CHANGED);
  });

  it("that lost the race makes it a replay; one that fails makes it 5.03: nothing is acted on", async () => {
    for (const [settle, code] of [
      [(store: SlowStore) => store.waiting[0].resolve(false), Code.UNAUTHORIZED],
      [(store: SlowStore) => store.waiting[0].reject(), Code.SERVICE_UNAVAILABLE],
    ] as const) {
      const { world, seen, answers } = await play(settle);
      assert.deepEqual(seen, []);
      assert.deepEqual(answers, [], "an unprotected error is no answer");
      const last = world.wire.filter(({ code: one }) => one >= 0x40).at(-1);
      assert.equal(last?.code, code);
    }
  });
});

describe("outer blocks (RFC 8613 §4.1.3.4.2): a proxy cuts protected messages", () => {
  /** Sends requests on in blocks of 16 bytes, and gives responses back in blocks of 32. It sees no keys. */
  function cuttingProxy(world: World): void {
    const towardsClient = new BlockwiseServer({ szx: 1 });
    const layer: MessageLayer = world.layer("proxy", (exchange, now) => {
      const verdict = towardsClient.accept(exchange.endpoint, exchange.request, now);
      if ("answer" in verdict) {
        layer.respond(exchange, verdict.answer, now);
        return;
      }
      const { request } = verdict;
      const copy = {
        ...request,
        payload: request.payload.slice(),
        options: request.options.map(({ number, value }) => ({ number, value: value.slice() })),
      };
      const options = copy.options.slice();
      removeOption(options, OptionNumber.BLOCK2);
      const blocks = new BlockwiseClient({ ...copy, options }, { szx: 0, negotiate: true });
      const forward = (content: Content, at: number): void => {
        layer.request(
          "server",
          content,
          {
            onResponse: (response, later) => {
              const step = blocks.next(response);
              if ("send" in step) forward(step.send, later);
              else if ("done" in step) {
                layer.respond(
                  exchange,
                  towardsClient.respond(exchange.endpoint, copy, step.done, later),
                  later,
                );
              } else assert.fail(step.failed);
              return "done";
            },
            onFailure: (failure) => assert.fail(failure),
          },
          at,
        );
      };
      forward(blocks.start(), now);
    });
  }

  it("both ways, and nobody above notices", () => {
    const world = new World(
      (request, now) => request.respond(answer(Code.CHANGED, request.message.payload), now),
      {
        via: "proxy",
      },
    );
    cuttingProxy(world);
    const { answers, failures } = world.ask({ ...get("a"), code: Code.POST, payload: bytes(200) });
    assert.deepEqual(failures, []);
    assert.equal(answers.length, 1);
    assert.equal(toHex(answers[0].payload), toHex(bytes(200)));
    const sizes = world.network.sent
      .filter(({ to }) => to !== "proxy")
      .map(({ bytes: datagram }) => datagram.length);
    assert.ok(Math.max(...sizes) < 64, `${sizes}`);
    assert.ok(sizes.length > 20);
  });

  it("but no message larger than the limit, however many blocks it comes in", () => {
    const world = new World(() => assert.fail(), { via: "proxy" });
    cuttingProxy(world);
    const { answers } = world.ask({ ...get("a"), code: Code.POST, payload: bytes(800) });
    assert.deepEqual(answers, []);
    assert.ok(world.wire.some(({ code }) => code === Code.REQUEST_ENTITY_TOO_LARGE));
  });
});
