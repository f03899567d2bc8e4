import assert from "node:assert/strict";
import fc from "fast-check";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { decodeMessage, encodeMessage } from "../../firmware/coap/codec.js";
import type { CoapMessage, CoapOption } from "../../firmware/coap/message.js";
import { Code, OptionNumber } from "../../firmware/coap/numbers.js";
import { sortOptions, stringOption, uintOption } from "../../firmware/coap/options.js";
import { AEAD_ALGORITHMS } from "../../firmware/oscore/algorithms.js";
import { Hkdf } from "../../firmware/oscore/context.js";
import { ProtectError } from "../../firmware/oscore/fields.js";
import { protectRequest, protectResponse } from "../../firmware/oscore/protect.js";
import { requestOptionOf, unprotectRequest, unprotectResponse } from "../../firmware/oscore/unprotect.js";
import { contextPair, encode, message, reasonOf, taken } from "./helpers.js";

const numbersOf = (one: CoapMessage) => one.options.map((option) => option.number);
const optionHex = (one: CoapMessage, number: number) => {
  const option = one.options.find((candidate) => candidate.number === number);
  return option && toHex(option.value);
};

describe("protect and unprotect", () => {
  const { client, server } = contextPair();

  it("put each field where §4 says", () => {
    const options: CoapOption[] = [
      stringOption(OptionNumber.URI_HOST, "host"),
      uintOption(OptionNumber.OBSERVE, 0),
      uintOption(OptionNumber.URI_PORT, 61616),
      stringOption(OptionNumber.URI_PATH, "r"),
      uintOption(OptionNumber.CONTENT_FORMAT, 60),
      uintOption(OptionNumber.MAX_AGE, 5),
      stringOption(OptionNumber.URI_QUERY, "q=1"),
      uintOption(OptionNumber.HOP_LIMIT, 16),
      uintOption(OptionNumber.ACCEPT, 60),
      uintOption(OptionNumber.BLOCK2, 2),
      uintOption(OptionNumber.BLOCK1, 2),
      stringOption(OptionNumber.PROXY_SCHEME, "coap"),
      uintOption(OptionNumber.NO_RESPONSE, 26),
      { number: 65000, value: hex("01") },
    ];
    const original = message(Code.FETCH, options, "aabb");
    const { message: outer } = protectRequest(client, original, 1);
    assert.deepEqual(numbersOf(outer), [3, 6, 7, 9, 16, 39]);
    assert.equal(outer.code, Code.FETCH);
    assert.equal(outer.type, original.type);
    assert.equal(outer.messageId, original.messageId);
    assert.equal(outer.token, original.token);
    const request = taken(unprotectRequest(server, outer));
    assert.equal(encode(request.message), encode(original));
  });

  it("write POST and 2.04 outside, FETCH and 2.05 with Observe (§4.1.3.5)", () => {
    const get = protectRequest(client, message(Code.GET), 1);
    assert.equal(get.message.code, Code.POST);
    const observe = protectRequest(client, message(Code.GET, [uintOption(OptionNumber.OBSERVE, 0)]), 2);
    assert.equal(observe.message.code, Code.FETCH);
    assert.equal(optionHex(observe.message, OptionNumber.OBSERVE), "");

    const { exchange } = taken(unprotectRequest(server, observe.message));
    const notification = protectResponse(
      exchange,
      message(Code.CONTENT, [uintOption(OptionNumber.OBSERVE, 77)]),
      {
        partialIv: 3,
      },
    );
    assert.equal(notification.code, Code.CONTENT);
    assert.equal(optionHex(notification, OptionNumber.OBSERVE), "4d", "the outer one has the number");
    const received = taken(unprotectResponse(observe.exchange, notification));
    assert.equal(optionHex(received.message, OptionNumber.OBSERVE), "", "the inner one is empty");
    assert.equal(received.partialIv, 3);

    const plain = protectResponse(exchange, message(Code.NOT_FOUND), { partialIv: 4 });
    assert.equal(plain.code, Code.CHANGED);
  });

  it("decompose Proxy-Uri (§4.1.3.3)", () => {
    const proxied = message(Code.GET, [
      stringOption(OptionNumber.PROXY_URI, "coap://example.com/resource%2F1/a?q=1&x=%c3%bc"),
    ]);
    const { message: outer } = protectRequest(client, proxied, 1);
    assert.equal(optionHex(outer, OptionNumber.PROXY_URI), toHex(Buffer.from("coap://example.com")));
    const inside = taken(unprotectRequest(server, outer)).message;
    assert.deepEqual(
      inside.options.map((option) => [option.number, Buffer.from(option.value).toString()]),
      [
        [11, "resource/1"],
        [11, "a"],
        [15, "q=1"],
        [15, "x=ü"],
        [35, "coap://example.com"],
      ],
    );
    for (const [uri, path] of [
      ["coap://h", []],
      ["coap://h/", []],
      ["coap://h:61616?k", ["k"]],
      ["coaps+tcp://[::1]:5683/a//b/", ["a", "", "b", ""]],
      ["coap://h/?", [""]],
    ] as const) {
      const one = message(Code.GET, [stringOption(OptionNumber.PROXY_URI, uri)]);
      const { options } = taken(unprotectRequest(server, protectRequest(client, one, 1).message)).message;
      const inner = options
        .filter(({ number }) => number !== 35)
        .map(({ value }) => Buffer.from(value).toString());
      assert.deepEqual(inner, path, uri);
    }
    for (const bad of [
      "example.com/r",
      "://h",
      "coap:///r",
      "coap://h/%4",
      "coap://h/%zz",
      "coap://h/a#b",
      "coap://user@h/",
    ]) {
      const one = message(Code.GET, [stringOption(OptionNumber.PROXY_URI, bad)]);
      assert.throws(() => protectRequest(client, one, 1), ProtectError, bad);
    }
  });

  it("drop outer Class E options on the way in, keep outer Class U ones, and prefer the inner of two", () => {
    const { message: outer } = protectRequest(
      client,
      message(Code.GET, [stringOption(OptionNumber.URI_PATH, "r")]),
      1,
    );
    const injected = {
      ...outer,
      options: sortOptions([
        ...outer.options,
        stringOption(OptionNumber.URI_HOST, "gateway"),
        { number: OptionNumber.IF_MATCH, value: hex("01") },
        uintOption(OptionNumber.OBSERVE, 0),
        stringOption(OptionNumber.URI_PATH, "evil"),
        uintOption(OptionNumber.MAX_AGE, 1),
        uintOption(OptionNumber.BLOCK1, 8),
        uintOption(OptionNumber.NO_RESPONSE, 26),
        { number: 65001, value: hex("") },
      ]),
    };
    const inside = taken(unprotectRequest(server, injected)).message;
    assert.deepEqual(
      inside.options.map((option) => [option.number, Buffer.from(option.value).toString()]),
      [
        [3, "gateway"],
        [11, "r"],
      ],
    );
  });

  it("bind a response to its request: kid and Partial IV", () => {
    const one = protectRequest(client, message(Code.GET), 1);
    const two = protectRequest(client, message(Code.GET), 2);
    const answer = protectResponse(
      taken(unprotectRequest(server, one.message)).exchange,
      message(Code.CONTENT),
    );
    assert.equal(reasonOf(unprotectResponse(two.exchange, answer)), "oscore-decrypt");
    assert.equal(taken(unprotectResponse(one.exchange, answer)).partialIv, undefined);
    assert.equal(
      reasonOf(unprotectResponse(one.exchange, answer)),
      "oscore-response",
      "the nonce is used up",
    );
  });

  it("never use a request's nonce for two responses", () => {
    const { exchange } = taken(
      unprotectRequest(server, protectRequest(client, message(Code.GET), 1).message),
    );
    protectResponse(exchange, message(Code.CONTENT), { partialIv: 0 });
    protectResponse(exchange, message(Code.CONTENT));
    protectResponse(exchange, message(Code.CONTENT), { partialIv: 1 });
    assert.throws(() => protectResponse(exchange, message(Code.CONTENT)), ProtectError);
  });

  it("refuse what is no request or no response, and what is protected already", () => {
    const { message: outer, exchange } = protectRequest(client, message(Code.GET), 1);
    assert.throws(() => protectRequest(client, outer, 2), ProtectError);
    assert.throws(() => protectRequest(client, message(Code.CONTENT), 2), ProtectError);
    assert.throws(() => protectRequest(client, message(0), 2), ProtectError);
    assert.throws(() => protectResponse(exchange, message(Code.CONTENT)), ProtectError, "our own exchange");
    const received = taken(unprotectRequest(server, outer)).exchange;
    assert.throws(() => protectResponse(received, message(Code.GET)), ProtectError);
    assert.throws(() => protectRequest(client, message(Code.GET), 2 ** 40), RangeError);
  });

  it("say why a message was not taken, with the answer of §8.2", () => {
    const good = protectRequest(client, message(Code.GET), 1).message;
    const withOption = (value: string) => ({ ...good, options: [{ number: 9, value: hex(value) }] });
    const cases: [CoapMessage, string, number | undefined, string][] = [
      [withOption("00"), "oscore-option", Code.BAD_OPTION, "Failed to decode COSE"],
      [withOption("08"), "oscore-option", Code.BAD_OPTION, "Failed to decode COSE"],
      [withOption("0101"), "oscore-option", Code.BAD_OPTION, "Failed to decode COSE"],
      [withOption(""), "oscore-option", Code.BAD_OPTION, "Failed to decode COSE"],
      [{ ...good, payload: hex("") }, "oscore-no-payload", Code.BAD_OPTION, "Failed to decode COSE"],
      [withOption("090155"), "oscore-context", Code.UNAUTHORIZED, "Security context not found"],
      [withOption("19010155"), "oscore-context", Code.UNAUTHORIZED, "Security context not found"],
      [withOption("0902"), "oscore-decrypt", Code.BAD_REQUEST, "Decryption failed"],
      [{ ...good, payload: hex("01") }, "oscore-decrypt", Code.BAD_REQUEST, "Decryption failed"],
    ];
    for (const [outer, reason, code, diagnostic] of cases) {
      const refusal = unprotectRequest(server, outer);
      assert.equal(reasonOf(refusal), reason);
      const error = "message" in refusal ? undefined : refusal.error;
      assert.ok(error);
      assert.equal(error.code, code);
      assert.equal(Buffer.from(error.payload).toString(), diagnostic);
      assert.deepEqual(error.options, [{ number: OptionNumber.MAX_AGE, value: hex("") }]);
    }
    assert.equal(requestOptionOf(message(Code.GET)), undefined);
    const { exchange } = protectRequest(client, message(Code.GET), 1);
    const unprotected = unprotectResponse(exchange, message(Code.CONTENT));
    assert.equal(reasonOf(unprotected), "oscore-unprotected");
    assert.ok(!("message" in unprotected) && unprotected.error === undefined, "a client answers nothing");
  });

  it("give one answer for everything behind the decryption", () => {
    // Valid tags over what is no request: only someone with the key can make these, and learns no more than others.
    for (const plaintext of ["", "45", "01f0", "01ff", "0190", "00"]) {
      const partialIv = 7;
      const payload = client.senderAead.seal(
        client.senderNonce.fill(partialIv),
        client.senderAad.fill(partialIv),
        hex(plaintext),
      );
      const outer = { ...message(Code.POST, [{ number: 9, value: hex("0907") }]), payload };
      assert.equal(reasonOf(unprotectRequest(server, outer)), "oscore-decrypt", plaintext);
    }
  });

  const anyMessage = fc.record({
    code: fc.integer({ min: 1, max: 31 }),
    options: fc
      .array(
        fc.record({
          number: fc
            .oneof(fc.nat({ max: 300 }), fc.nat({ max: 65535 }))
            .filter((number) => number !== 9 && number !== 35 && number !== 6),
          value: fc.uint8Array({ maxLength: 20 }),
        }),
        { maxLength: 6 },
      )
      .map((options) => sortOptions(options)),
    payload: fc.uint8Array({ maxLength: 80 }),
    partialIv: fc.oneof(
      fc.nat(),
      fc.nat({ max: 255 }).map((high) => high * 2 ** 32 + 17),
    ),
  });

  it("give back any message whole, under every algorithm and hash", () => {
    const pairs = [...AEAD_ALGORITHMS.values()].flatMap(({ number, nonceLength }) =>
      [Hkdf.SHA_256, Hkdf.SHA_512].map((hkdf) =>
        contextPair({
          algorithm: number,
          hkdf,
          idContext: hex("c0ffee"),
          senderId: nonceLength === 7 ? hex("0a") : hex("0a0b0c0d0e0f"),
        }),
      ),
    );
    assert.equal(pairs.length, 24);
    fc.assert(
      fc.property(
        anyMessage,
        fc.nat({ max: pairs.length - 1 }),
        fc.boolean(),
        ({ code, options, payload, partialIv }, index, ownIv) => {
          const pair = pairs[index];
          const original = { ...message(code, options), payload };
          const { message: outer, exchange } = protectRequest(pair.client, original, partialIv, {
            kidContext: true,
          });
          const bytes = encodeMessage(outer);
          const request = taken(unprotectRequest(pair.server, taken(decodeMessage(bytes))));
          assert.equal(encode(request.message), encode(original));
          assert.equal(request.partialIv, partialIv);
          const reply = { ...message(Code.CONTENT, options), payload };
          const answer = protectResponse(request.exchange, reply, ownIv ? { partialIv } : {});
          const response = taken(unprotectResponse(exchange, taken(decodeMessage(encodeMessage(answer)))));
          assert.equal(encode(response.message), encode(reply));
        },
      ),
      { numRuns: 300 },
    );
  });

  it("take no message that was changed in its option's Partial IV or kid, or its payload", () => {
    fc.assert(
      fc.property(
        anyMessage,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        ({ code, options, payload, partialIv }, at, flip) => {
          const { message: outer } = protectRequest(
            client,
            { ...message(code, options), payload },
            partialIv,
          );
          const changed = outer.payload.slice();
          changed[at % changed.length] ^= flip;
          assert.equal(reasonOf(unprotectRequest(server, { ...outer, payload: changed })), "oscore-decrypt");
          const value = outer.options.find((option) => option.number === 9)!.value.slice();
          value[at % value.length] ^= flip;
          const others = outer.options.filter((option) => option.number !== 9);
          const other = { ...outer, options: sortOptions([...others, { number: 9, value }]) };
          assert.ok(reasonOf(unprotectRequest(server, other)) !== undefined);
          assert.ok(reasonOf(unprotectRequest(server, { ...outer, payload: outer.payload.subarray(1) })));
        },
      ),
    );
  });
});
