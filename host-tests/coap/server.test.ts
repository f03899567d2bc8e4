import assert from "node:assert/strict";
import { hex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { BlockwiseClient, type BlockwiseClientOptions } from "../../firmware/coap/blockwise-client.js";
import { decodeMessage, encodeMessage } from "../../firmware/coap/codec.js";
import { parseLinks } from "../../firmware/coap/link-format.js";
import { type CoapMessage, type CoapOption, Type } from "../../firmware/coap/message.js";
import { type Content, MessageLayer, type RequestHandle } from "../../firmware/coap/message-layer.js";
import { Code, ContentFormat, formatCode, OptionNumber } from "../../firmware/coap/numbers.js";
import { ObserveOrder } from "../../firmware/coap/observe.js";
import {
  emptyOption,
  getOption,
  getStrings,
  getUint,
  opaqueOption,
  pathOptions,
  queryOptions,
  setOption,
  sortOptions,
  stringOption,
  uintOption,
} from "../../firmware/coap/options.js";
import { content, plainChannel, type Resource, type ResourceRequest } from "../../firmware/coap/resource.js";
import { CoapServer } from "../../firmware/coap/server.js";
import { type Fate, Network, seeded } from "./network.js";

const TEXT = new TextDecoder();

/** A server with the resources of the ETSI plugtest's CORE, LINK, BLOCK and OBS parts, and a client. */
class World {
  readonly network = new Network();
  readonly client: MessageLayer;
  readonly layer: MessageLayer;
  readonly server: CoapServer;
  test = "created";
  validated = "v1";
  large = new Uint8Array(0);
  observed = 0;

  constructor(fate?: Fate) {
    const { network } = this;
    if (fate !== undefined) network.fate = fate;
    this.server = new CoapServer({ blockwise: { szx: 2 } });
    this.client = new MessageLayer({ send: network.sender("client"), random: seeded(1), tokenLength: 2 });
    this.layer = new MessageLayer({
      send: network.sender("server"),
      random: seeded(2),
      onRequest: (exchange, now) =>
        this.server.serve(exchange.request, plainChannel(this.layer, exchange), now),
      onReset: (endpoint, id) => this.server.reset(endpoint, id),
    });
    network.attach("client", this.client);
    network.attach("server", this.layer);
    this.#resources();
  }

  #resources(): void {
    const { server } = this;
    const say = (text: string) => content(Code.CONTENT, text, ContentFormat.TEXT);
    server.add("/test", {
      get: () => say(this.test),
      put: ({ message }) => {
        this.test = TEXT.decode(message.payload);
        return content(Code.CHANGED);
      },
      post: () =>
        content(Code.CREATED, "", undefined, pathOptions("location1/location2", OptionNumber.LOCATION_PATH)),
      delete: () => content(Code.DELETED),
      attributes: [
        ["rt", "Type1 Type2"],
        ["ct", "0"],
        ["title", "A test"],
      ],
    });
    server.add("/seg1/seg2/seg3", { get: ({ path }) => say(path.join("|")) });
    server.add("/query", { get: ({ query }) => say(query.join("|")) });
    server.add("/separate", {
      get: (request) => {
        const { now } = this.network;
        this.network.at(now + 5000, () => request.reply(say("separate"), this.network.now));
        return undefined;
      },
      attributes: [["if", "separate"]],
    });
    server.add("/location-query", {
      post: () =>
        content(
          Code.CREATED,
          "",
          undefined,
          queryOptions(["first=1", "second=2"], OptionNumber.LOCATION_QUERY),
        ),
    });
    server.add("/multi-format", {
      get: ({ message }) =>
        getUint(message, OptionNumber.ACCEPT) === ContentFormat.XML
          ? content(Code.CONTENT, "<a/>", ContentFormat.XML)
          : say("plain"),
    });
    server.add("/validate", {
      get: () => say(this.validated),
      put: ({ message }) => {
        this.validated = TEXT.decode(message.payload);
        return content(Code.CHANGED);
      },
      etag: () => (this.validated === "" ? undefined : new TextEncoder().encode(this.validated)),
    });
    server.add("/large", {
      get: () =>
        content(
          Code.CONTENT,
          new Uint8Array(300).map((_, i) => i),
        ),
    });
    server.add("/large-update", {
      get: () => content(Code.CONTENT, this.large),
      put: ({ message }) => {
        this.large = message.payload.slice();
        return content(Code.CHANGED);
      },
    });
    server.add("/large-post", {
      post: ({ message }) => content(Code.CHANGED, message.payload.slice().reverse()),
    });
    const observable: Resource = {
      get: () => say(`state ${this.observed}`),
      observable: true,
      attributes: [["rt", "observe"]],
    };
    server.add("/obs", observable);
    server.add("/obs-large", {
      get: () => content(Code.CONTENT, new Uint8Array(150).fill(this.observed)),
      observable: true,
    });
  }

  change(path = "/obs"): void {
    this.observed++;
    this.server.changed(path, this.network.now);
  }

  /** One exchange: the response, or how it failed. */
  exchange(request: Content, options: { confirmable?: boolean } = {}): Content | string {
    let result: Content | string = "nothing";
    const handle = this.client.request(
      "server",
      request,
      {
        onResponse: (response) => {
          result = copy(response);
          return "done";
        },
        onFailure: (failure) => {
          result = failure;
        },
      },
      this.network.now,
      options,
    );
    assert.ok(!(handle instanceof Refusal));
    const end = this.network.now + 300_000;
    while (handle.live && this.network.now < end) this.network.run(this.network.now + 100);
    // What is left to be acknowledged.
    this.network.run(this.network.now + 100);
    return result;
  }

  /** One operation, in as many exchanges as it takes. */
  operation(request: Content, options: BlockwiseClientOptions = {}): Content {
    const operation = new BlockwiseClient(request, options);
    let step: ReturnType<BlockwiseClient["next"]> = { send: operation.start() };
    while ("send" in step) {
      const response = this.exchange(step.send);
      assert.ok(typeof response !== "string", `${response}`);
      step = operation.next(response);
    }
    assert.ok("done" in step, JSON.stringify(step));
    return step.done;
  }

  get(path: string, ...options: CoapOption[]): Content {
    const response = this.exchange(requestOf(Code.GET, path, options));
    assert.ok(typeof response !== "string", `${response}`);
    return response;
  }

  /** "CON GET", "ACK 2.05" …: what went over the network. */
  get wire(): string[] {
    return this.network.sent.map(({ from, bytes }) => {
      const message = decodeMessage(bytes);
      assert.ok(!(message instanceof Refusal));
      return `${from === "client" ? ">" : "<"} ${["CON", "NON", "ACK", "RST"][message.type]} ${formatCode(message.code)}`;
    });
  }

  /** Observes a resource; gives what is told. */
  observe(path: string, options: { confirmable?: boolean; extra?: CoapOption[] } = {}) {
    const told: string[] = [];
    const messages: Content[] = [];
    const order = new ObserveOrder();
    const registration = requestOf(Code.GET, path, [
      uintOption(OptionNumber.OBSERVE, 0),
      ...(options.extra ?? []),
    ]);
    const handle = this.client.request(
      "server",
      registration,
      {
        onResponse: (response, now) => {
          const value = getUint(response, OptionNumber.OBSERVE);
          messages.push(copy(response));
          if (value === undefined) {
            told.push(`end ${formatCode(response.code)}`);
            return "done";
          }
          if (order.accept(value, now)) told.push(TEXT.decode(response.payload));
          return "more";
        },
        onFailure: (failure) => told.push(failure),
      },
      this.network.now,
      { confirmable: options.confirmable ?? true },
    );
    assert.ok(!(handle instanceof Refusal));
    return { told, messages, registration, handle: handle as RequestHandle };
  }
}

function copy(message: CoapMessage): Content {
  return {
    code: message.code,
    options: message.options.map(({ number, value }) => ({ number, value: value.slice() })),
    payload: message.payload.slice(),
  };
}

function requestOf(code: number, path: string, options: CoapOption[] = [], payload = ""): Content {
  return {
    code,
    options: sortOptions([...pathOptions(path), ...options]),
    payload: new TextEncoder().encode(payload),
  };
}

function text(response: Content | string): string {
  return typeof response === "string"
    ? response
    : `${formatCode(response.code)} ${TEXT.decode(response.payload)}`;
}

describe("CoAP server: as in ETSI TD_COAP_CORE", () => {
  for (const confirmable of [true, false]) {
    it(`01–08: the four methods, ${confirmable ? "CON" : "NON"}`, () => {
      const world = new World();
      const ask = (code: number, payload = "") =>
        text(world.exchange(requestOf(code, "test", [], payload), { confirmable }));
      assert.equal(ask(Code.GET), "2.05 created");
      assert.equal(ask(Code.PUT, "changed"), "2.04 ");
      assert.equal(ask(Code.GET), "2.05 changed");
      assert.equal(ask(Code.POST), "2.01 ");
      assert.equal(ask(Code.DELETE), "2.02 ");
      assert.deepEqual(
        world.wire.slice(0, 2),
        confirmable ? ["> CON 0.01", "< ACK 2.05"] : ["> NON 0.01", "< NON 2.05"],
      );
      assert.equal(world.network.sent.length, 10);
    });
  }

  it("09, 16: separate response, over a lossy link too", () => {
    const world = new World();
    assert.equal(text(world.get("separate")), "2.05 separate");
    assert.deepEqual(world.wire, ["> CON 0.01", "< ACK 0.00", "< CON 2.05", "> ACK 0.00"]);
    for (const lost of [0, 1, 2, 3]) {
      const lossy = new World((_datagram, index) => (index === lost ? [] : [10]));
      assert.equal(text(lossy.get("separate")), "2.05 separate", `${lost}`);
    }
  });

  it("17: separate response to a NON", () => {
    const world = new World();
    assert.equal(
      text(world.exchange(requestOf(Code.GET, "separate"), { confirmable: false })),
      "2.05 separate",
    );
    assert.deepEqual(world.wire, ["> NON 0.01", "< NON 2.05"]);
  });

  it("13, 14: several Uri-Path and Uri-Query", () => {
    const world = new World();
    assert.equal(text(world.get("seg1/seg2/seg3")), "2.05 seg1|seg2|seg3");
    assert.equal(text(world.get("query", ...queryOptions(["first=1", "second=2"]))), "2.05 first=1|second=2");
  });

  it("15: piggybacked response over a lossy link", () => {
    for (const lost of [0, 1]) {
      const world = new World((_datagram, index) => (index === lost ? [] : [10]));
      assert.equal(text(world.get("test")), "2.05 created");
    }
  });

  it("18, 19: Location-Path and Location-Query", () => {
    const world = new World();
    const created = world.exchange(requestOf(Code.POST, "test")) as Content;
    assert.deepEqual(getStrings(created, OptionNumber.LOCATION_PATH), ["location1", "location2"]);
    const queried = world.exchange(requestOf(Code.POST, "location-query")) as Content;
    assert.deepEqual(getStrings(queried, OptionNumber.LOCATION_QUERY), ["first=1", "second=2"]);
  });

  it("20: Accept", () => {
    const world = new World();
    const accept = (format: number) => world.get("multi-format", uintOption(OptionNumber.ACCEPT, format));
    assert.equal(text(accept(ContentFormat.TEXT)), "2.05 plain");
    assert.equal(text(accept(ContentFormat.XML)), "2.05 <a/>");
    assert.equal(text(accept(ContentFormat.CBOR)), "4.06 ");
  });

  it("21: ETag", () => {
    const world = new World();
    const etag = getOption(world.get("validate"), OptionNumber.ETAG);
    assert.ok(etag !== undefined);
    const again = world.get("validate", opaqueOption(OptionNumber.ETAG, etag));
    assert.equal(text(again), "2.03 ");
    assert.deepEqual(getOption(again, OptionNumber.ETAG), etag);
    world.validated = "v2";
    assert.equal(text(world.get("validate", opaqueOption(OptionNumber.ETAG, etag))), "2.05 v2");
  });

  it("22, 23: If-Match and If-None-Match", () => {
    const world = new World();
    const put = (option: CoapOption, value: string, path = "validate") =>
      text(world.exchange(requestOf(Code.PUT, path, [option], value)));
    const ifMatch = (tag: string) => opaqueOption(OptionNumber.IF_MATCH, new TextEncoder().encode(tag));
    assert.equal(put(ifMatch("v1"), "v2"), "2.04 ");
    assert.equal(put(ifMatch("v1"), "v3"), "4.12 ");
    assert.equal(put(ifMatch(""), "v4"), "2.04 ");
    assert.equal(put(emptyOption(OptionNumber.IF_NONE_MATCH), "v5"), "4.12 ");
    assert.equal(world.validated, "v4");
    world.validated = "";
    assert.equal(put(ifMatch(""), "v6"), "4.12 ");
    assert.equal(put(emptyOption(OptionNumber.IF_NONE_MATCH), "v7"), "2.04 ");
    assert.equal(world.validated, "v7");
    // A resource that has no entity-tags does not understand them.
    assert.equal(put(ifMatch("x"), "y", "test"), "4.02 If-Match");
  });
});

describe("CoAP server: what it answers itself", () => {
  it("4.04, 4.05, 4.02 with the option's name, 5.05", () => {
    const world = new World();
    assert.equal(text(world.get("nowhere")), "4.04 ");
    assert.equal(text(world.get("")), "4.04 ");
    assert.equal(text(world.exchange(requestOf(Code.PATCH, "test"))), "4.05 ");
    assert.equal(text(world.exchange(requestOf(0x1f, "test"))), "4.05 ");
    assert.equal(text(world.get("test", emptyOption(65001))), "4.02 option 65001");
    assert.equal(text(world.get("test", opaqueOption(OptionNumber.ACCEPT, hex("010203")))), "4.02 Accept");
    // Plain CoAP: nobody takes the OSCORE option away here.
    assert.equal(text(world.get("test", opaqueOption(OptionNumber.OSCORE, hex("0900")))), "4.02 OSCORE");
    assert.equal(text(world.get("test", emptyOption(65000))), "2.05 created");
    assert.equal(text(world.get("test", stringOption(OptionNumber.PROXY_SCHEME, "http"))), "5.05 ");
    assert.equal(text(world.get("", stringOption(OptionNumber.PROXY_URI, "coap://a/b"))), "5.05 ");
  });

  it("is silent about an unknown critical option in a NON (RFC 7252 §5.4.1)", () => {
    const world = new World();
    const request = requestOf(Code.GET, "test", [emptyOption(65001)]);
    assert.equal(world.exchange(request, { confirmable: false }), "no-response");
    assert.deepEqual(world.wire, ["> NON 0.01"]);
  });

  it("a resource may understand more critical options", () => {
    const world = new World();
    world.server.add("/more", {
      get: () => content(Code.CONTENT, "ok"),
      understands: (number) => number === 65001,
    });
    assert.equal(text(world.get("more", emptyOption(65001))), "2.05 ok");
    assert.equal(text(world.get("more", emptyOption(65003))), "4.02 option 65003");
  });

  it("tells a slash in a segment from one between segments", () => {
    const world = new World();
    world.server.add("/a/b", { get: () => content(Code.CONTENT, "two") });
    assert.equal(
      text(world.exchange({ ...requestOf(Code.GET, ""), options: pathOptions(["a/b"]) })),
      "4.04 ",
    );
    assert.equal(text(world.get("a/b")), "2.05 two");
  });

  it("serves the root, and with a fallback every path", () => {
    const world = new World();
    world.server.add("/", { get: () => content(Code.CONTENT, "root") });
    assert.equal(text(world.get("")), "2.05 root");
    const server = new CoapServer({ fallback: { put: ({ path }) => content(Code.CREATED, path.join("/")) } });
    let answer: Content | undefined;
    const request = requestOf(Code.PUT, "any/where");
    server.serve(
      { type: Type.CON, messageId: 1, token: hex(""), ...request, options: [...request.options] },
      {
        client: "x",
        token: hex(""),
        confirmable: true,
        multicast: false,
        respond: (response) => {
          answer = response;
        },
        ignore: () => assert.fail(),
      },
      0,
    );
    assert.equal(answer && text(answer), "2.01 any/where");
  });

  it("does not answer what the client does not want answered (RFC 7967)", () => {
    const world = new World();
    const wish = (value: number, path: string) =>
      world.exchange(requestOf(Code.PUT, path, [uintOption(OptionNumber.NO_RESPONSE, value)], "x"), {
        confirmable: false,
      });
    assert.equal(wish(2, "test"), "no-response");
    assert.equal(world.test, "x");
    assert.equal(text(wish(2, "nowhere")), "4.04 ");
    assert.equal(wish(26, "nowhere"), "no-response");
    assert.deepEqual(
      world.wire.filter((line) => line.startsWith("<")),
      ["< NON 4.04"],
    );
  });

  it("answers groups for resources that are made for them only", () => {
    const world = new World();
    const { server, layer, network } = world;
    server.add("/group", { get: () => content(Code.CONTENT, "hello"), multicast: true });
    const ask = (path: string, id: number) => {
      const request = requestOf(Code.GET, path);
      const message = {
        type: Type.NON,
        messageId: id,
        token: hex(""),
        ...request,
        options: [...request.options],
      };
      layer.receive("group client", encodeMessage(message), network.now, true);
      network.run(network.now + 10_000);
    };
    ask("test", 1);
    ask("nowhere", 2);
    ask("large", 3);
    assert.deepEqual(network.sent, []);
    ask("group", 4);
    assert.deepEqual(world.wire, ["< NON 2.05"]);
    assert.equal(layer.pending, 0);
  });
});

describe("CoAP server: /.well-known/core, as in ETSI TD_COAP_LINK", () => {
  it("lists resources with attributes, filtered by the query", () => {
    const world = new World();
    const core = (...query: string[]) => {
      const response = world.operation(requestOf(Code.GET, ".well-known/core", queryOptions(query)));
      assert.equal(getUint(response, OptionNumber.CONTENT_FORMAT), ContentFormat.LINK_FORMAT);
      const links = parseLinks(TEXT.decode(response.payload));
      assert.ok(!(links instanceof Refusal));
      return links.map(({ target }) => target);
    };
    assert.deepEqual(core(), ["/test", "/separate", "/obs"]);
    assert.deepEqual(core("rt=Type1"), ["/test"]);
    assert.deepEqual(core("rt=*"), ["/test", "/obs"]);
    assert.deepEqual(core("if=separate"), ["/separate"]);
    assert.deepEqual(core("obs"), ["/obs"]);
    assert.deepEqual(core("href=/te*"), ["/test"]);
    assert.deepEqual(core("rt=nothing"), []);
  });
});

describe("CoAP server: block-wise, as in ETSI TD_COAP_BLOCK", () => {
  it("01, 02: GET of a large resource, early and late negotiation", () => {
    for (const options of [{}, { szx: 1, negotiate: true }, { szx: 1 }]) {
      const world = new World();
      const response = world.operation(requestOf(Code.GET, "large"), options);
      assert.deepEqual(
        response.payload,
        new Uint8Array(300).map((_, i) => i),
      );
    }
  });

  it("03: PUT, 05: POST with a large answer", () => {
    const world = new World();
    const payload = new Uint8Array(500).map((_, i) => i * 3);
    const put = world.operation({ ...requestOf(Code.PUT, "large-update"), payload });
    assert.equal(put.code, Code.CHANGED);
    assert.deepEqual(world.large, payload);
    assert.deepEqual(world.operation(requestOf(Code.GET, "large-update")).payload, payload);
    const posted = world.operation({ ...requestOf(Code.POST, "large-post"), payload });
    assert.deepEqual(posted.payload, payload.slice().reverse());
  });

  it("06: the client asks for one block only", () => {
    const world = new World();
    const second = world.get("large", uintOption(OptionNumber.BLOCK2, (1 << 4) | 2));
    assert.equal(getUint(second, OptionNumber.BLOCK2), (1 << 4) | 8 | 2);
    assert.equal(second.payload[0], 64);
  });

  it("loses nothing over a link that loses every third datagram", () => {
    const world = new World((_datagram, index) => (index % 3 === 1 ? [] : [10]));
    const payload = new Uint8Array(200).map((_, i) => i);
    assert.deepEqual(
      world.operation({ ...requestOf(Code.POST, "large-post"), payload }).payload,
      payload.slice().reverse(),
    );
  });
});

describe("CoAP server: observe, as in ETSI TD_COAP_OBS", () => {
  it("01, 02: notifications by CON and by NON", () => {
    for (const confirmable of [true, false]) {
      const world = new World();
      const { told } = world.observe("obs", { confirmable });
      world.network.run(5000);
      world.change();
      world.network.run(10_000);
      world.change();
      world.network.run(15_000);
      assert.deepEqual(told, ["state 0", "state 1", "state 2"]);
      const types = world.wire.slice(2).filter((line) => line.startsWith("<"));
      assert.deepEqual(types, confirmable ? ["< CON 2.05", "< CON 2.05"] : ["< NON 2.05", "< NON 2.05"]);
    }
  });

  it("03: cancelled by RST, to a CON and to a NON", () => {
    for (const confirmable of [true, false]) {
      const world = new World();
      const { told, handle } = world.observe("obs", { confirmable });
      world.network.run(5000);
      world.client.cancel(handle, world.network.now);
      world.change();
      world.network.run(10_000);
      assert.equal(world.server.observers, 0);
      assert.equal(world.wire.at(-1), "> RST 0.00");
      assert.deepEqual(told, ["state 0"]);
    }
  });

  it("04: cancelled by a GET with Observe 1 and the same token", () => {
    const world = new World();
    const { told, registration, handle } = world.observe("obs");
    world.network.run(1000);
    const options = [...registration.options];
    setOption(options, uintOption(OptionNumber.OBSERVE, 1));
    let answered = "";
    world.client.request(
      "server",
      { ...registration, options },
      {
        onResponse: (response) => {
          answered = `${TEXT.decode(response.payload)} ${getUint(response, OptionNumber.OBSERVE)}`;
          return "done";
        },
        onFailure: (failure) => {
          answered = failure;
        },
      },
      1000,
      { token: handle.token },
    );
    world.network.run(2000);
    assert.equal(answered, "state 0 undefined");
    assert.equal(world.server.observers, 0);
    assert.deepEqual(told, ["state 0", "cancelled"]);
  });

  it("05: a client that has gone is forgotten", () => {
    const world = new World();
    world.observe("obs");
    world.network.run(1000);
    world.network.fate = () => [];
    world.change();
    world.network.run(200_000);
    assert.equal(world.server.observers, 0);
    assert.equal(world.layer.deadline, Number.POSITIVE_INFINITY);
  });

  it("07: the resource goes away, 08: it becomes another", () => {
    const world = new World();
    const { told } = world.observe("obs");
    world.network.run(1000);
    assert.equal(world.server.remove("/obs", 1000), true);
    world.network.run(2000);
    assert.deepEqual(told, ["state 0", "end 4.04"]);
    assert.equal(world.server.observers, 0);
    assert.equal(world.server.remove("/obs", 2000), false);
  });

  it("10: a resource that cannot be observed answers without Observe", () => {
    const world = new World();
    const { told } = world.observe("test");
    world.network.run(1000);
    assert.deepEqual(told, ["end 2.05"]);
    assert.equal(world.observe("nowhere").told.length, 0);
    world.network.run(2000);
    assert.equal(world.server.observers, 0);
  });

  it("tells the last state after any loss and any number of changes", () => {
    const world = new World();
    const { told } = world.observe("obs");
    world.network.run(1000);
    world.network.fate = (_datagram, index) => (index % 3 === 2 ? [] : [10]);
    for (let i = 0; i < 20; i++) {
      world.change();
      world.network.run(world.network.now + 700);
    }
    world.network.run(world.network.now + 100_000);
    assert.equal(told.at(-1), "state 20");
    assert.ok(told.length < 20);
  });

  it("makes a NON observer wait for the interval, and says when it is over", () => {
    const world = new World();
    const { told } = world.observe("obs", { confirmable: false });
    world.network.run(1000);
    world.change();
    world.change();
    world.network.run(2000);
    assert.deepEqual(told, ["state 0"]);
    const due = world.server.deadline;
    assert.ok(due > 2000 && due <= 4000);
    world.network.run(due);
    world.server.tick(due);
    world.network.run(due + 100);
    assert.deepEqual(told, ["state 0", "state 2"]);
    assert.equal(world.server.deadline, Number.POSITIVE_INFINITY);
  });

  it("notifies of a large resource by its first block, which carries the version of all (RFC 7959 §2.6)", () => {
    const world = new World();
    const observation = world.observe("obs-large");
    world.network.run(1000);
    world.change("/obs-large");
    world.network.run(2000);
    const notification = observation.messages[1];
    assert.equal(getUint(notification, OptionNumber.BLOCK2), 8 | 2);
    const operation = new BlockwiseClient(observation.registration);
    let step = operation.next(notification);
    while ("send" in step) {
      const response = world.exchange(step.send);
      assert.ok(typeof response !== "string");
      step = operation.next(response);
    }
    assert.ok("done" in step);
    assert.deepEqual(step.done.payload, new Uint8Array(150).fill(1));
    assert.equal(world.server.observers, 1);
  });

  it("notifies in blocks of the size that the registration asked for", () => {
    const world = new World();
    const { messages } = world.observe("obs-large", { extra: [uintOption(OptionNumber.BLOCK2, 1)] });
    world.network.run(1000);
    world.change("/obs-large");
    world.network.run(2000);
    assert.deepEqual(
      messages.map(({ payload }) => payload.length),
      [32, 32],
    );
  });
});

describe("CoAP server: answers that come later", () => {
  it("may look at the request when its datagram is gone", () => {
    const world = new World();
    let pending: ResourceRequest | undefined;
    world.server.add("/later", {
      get: (request) => {
        pending = request;
        return undefined;
      },
    });
    const option = uintOption(OptionNumber.ACCEPT, ContentFormat.XML);
    world.network.at(20_000, () =>
      pending?.reply(content(Code.CONTENT, "<a/>", ContentFormat.XML), world.network.now),
    );
    assert.equal(text(world.get("later", option)), "2.05 <a/>");
  });

  it("may come from within the handler", () => {
    const world = new World();
    world.server.add("/now", {
      get: (request, now) => {
        request.reply(content(Code.CONTENT, "now"), now);
        return undefined;
      },
    });
    assert.equal(text(world.get("now")), "2.05 now");
  });
});
