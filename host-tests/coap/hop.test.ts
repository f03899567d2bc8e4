import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeMessage, encodeMessage } from "../../firmware/coap/codec.js";
import { HopRefusal, type MeshBound } from "../../firmware/coap/hop.js";
import type { CoapOption } from "../../firmware/coap/message.js";
import { Code, OptionNumber } from "../../firmware/coap/numbers.js";
import { stringOption, uintOption } from "../../firmware/coap/options.js";
import { down, hopOf, message, NODE, OTHER, up } from "./hop-bench.js";
import { scripted } from "./network.js";

describe("CoAP hop: requests of nodes", () => {
  it("replaces message ID and token, and leads the piggybacked answer back", () => {
    const hop = hopOf();
    // The 20 bytes of DESIGN §5: POST, OSCORE option 09 00, ciphertext.
    const request = "400200019209 00ff 000102030405060708090a0b".replaceAll(" ", "");
    assert.equal(up(hop, NODE, request), `42021000aa00${request.slice(8)}`);
    assert.equal(down(hop, "62441000aa0090ff0102"), "0012 6044000190ff0102");
    assert.equal(hop.size, 2);
  });

  it("gives a copy of a request the same names, another message of the node another ID", () => {
    const hop = hopOf();
    const first = up(hop, NODE, "4102000107ff41");
    assert.equal(first, "42021000aa00ff41");
    assert.equal(up(hop, NODE, "4102000107ff41", 40_000), first);
    assert.equal(up(hop, NODE, "4102000207ff42"), "42021001aa00ff42");
    // A node that restarted may use an ID again.
    assert.equal(up(hop, NODE, "4102000108ff43"), "42021002aa01ff43");
  });

  it("a renewal that stays unanswered does not shorten the life of an observation's token", () => {
    const hop = hopOf({ lifetime: 1000, observeLifetime: 50_000 });
    up(hop, NODE, "410100010760");
    down(hop, "62451000aa006101ff41");
    assert.equal(up(hop, NODE, "410100020760", 10_000), "42011001aa0060");
    assert.equal(down(hop, "52455000aa006102ff42", 40_000), "0012 51452000076102ff42");
  });

  it("never mixes up two nodes with the same message ID and token", () => {
    const hop = hopOf();
    assert.equal(up(hop, NODE, "4102000107ff41"), "42021000aa00ff41");
    assert.equal(up(hop, OTHER, "4102000107ff41"), "42021001aa01ff41");
    assert.equal(down(hop, "62441001aa01"), "0100 6144000107");
    assert.equal(down(hop, "62441000aa00"), "0012 6144000107");
    // Message ID and token of different nodes fit no request.
    assert.equal(down(hop, "62441000aa01"), "hop-token-unknown");
  });

  it("tells nodes and tokens of any length apart", () => {
    const hop = hopOf();
    const tokens = [
      "",
      "00",
      "0000",
      "07",
      "0700",
      "07000000",
      "0700000000",
      "070000000000",
      "0700000000000000",
    ];
    const upstream = new Set<string>();
    for (const node of [1, 2, 0x7fff]) {
      for (const token of tokens) {
        const request = `4${token.length / 2}010001${token}`;
        const sent = up(hop, node, request);
        upstream.add(sent.slice(8, 12));
        assert.ok(down(hop, `6245${sent.slice(4, 12)}`).endsWith(` 6${token.length / 2}450001${token}`));
      }
    }
    assert.equal(upstream.size, 3 * tokens.length);
  });

  it("takes a token of another length for another token", () => {
    const hop = hopOf({ random: scripted([0x10, 0x00, 0x20, 0x00], [0x00, 0xb0], [0xb0]) });
    assert.equal(up(hop, NODE, "4102000107ff41"), "4202100000b0ff41");
    assert.equal(down(hop, "61441000b0"), "hop-token-unknown");
    assert.equal(down(hop, "634410000000b0"), "hop-token-unknown");
    assert.equal(down(hop, "6244100000b0"), "0012 6144000107");
  });

  it("leads empty ACK, separate answer and its ACK through", () => {
    const hop = hopOf();
    up(hop, NODE, "4102000107ff41");
    assert.equal(down(hop, "60001000"), "0012 60000001");
    assert.equal(down(hop, "42455000aa00ff42"), "0012 4145200007ff42");
    assert.equal(down(hop, "42455000aa00ff42"), "0012 4145200007ff42");
    assert.equal(up(hop, NODE, "60002000"), "60005000");
    // Nobody else can acknowledge it.
    assert.equal(up(hop, OTHER, "60002000"), "hop-message-id-unknown");
  });

  it("leads RST through, both ways", () => {
    const hop = hopOf();
    up(hop, NODE, "4102000107ff41");
    assert.equal(down(hop, "70001000"), "0012 70000001");
    down(hop, "52455000aa00ff42");
    assert.equal(up(hop, NODE, "70002000"), "70005000");
  });

  it("leads a node's ping through to the server", () => {
    const hop = hopOf();
    assert.equal(up(hop, NODE, "40000007"), "40001000");
    assert.equal(down(hop, "70001000"), "0012 70000007");
  });

  it("keeps the token of an observation alive between notifications, others for a lifetime", () => {
    const hop = hopOf({ lifetime: 1000, observeLifetime: 50_000 });
    // GET with Observe 0.
    assert.equal(up(hop, NODE, "410100010760"), "42011000aa0060");
    assert.equal(down(hop, "62451000aa006101ff41"), "0012 61450001076101ff41");
    assert.equal(down(hop, "52455000aa006102ff42", 40_000), "0012 51452000076102ff42");
    assert.equal(down(hop, "42455001aa006103ff43", 80_000), "0012 41452001076103ff43");
    // Cancelled by the node with the same token (RFC 7641 §3.6): the same one upstream.
    assert.equal(up(hop, NODE, "41010002076101", 80_001), "42011001aa006101");
    // An answer without Observe ends it.
    assert.equal(down(hop, "62451001aa00ff44", 80_002), "0012 6145000207ff44");
    assert.equal(down(hop, "52455002aa006104", 81_002), "hop-token-unknown 70005002");
  });
});

describe("CoAP hop: requests of the server", () => {
  // Uri-Host "0012.mesh".
  const HOST = "39303031322e6d657368";

  it("finds the node in Uri-Host, takes it away, and leads the answer back", () => {
    const hop = hopOf();
    // CON GET, ID 5000, token 01020304, Uri-Host, Uri-Path "a", payload.
    assert.equal(down(hop, `4401500001020304${HOST}8161ff41`), "0012 41012000b0b161ff41");
    assert.equal(down(hop, `4401500001020304${HOST}8161ff41`), "0012 41012000b0b161ff41");
    assert.equal(up(hop, NODE, "61452000b0ff42"), "6445500001020304ff42");
  });

  it("leads a separate answer of the node and its ACK through", () => {
    const hop = hopOf();
    down(hop, `4401500001020304${HOST}`);
    assert.equal(up(hop, NODE, "60002000"), "60005000");
    assert.equal(up(hop, NODE, "41450007b0ff42"), "4445100001020304ff42");
    assert.equal(down(hop, "60001000"), "0012 60000007");
  });

  it("takes an answer only from the node that was asked", () => {
    const hop = hopOf();
    down(hop, `4401500001020304${HOST}`);
    assert.equal(up(hop, OTHER, "61452000b0ff42"), "hop-token-unknown");
    assert.equal(up(hop, OTHER, "41450007b0ff42"), "hop-token-unknown 70000007");
    assert.equal(up(hop, OTHER, "70002000"), "hop-message-id-unknown");
  });

  it("keeps every other option, whatever its number", () => {
    const options: CoapOption[] = [
      { number: 1, value: hex("aa") },
      stringOption(OptionNumber.URI_HOST, "0012.MESH"),
      uintOption(OptionNumber.URI_PORT, 5683),
      { number: OptionNumber.OSCORE, value: hex("0900") },
      { number: 2000, value: new Uint8Array(300) },
    ];
    const request = message({ code: Code.POST, options, payload: hex("0102") });
    const result = hopOf().fromUpstream(encodeMessage(request), 0);
    assert.ok(!(result instanceof Refusal));
    const forwarded = decodeMessage(result.bytes);
    assert.ok(!(forwarded instanceof Refusal));
    assert.deepEqual(
      forwarded.options,
      options.filter((option) => option.number !== OptionNumber.URI_HOST),
    );
  });

  it("answers 4.04 for a host that is no node, in the ACK or as NON", () => {
    for (const host of [
      "0000.mesh",
      "8001.mesh",
      "ffff.mesh",
      "12.mesh",
      "00x2.mesh",
      "0012.mess",
      "a",
      "0012",
    ]) {
      const bytes = encodeMessage(
        message({ token: hex("07"), options: [stringOption(OptionNumber.URI_HOST, host)] }),
      );
      assert.equal(down(hopOf(), toHex(bytes)), "hop-host 6184000107", host);
    }
    assert.equal(down(hopOf(), "4101000107"), "hop-host 6184000107");
    assert.equal(down(hopOf(), "5101000107"), "hop-host 5184100007");
  });
});

describe("CoAP hop: Hop-Limit (RFC 8768)", () => {
  it("counts down, at its place", () => {
    // Uri-Path "a", Hop-Limit 16.
    assert.equal(up(hopOf(), NODE, "4101000107b1615110ff41"), "42011000aa00b161510fff41");
    const bytes = encodeMessage(
      message({
        token: hex("07"),
        options: [stringOption(OptionNumber.URI_HOST, "0012.mesh"), uintOption(OptionNumber.HOP_LIMIT, 255)],
      }),
    );
    assert.equal(down(hopOf(), toHex(bytes)), "0012 41012000b0d103fe");
  });

  it("refuses with 5.08 what would become 0, with 4.00 what is 0, both ways", () => {
    assert.equal(up(hopOf(), NODE, "4101000107d10301"), "hop-limit 61a8000107");
    assert.equal(up(hopOf(), NODE, "5101000107d10301"), "hop-limit 51a8200007");
    assert.equal(up(hopOf(), NODE, "4101000107d10300"), "hop-limit-zero 6180000107");
    const bytes = message({
      token: hex("07"),
      options: [stringOption(OptionNumber.URI_HOST, "0012.mesh"), uintOption(OptionNumber.HOP_LIMIT, 1)],
    });
    assert.equal(down(hopOf(), toHex(encodeMessage(bytes))), "hop-limit 61a8000107");
  });

  it("leaves a response's alone", () => {
    const hop = hopOf();
    up(hop, NODE, "4102000107ff41");
    assert.equal(down(hop, "62451000aa00d10301"), "0012 6145000107d10301");
  });
});

describe("CoAP hop: what it refuses", () => {
  it("malformed messages, with RST for a CON", () => {
    assert.equal(up(hopOf(), NODE, "40010001ff"), "coap-payload-marker 70000001");
    assert.equal(up(hopOf(), NODE, "50010001ff"), "coap-payload-marker");
    assert.equal(down(hopOf(), "80010001"), "coap-version");
    assert.equal(down(hopOf(), ""), "coap-too-short");
  });

  it("types that may not carry such a code, addresses that are no node's, unknown names", () => {
    const hop = hopOf();
    assert.equal(up(hop, NODE, "60010001"), "hop-type");
    assert.equal(up(hop, NODE, "70450001"), "hop-type");
    assert.equal(up(hop, NODE, "50000001"), "hop-type");
    assert.equal(down(hop, "50000001"), "hop-type");
    for (const source of [0, 0x8000, 0xc000, 0xffff, 0x10000, -1]) {
      assert.equal(up(hop, source, "40010001"), "hop-address");
    }
    assert.equal(up(hop, NODE, "60000001"), "hop-message-id-unknown");
    assert.equal(down(hop, "60000001"), "hop-message-id-unknown");
    assert.equal(down(hop, "41450001aa"), "hop-token-unknown 70000001");
    assert.equal(down(hop, "51450001aa"), "hop-token-unknown 70000001");
    assert.equal(down(hop, "40000001"), "hop-ping 70000001");
    assert.equal(hop.counters.get("hop-type"), 4);
    assert.equal(hop.counters.get("hop-address"), 6);
  });

  it("names after their lifetime", () => {
    const hop = hopOf({ lifetime: 1000 });
    up(hop, NODE, "4102000107ff41");
    assert.equal(down(hop, "62441000aa00", 999), "0012 6144000107");
    // The answer renewed the token, not the ID.
    assert.equal(down(hop, "62441000aa00", 1000), "hop-message-id-unknown");
    assert.equal(down(hop, "52445000aa00", 1998), "0012 5144200007");
    assert.equal(down(hop, "52445001aa00", 2998), "hop-token-unknown 70005001");
    // The same bytes so much later are another message.
    assert.equal(up(hop, NODE, "4102000107ff41", 3000), "42021001aa01ff41");
  });

  it("more requests of the server than it has tokens for", () => {
    const hop = hopOf({ limit: 1000 });
    const request = (i: number, host = "0012.mesh") =>
      hop.fromUpstream(
        encodeMessage(
          message({
            messageId: i,
            token: new Uint8Array([1, i >> 8, i]),
            options: [stringOption(OptionNumber.URI_HOST, host)],
          }),
        ),
        0,
      );
    const tokens = new Set<number>();
    for (let i = 0; i < 256; i++) tokens.add((request(i) as MeshBound).bytes[4]);
    assert.equal(tokens.size, 256);
    // Another node has tokens of its own.
    assert.ok(!(request(257, "0013.mesh") instanceof Refusal));
    const refused = request(256);
    assert.ok(refused instanceof HopRefusal && refused.reason === "hop-tokens-used-up");
  });

  it("token lengths that no token has", () => {
    assert.throws(() => hopOf({ upstreamTokenLength: 0 }), RangeError);
    assert.throws(() => hopOf({ meshTokenLength: 5 }), RangeError);
  });

  it("drops the oldest message IDs and the tokens used least recently when there are too many, and counts them", () => {
    const hop = hopOf({ limit: 2 });
    up(hop, 1, "4102000107ff41");
    up(hop, 2, "4102000107ff41");
    up(hop, 1, "4102000107ff41");
    up(hop, 3, "4102000107ff41");
    assert.equal(hop.size, 4);
    assert.equal(hop.counters.get("hop-dropped-oldest"), 2);
    assert.equal(down(hop, "62441000aa00"), "hop-message-id-unknown");
    assert.equal(down(hop, "60001001"), "0002 60000001");
    assert.equal(down(hop, "52445000aa00"), "0001 5144200007");
    assert.equal(down(hop, "52445001aa01"), "hop-token-unknown 70005001");
    assert.equal(down(hop, "62441002aa02"), "0003 6144000107");
  });

  it("counts nothing as dropped that has expired", () => {
    const hop = hopOf({ limit: 2, lifetime: 1000 });
    for (let i = 0; i < 10; i++) up(hop, i + 1, "4102000107ff41", i * 1000);
    assert.equal(hop.counters.get("hop-dropped-oldest"), 0);
    assert.ok(hop.size <= 4);
  });
});
