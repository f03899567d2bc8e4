import assert from "node:assert/strict";
import fc from "fast-check";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import type { CoapOption } from "../../firmware/coap/message.js";
import {
  Code,
  ContentFormat,
  codeName,
  contentFormatName,
  formatCode,
  isError,
  isRequest,
  isResponse,
  OptionNumber,
  parseCode,
} from "../../firmware/coap/numbers.js";
import {
  badCriticalOption,
  emptyOption,
  getOption,
  getOptions,
  getString,
  getUint,
  hasOption,
  insertOption,
  isCritical,
  isNoCacheKey,
  isUnsafe,
  OPTIONS,
  OscoreClass,
  opaqueOption,
  optionName,
  oscoreClass,
  pathOptions,
  queryOptions,
  removeOption,
  setOption,
  sortOptions,
  stringOption,
  uintBytes,
  uintOption,
  uintValue,
  uriPath,
  uriQuery,
} from "../../firmware/coap/options.js";
import { arbitraryOptions } from "./arbitraries.js";

describe("CoAP numbers", () => {
  it("writes and reads codes", () => {
    assert.equal(formatCode(Code.CHANGED), "2.04");
    assert.equal(formatCode(Code.HOP_LIMIT_REACHED), "5.08");
    for (let code = 0; code < 256; code++) assert.equal(parseCode(formatCode(code)), code);
    for (const bad of ["", "2.4", "2.044", "8.00", "2.32", "a.bc", "2x04", "-.01", " .01"]) {
      assert.equal(parseCode(bad), undefined, bad);
    }
    assert.equal(codeName(Code.CHANGED), "Changed");
    assert.equal(codeName(0x5e), "2.30");
    assert.equal(contentFormatName(ContentFormat.SENML_CBOR), "application/senml+cbor");
    assert.equal(contentFormatName(4711), "content-format 4711");
  });

  it("tells requests, responses and errors", () => {
    assert.ok(isRequest(Code.GET) && isRequest(0x1f) && !isRequest(Code.EMPTY) && !isRequest(Code.CONTENT));
    assert.ok(
      isResponse(Code.CONTENT) && isResponse(Code.NOT_FOUND) && !isResponse(0xc0) && !isResponse(0x20),
    );
    assert.ok(isError(Code.NOT_FOUND) && isError(Code.BAD_GATEWAY) && !isError(Code.VALID));
  });
});

/** RFC 7252 table 4: C, U, N, R of each option; and figure 5 of RFC 8613: E, U. Dots for blank columns. */
const PROPERTIES: [number, string, string][] = [
  [1, "If-Match", "C..R E."],
  [3, "Uri-Host", "CU.. .U"],
  [4, "ETag", "...R E."],
  [5, "If-None-Match", "C... E."],
  [6, "Observe", ".U.. EU"],
  [7, "Uri-Port", "CU.. .U"],
  [8, "Location-Path", "...R E."],
  [9, "OSCORE", "C... .U"],
  [11, "Uri-Path", "CU.R E."],
  [12, "Content-Format", ".... E."],
  [14, "Max-Age", ".U.. EU"],
  [15, "Uri-Query", "CU.R E."],
  [16, "Hop-Limit", ".... .U"],
  [17, "Accept", "C... E."],
  [19, "Q-Block1", "CU.. EU"],
  [20, "Location-Query", "...R E."],
  [21, "EDHOC", "C... .U"],
  [23, "Block2", "CU.. EU"],
  [27, "Block1", "CU.. EU"],
  [28, "Size2", "..N. EU"],
  [31, "Q-Block2", "CU.R EU"],
  [35, "Proxy-Uri", "CU.. .U"],
  [39, "Proxy-Scheme", "CU.. .U"],
  [60, "Size1", "..N. EU"],
  [252, "Echo", "..N. EU"],
  [258, "No-Response", ".U.. EU"],
  [292, "Request-Tag", "...R EU"],
];

describe("CoAP options", () => {
  for (const [number, name, properties] of PROPERTIES) {
    it(`${name} (${number}) is ${properties}`, () => {
      const definition = OPTIONS.get(number)!;
      assert.equal(definition.name, name);
      const flags = [
        isCritical(number) ? "C" : ".",
        isUnsafe(number) ? "U" : ".",
        // Only safe-to-forward options have the property at all.
        !isUnsafe(number) && isNoCacheKey(number) ? "N" : ".",
        definition.repeatable ? "R" : ".",
        " ",
        oscoreClass(number) & OscoreClass.E ? "E" : ".",
        oscoreClass(number) & OscoreClass.U ? "U" : ".",
      ];
      assert.equal(flags.join(""), properties);
      assert.equal(oscoreClass(number) & OscoreClass.I, 0);
    });
  }

  it("knows exactly those, and takes unknown ones for class E", () => {
    assert.deepEqual(
      [...OPTIONS.keys()],
      PROPERTIES.map(([number]) => number),
    );
    assert.equal(oscoreClass(65001), OscoreClass.E);
    assert.equal(optionName(65001), "option 65001");
    assert.equal(optionName(11), "Uri-Path");
  });

  it("encodes unsigned integers in their shortest form", () => {
    assert.equal(toHex(uintBytes(0)), "");
    assert.equal(toHex(uintBytes(255)), "ff");
    assert.equal(toHex(uintBytes(256)), "0100");
    assert.equal(toHex(uintBytes(0xffffffff)), "ffffffff");
    assert.throws(() => uintBytes(-1), RangeError);
    assert.throws(() => uintBytes(0.5), RangeError);
    assert.equal(uintValue(hex("0000ff")), 255);
    fc.assert(
      fc.property(fc.nat({ max: 0xffffffff }), (value) => {
        assert.equal(uintValue(uintBytes(value)), value);
      }),
    );
  });

  it("reads paths and queries", () => {
    const options = [...pathOptions("/a/ü/"), ...queryOptions(["x=1", "y"])];
    assert.deepEqual(uriPath({ options }), ["a", "ü", ""]);
    assert.deepEqual(uriQuery({ options }), ["x=1", "y"]);
    assert.deepEqual(pathOptions("/"), []);
    assert.deepEqual(pathOptions(""), []);
    assert.deepEqual(pathOptions(["a/b", "c"]).length, 2);
  });

  it("reads a value of a wrong length as absent, the first of several, and nothing beyond", () => {
    const options = [
      uintOption(OptionNumber.URI_PORT, 5683),
      uintOption(OptionNumber.URI_PORT, 1),
      opaqueOption(OptionNumber.CONTENT_FORMAT, hex("010203")),
      stringOption(OptionNumber.PROXY_SCHEME, "coap"),
    ];
    assert.equal(getUint({ options }, OptionNumber.URI_PORT), 5683);
    assert.equal(getUint({ options }, OptionNumber.CONTENT_FORMAT), undefined);
    assert.equal(hasOption({ options }, OptionNumber.CONTENT_FORMAT), false);
    assert.equal(getString({ options }, OptionNumber.PROXY_SCHEME), "coap");
    assert.equal(getOption({ options }, OptionNumber.URI_PATH), undefined);
    assert.equal(getOptions({ options }, OptionNumber.URI_PORT).length, 2);
  });

  it("names the critical option that forbids to act on a message", () => {
    const bad = (...options: CoapOption[]) => badCriticalOption({ options });
    assert.equal(bad(...pathOptions("a/b"), uintOption(OptionNumber.ACCEPT, 0)), undefined);
    assert.equal(bad(emptyOption(65001)), 65001);
    assert.equal(bad(emptyOption(65000)), undefined);
    // RFC 7252 §5.4.3: a length out of range; §5.4.5: more than once; a string that is no UTF-8.
    assert.equal(bad(opaqueOption(OptionNumber.ACCEPT, hex("010203"))), OptionNumber.ACCEPT);
    assert.equal(
      bad(uintOption(OptionNumber.ACCEPT, 0), uintOption(OptionNumber.ACCEPT, 1)),
      OptionNumber.ACCEPT,
    );
    assert.equal(bad(opaqueOption(OptionNumber.URI_PATH, hex("c080"))), OptionNumber.URI_PATH);
    // The same faults in elective options are passed over.
    assert.equal(bad(opaqueOption(OptionNumber.CONTENT_FORMAT, hex("010203"))), undefined);
    assert.equal(bad(uintOption(OptionNumber.MAX_AGE, 0), uintOption(OptionNumber.MAX_AGE, 0)), undefined);
    assert.equal(
      badCriticalOption({ options: pathOptions("a") }, (number) => number !== OptionNumber.URI_PATH),
      OptionNumber.URI_PATH,
    );
  });

  it("inserting one by one is stable sorting; setting replaces; removing counts", () => {
    fc.assert(
      fc.property(fc.array(arbitraryOptions(1), { maxLength: 8 }), (lists) => {
        const unsorted = lists.flat();
        const inserted: CoapOption[] = [];
        for (const option of unsorted) insertOption(inserted, option);
        assert.deepEqual(inserted, sortOptions([...unsorted]));
        if (unsorted.length === 0) return;
        const { number } = unsorted[0];
        const count = unsorted.filter((option) => option.number === number).length;
        const replaced = [...inserted];
        setOption(replaced, emptyOption(number));
        assert.equal(replaced.length, inserted.length - count + 1);
        assert.equal(removeOption(inserted, number), count);
        assert.ok(inserted.every((option) => option.number !== number));
      }),
    );
  });
});
