import assert from "node:assert/strict";
import fc from "fast-check";
import { toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import type { CoapOption } from "../../firmware/coap/message.js";
import { OptionNumber } from "../../firmware/coap/numbers.js";
import { pathOptions, queryOptions, stringOption, uintOption } from "../../firmware/coap/options.js";
import { composeUri, type Destination, splitUri, uriOptions } from "../../firmware/coap/uri.js";

const host = (name: string) => stringOption(OptionNumber.URI_HOST, name);
const V6: Destination = { address: "2001:db8::2:1", port: 5683 };
const V4: Destination = { address: "198.51.100.1", port: 61616 };

/** RFC 7252 appendix B. */
const APPENDIX_B: [string, Destination, CoapOption[]][] = [
  ["coap://[2001:db8::2:1]/", V6, []],
  ["coap://example.net/", V6, [host("example.net")]],
  ["coap://example.net/.well-known/core", V6, [host("example.net"), ...pathOptions(".well-known/core")]],
  [
    "coap://xn--18j4d.example/%E3%81%93%E3%82%93%E3%81%AB%E3%81%A1%E3%81%AF",
    V6,
    [host("xn--18j4d.example"), ...pathOptions(["こんにちは"])],
  ],
  [
    "coap://198.51.100.1:61616//%2F//?%2F%2F&?%26",
    V4,
    [...pathOptions(["", "/", "", ""]), ...queryOptions(["//", "?&"])],
  ],
];

function options(uri: string, destination = V4): string | string[] {
  const result = uriOptions(uri, destination);
  if (result instanceof Refusal) return result.reason;
  return result.map(({ number, value }) => `${number} ${Buffer.from(value).toString()}`);
}

describe("CoAP URIs", () => {
  for (const [uri, destination, expected] of APPENDIX_B) {
    it(`RFC 7252 appendix B: ${uri}`, () => {
      // The last example encodes "/" in its query, though §6.5 step 8 does not; taken apart it is the same.
      const composed = uri.replace("?%2F%2F&", "?//&");
      assert.equal(composeUri({ options: expected }, destination), composed);
      assert.deepEqual(uriOptions(uri, destination), expected);
      assert.deepEqual(uriOptions(composed, destination), expected);
    });
  }

  it("treats equivalent URIs alike (RFC 7252 §6.3)", () => {
    const expected = ["3 example.com", "11 ~sensors", "11 temp.xml"];
    const destination = { address: "192.0.2.1", port: 5683 };
    for (const uri of [
      "coap://example.com:5683/~sensors/temp.xml",
      "coap://EXAMPLE.com/%7Esensors/temp.xml",
      "coap://EXAMPLE.com:/%7esensors/temp.xml",
      "COAP://example.com/a/../~sensors/./temp.xml",
    ]) {
      assert.deepEqual(options(uri, destination), expected, uri);
    }
  });

  it("leaves out what the destination says, names the rest", () => {
    assert.deepEqual(options("coap://198.51.100.1:61616/a"), ["11 a"]);
    assert.deepEqual(options("coap://198.51.100.2:61616/a"), ["3 198.51.100.2", "11 a"]);
    assert.deepEqual(toHex((uriOptions("coap://198.51.100.1", V4) as CoapOption[])[0].value), "1633");
    assert.deepEqual(options("coaps://198.51.100.1:61616?a"), ["15 a"]);
    assert.deepEqual(options("coap://198.51.100.1:61616/?"), ["15 "]);
    assert.deepEqual(options("coap://[2001:DB8::2:1]", V6), []);
    assert.deepEqual(options("coap://[2001:db8::2:1]", { ...V6, address: "2001:DB8::2:1" }), []);
  });

  const refused: [string, string][] = [
    ["", "uri-not-absolute"],
    ["/path", "uri-not-absolute"],
    ["://host", "uri-not-absolute"],
    ["1coap://host", "uri-not-absolute"],
    ["http://host/", "uri-scheme"],
    ["coap://", "uri-host"],
    ["coap:///path", "uri-host"],
    ["coap://user@host/", "uri-host"],
    ["coap://[::1/", "uri-host"],
    ["coap://[host]/", "uri-host"],
    ["coap://::1/", "uri-host"],
    ["coap://host:65536/", "uri-port"],
    ["coap://host:x/", "uri-port"],
    ["coap://host:-1/", "uri-port"],
    ["coap://host/a#b", "uri-fragment"],
    ["coap://host/%4", "uri-encoding"],
    ["coap://host/%zz", "uri-encoding"],
    ["coap://host/%c0%80", "uri-encoding"],
    ["coap://%ff/", "uri-encoding"],
    [`coap://host/${"a".repeat(256)}`, "uri-too-long"],
    [`coap://host/?${"a".repeat(256)}`, "uri-too-long"],
    [`coap://${"a".repeat(256)}/`, "uri-too-long"],
  ];
  for (const [uri, reason] of refused) {
    it(`refuses ${uri.slice(0, 40) || "nothing"}: ${reason}`, () => assert.equal(options(uri), reason));
  }

  it("resolves dot segments as RFC 3986 §5.2.4 does", () => {
    const paths: [string, string[]][] = [
      ["/a/b/c/./../../g", ["11 a", "11 g"]],
      ["/..", []],
      ["/.", []],
      ["/a/.", ["11 a", "11 "]],
      ["/a/b/..", ["11 a", "11 "]],
      ["/.a/..b", ["11 .a", "11 ..b"]],
      ["/../../x", ["11 x"]],
    ];
    for (const [path, expected] of paths) {
      assert.deepEqual(options(`coap://198.51.100.1:61616${path}`), expected, path);
    }
  });

  it("composes nothing for a Uri-Host that is no host", () => {
    for (const name of ["a/b", "a?b", "a b", "a#b", "a@b", "a:b"]) {
      const uri = composeUri({ options: [host(name)] }, V4);
      assert.ok(name === "a:b" || (uri instanceof Refusal && uri.reason === "uri-host"), name);
    }
    assert.equal(composeUri({ options: [host("ü.example")] }, V4), "coap://%C3%BC.example:61616/");
    assert.equal(
      composeUri({ options: [host("[::1]"), uintOption(7, 5684)] }, V4, "coaps"),
      "coaps://[::1]/",
    );
  });

  it("takes URIs of other schemes apart, as Proxy-Uri has them", () => {
    const parts = splitUri("http://Example.com:8080/a%20b?x=1");
    assert.ok(!(parts instanceof Refusal));
    assert.deepEqual(
      [parts.scheme, parts.authority, parts.host, parts.isAddress, parts.port],
      ["http", "Example.com:8080", "example.com", false, 8080],
    );
    assert.deepEqual(parts.path, pathOptions(["a b"]));
    assert.deepEqual(parts.query, queryOptions(["x=1"]));
  });

  it("composing and taking apart are inverse", () => {
    const segment = fc
      .string({ unit: "binary", maxLength: 8 })
      .filter((text) => text !== "." && text !== "..");
    fc.assert(
      fc.property(
        fc.array(segment, { maxLength: 4 }),
        fc.array(segment, { maxLength: 3 }),
        fc.option(fc.constantFrom("example.net", "a-b.c", "ü")),
        fc.integer({ min: 1, max: 0xffff }),
        (path, query, name, port) => {
          // A single empty segment is the same as none (RFC 7252 §6.4 step 8).
          fc.pre(!(path.length === 1 && path[0] === ""));
          const expected = [
            ...(name === null ? [] : [host(name)]),
            ...(port === V4.port ? [] : [uintOption(OptionNumber.URI_PORT, port)]),
            ...pathOptions(path),
            ...queryOptions(query),
          ];
          const uri = composeUri({ options: expected }, V4);
          assert.ok(typeof uri === "string");
          assert.deepEqual(uriOptions(uri, V4), expected);
        },
      ),
    );
  });

  it("any text is taken apart or refused", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string().map((tail) => `coap://${tail}`),
      fc.stringMatching(/^coap:\/\/[a:[\]@%0-9/?#.]*$/),
    );
    fc.assert(
      fc.property(text, (uri) => {
        const result = uriOptions(uri, V4);
        if (!(result instanceof Refusal)) composeUri({ options: result }, V4);
      }),
      { numRuns: 1000 },
    );
  });
});
