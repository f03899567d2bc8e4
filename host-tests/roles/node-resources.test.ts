import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeCbor, encodeCbor } from "../../firmware/bytes/cbor.js";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeUtf8, encodeUtf8 } from "../../firmware/bytes/utf8.js";
import { parseLinks } from "../../firmware/coap/link-format.js";
import { type CoapMessage, type CoapOption, Type } from "../../firmware/coap/message.js";
import { Code, ContentFormat, formatCode, OptionNumber } from "../../firmware/coap/numbers.js";
import { getUint, opaqueOption, pathOptions, sortOptions, uintOption } from "../../firmware/coap/options.js";
import { ACCESS_MAX } from "../../firmware/mesh/numbers.js";
import { encodeReadings } from "../../firmware/reading/codec.js";
import {
  changeSettings,
  encodeSettings,
  LARGEST_BATCH,
  type Settings,
} from "../../firmware/reading/settings.js";
import { type NodeState, serveNode } from "../../firmware/roles/node-resources.js";

const { TEXT, CBOR, JSON: JSON_FORMAT } = ContentFormat;

class Node implements NodeState {
  settings: Settings = { interval: 60, confirmable: true, batch: 8 };
  temperature: number | undefined = 2150;
  humidity: number | undefined = 4005;
  changes = 0;

  latest() {
    if (this.temperature === undefined && this.humidity === undefined) return undefined;
    return { age: 7, temperature: this.temperature, humidity: this.humidity } as ReturnType<
      NodeState["latest"]
    >;
  }

  stats(): Uint8Array {
    return hex("a0");
  }

  change(settings: Settings): void {
    this.settings = settings;
    this.changes++;
  }
}

interface Ask {
  code?: number;
  accept?: number;
  format?: number;
  payload?: Uint8Array;
  options?: CoapOption[];
  fresh?: boolean;
}

function request(path: string, { code = Code.GET, accept, format, payload, options = [] }: Ask): CoapMessage {
  const all = [...pathOptions(path), ...options];
  if (accept !== undefined) all.push(uintOption(OptionNumber.ACCEPT, accept));
  if (format !== undefined) all.push(uintOption(OptionNumber.CONTENT_FORMAT, format));
  const none = hex("");
  return {
    type: Type.CON,
    code,
    messageId: 0,
    token: none,
    options: sortOptions(all),
    payload: payload ?? none,
  };
}

const ask = (node: Node, path: string, how: Ask = {}) =>
  serveNode(node, request(path, how), how.fresh ?? true, 0);
const codeOf = (node: Node, path: string, how: Ask = {}) => {
  const answer = ask(node, path, how);
  return answer && formatCode(answer.code);
};
const put = (settings: Uint8Array, how: Ask = {}): Ask => ({
  code: Code.PUT,
  format: CBOR,
  payload: settings,
  ...how,
});
const textOf = (bytes: Uint8Array) => decodeUtf8(bytes) as string;

describe("resources of a node", () => {
  it("tell what was measured, as text or as a reading", () => {
    const node = new Node();
    assert.equal(textOf(ask(node, "/t")!.payload), "21.50");
    assert.equal(textOf(ask(node, "/h", { accept: TEXT })!.payload), "40.05");
    assert.deepEqual(
      ask(node, "/t", { accept: CBOR })!.payload,
      encodeReadings([{ age: 7, temperature: 2150 }]),
    );
    for (const [value, text] of [
      [-5, "-0.05"],
      [0, "0.00"],
      [-12345, "-123.45"],
      [7, "0.07"],
    ] as const) {
      node.temperature = value;
      assert.equal(textOf(ask(node, "/t")!.payload), text);
    }
    node.humidity = undefined;
    assert.equal(codeOf(node, "/h"), "5.03");
  });

  it("say of each answer what it is, and that it may be another one soon", () => {
    const node = new Node();
    for (const [path, format] of [
      ["/t", TEXT],
      ["/settings", CBOR],
      ["/stats", CBOR],
      ["/.well-known/core", ContentFormat.LINK_FORMAT],
    ] as const) {
      const answer = ask(node, path)!;
      assert.equal(getUint(answer, OptionNumber.CONTENT_FORMAT), format);
      assert.equal(getUint(answer, OptionNumber.MAX_AGE), 0);
    }
  });

  it("are what /.well-known/core lists (RFC 6690)", () => {
    const node = new Node();
    const links = parseLinks(textOf(ask(node, "/.well-known/core")!.payload));
    assert.ok(!(links instanceof Refusal), `${links}`);
    assert.deepEqual(
      links.map(({ target }) => target),
      ["/t", "/h", "/settings", "/stats"],
    );
    for (const { target, attributes } of links) {
      const formats = new Map(attributes).get("ct")!.split(" ").map(Number);
      for (const accept of formats) assert.equal(codeOf(node, target, { accept }), "2.05", target);
    }
    assert.equal(codeOf(node, "/.well-known/core?"), "4.04");
    const filter = [{ number: OptionNumber.URI_QUERY, value: encodeUtf8("rt=x") }];
    assert.equal(codeOf(node, "/.well-known/core", { options: filter }), "2.05");
  });

  it("answer every request that is not right with the code that CoAP has for it", () => {
    const node = new Node();
    const cases: [string, Ask, string][] = [
      ["/", {}, "4.04"],
      ["/nothing", {}, "4.04"],
      ["/t/x", {}, "4.04"],
      ["/nothing", { code: Code.DELETE }, "4.04"],
      ["/t", { code: Code.PUT, payload: hex("00") }, "4.05"],
      ["/stats", { code: Code.POST }, "4.05"],
      ["/settings", { code: Code.DELETE }, "4.05"],
      ["/settings", { code: Code.POST, format: CBOR, payload: hex("a1000a") }, "4.05"],
      ["/.well-known/core", { code: Code.PUT }, "4.05"],
      ["/settings", { code: 31 }, "4.05"],
      ["/t", { accept: JSON_FORMAT }, "4.06"],
      ["/settings", { accept: TEXT }, "4.06"],
      ["/settings", put(hex("a1000a"), { accept: TEXT }), "4.06"],
      ["/settings", put(hex("a1000a"), { format: TEXT }), "4.15"],
      ["/settings", { code: Code.PUT, payload: hex("a1000a") }, "4.15"],
      ["/settings", put(hex("")), "4.00"],
      ["/settings", put(hex("a1")), "4.00"],
      ["/settings", put(hex("80")), "4.00"],
      ["/settings", put(hex("a1000aff")), "4.00"],
      ["/settings", put(hex("a10000")), "4.22"],
      ["/settings", put(hex("a10020")), "4.22"],
      ["/settings", put(hex("a1001a00015181")), "4.22"],
      ["/settings", put(hex("a100f5")), "4.22"],
      ["/settings", put(hex("a10101")), "4.22"],
      ["/settings", put(hex("a10200")), "4.22"],
      ["/settings", put(hex("a1020b")), "4.22"],
      ["/settings", put(hex("a102f93e00")), "4.22"],
      ["/settings", put(hex("a1030a")), "4.22"],
      ["/settings", put(encodeCbor(new Map([["length", 10]]))), "4.22"],
      ["/settings", put(encodeCbor(new Map([["interval", 10]]))), "4.22"],
      ["/t", { options: [opaqueOption(OptionNumber.IF_MATCH, hex("01"))] }, "4.02"],
      ["/t", { options: [uintOption(OptionNumber.BLOCK2, 2)] }, "4.02"],
      ["/t", { options: [opaqueOption(0xfff1, hex("01"))] }, "4.02"],
      ["/t", { options: [opaqueOption(OptionNumber.URI_PATH, hex("ff"))] }, "4.02"],
      ["/t", { options: [opaqueOption(0xfff0, hex("01"))] }, "2.05"],
    ];
    for (const [path, how, expected] of cases) {
      assert.equal(codeOf(node, path, how), expected, `${formatCode(how.code ?? 1)} ${path} ${expected}`);
    }
    assert.equal(node.changes, 0);
  });

  it("change settings by PUT; what it leaves out stays; the answer says what holds now", () => {
    const node = new Node();
    const answer = ask(node, "/settings", put(encodeSettings({ interval: 30, confirmable: false })))!;
    assert.equal(answer.code, Code.CHANGED);
    assert.deepEqual(node.settings, { interval: 30, confirmable: false, batch: 8 });
    assert.deepEqual(answer.payload, encodeSettings(node.settings));
    assert.equal(toHex(answer.payload), "a300181e01f40208");
    assert.deepEqual(ask(node, "/settings")!.payload, answer.payload);
  });

  it("change nothing for a request that may have been held back", () => {
    const node = new Node();
    assert.equal(ask(node, "/settings", put(hex("a1000a"), { fresh: false })), undefined);
    assert.equal(node.changes, 0);
    assert.equal(codeOf(node, "/settings", { fresh: false }), "2.05");
  });

  it("take any bytes for settings: what comes out is valid, or a refusal", () => {
    const before: Settings = { interval: 60, confirmable: true, batch: 8 };
    const some = fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc
        .dictionary(fc.constantFrom("0", "1", "2", "3"), fc.oneof(fc.integer(), fc.boolean(), fc.double()))
        .map((entries) => encodeCbor(new Map(Object.entries(entries).map(([k, v]) => [Number(k), v])))),
    );
    fc.assert(
      fc.property(some, (bytes) => {
        const changed = changeSettings(before, bytes);
        if (changed instanceof Refusal) return;
        const { interval, confirmable, batch } = changed;
        assert.ok(interval >= 0.5 && interval <= 86_400 && typeof confirmable === "boolean");
        assert.ok(Number.isInteger(batch) && batch >= 1 && batch <= LARGEST_BATCH);
        assert.deepEqual(changeSettings(before, encodeSettings(changed)), changed);
        assert.ok(decodeCbor(encodeSettings(changed)) instanceof Map);
      }),
    );
  });

  it("allow no batch that the mesh could not carry", () => {
    const worst = {
      age: 31_536_000,
      temperature: -10_000,
      humidity: 10_000,
      battery: 0xffff,
      // One a second for 136 years.
      firstCarriage: { partialIv: 2 ** 32 - 1, index: LARGEST_BATCH - 1 },
    };
    const payload = encodeReadings(Array(LARGEST_BATCH).fill(worst)).length;
    // Opcode; CoAP header, OSCORE option with a Partial IV, a kid context of App. B.2 and a kid; code and tag.
    const around = 3 + 4 + (2 + 1 + 5 + 1 + 26 + 2) + 1 + 1 + 1 + 8;
    assert.ok(payload + around <= ACCESS_MAX, `${payload} + ${around}`);
  });
});
