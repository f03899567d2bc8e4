import assert from "node:assert/strict";
import { hex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { encodeMessage } from "../../firmware/coap/codec.js";
import { parseLinks } from "../../firmware/coap/link-format.js";
import { type CoapOption, Type } from "../../firmware/coap/message.js";
import type { Content } from "../../firmware/coap/message-layer.js";
import { Code, ContentFormat, OptionNumber } from "../../firmware/coap/numbers.js";
import {
  emptyOption,
  getOption,
  getStrings,
  getUint,
  opaqueOption,
  pathOptions,
  queryOptions,
  stringOption,
  uintOption,
} from "../../firmware/coap/options.js";
import { content, type ResourceRequest } from "../../firmware/coap/resource.js";
import { CoapServer } from "../../firmware/coap/server.js";
import { requestOf, TEXT, text, World } from "./server-world.js";

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
