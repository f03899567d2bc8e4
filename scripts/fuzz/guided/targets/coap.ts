import { equal } from "../../../../firmware/bytes/compare.js";
import { Counters } from "../../../../firmware/bytes/counters.js";
import { hex } from "../../../../firmware/bytes/hex.js";
import { Refusal } from "../../../../firmware/bytes/refusal.js";
import { decodeMessage, encodeMessage } from "../../../../firmware/coap/codec.js";
import { CoapHop, HopRefusal } from "../../../../firmware/coap/hop.js";
import { formatLinks, parseLinks } from "../../../../firmware/coap/link-format.js";
import { MessageLayer } from "../../../../firmware/coap/message-layer.js";
import { plainChannel } from "../../../../firmware/coap/resource.js";
import { CoapServer } from "../../../../firmware/coap/server.js";
import { Random } from "../../../../sim/random.js";
import { Pieces, pieces } from "../pieces.js";
import { type GuidedTarget, must } from "../target.js";

const REQUEST = hex("42021234aabbb3666f6f0472ff0102");
const GET_CORE = hex("400100011b2e77656c6c2d6b6e6f776e04636f7265");
const BLOCK1 = hex("4203000101b172d1060eff00112233445566778899aabbccddeeff");
const OBSERVE = hex("41010003076051 72".replaceAll(" ", ""));
const ACK = hex("60440001ff00");

const targets: readonly GuidedTarget[] = [
  {
    name: "coap-message",
    holds:
      "any bytes are a message or a refusal; a message is encoded to what it came from or to what means the same",
    longest: 200,
    seeds: [REQUEST, GET_CORE, BLOCK1, OBSERVE, ACK],
    run(input) {
      const message = decodeMessage(input);
      if (message instanceof Refusal) return 1;
      const encoded = encodeMessage(message).slice();
      const again = decodeMessage(encoded);
      must(!(again instanceof Refusal), "what was encoded is refused");
      must(equal(encodeMessage(again), encoded), "two encodings of one message");
      return 1;
    },
  },
  {
    name: "coap-links",
    holds: "any text is links or a refusal; links are written so that they are read back",
    longest: 200,
    seeds: [new TextEncoder().encode('</t>;rt="temperature";ct=0,</h>;if="sensor";obs')],
    run(input) {
      const links = parseLinks(String.fromCharCode(...input));
      if (links instanceof Refusal) return 1;
      const text = formatLinks(links);
      const again = parseLinks(text);
      must(!(again instanceof Refusal), "what was formatted is refused");
      must(formatLinks(again) === text, "two texts of the same links");
      return 1;
    },
  },
  {
    name: "coap-hop",
    holds:
      "whatever both sides of the gateway's hop say, names stay bounded and what goes on differs in message ID, token and Uri-Host only",
    longest: 400,
    seeds: [
      pieces(Uint8Array.of(0, ...REQUEST), Uint8Array.of(0x80, ...ACK)),
      pieces(
        Uint8Array.of(0x80, ...hex("44021234aabbccdd39303031322e6d657368ff01")),
        Uint8Array.of(0x12, ...ACK),
      ),
    ],
    run(input) {
      const hop = new CoapHop({ random: (length) => new Uint8Array(length), limit: 8 });
      const steps = new Pieces(input);
      let now = 0;
      while (steps.more) {
        const step = steps.bytes(steps.u8());
        const side = step.length === 0 ? 0 : step[0];
        const bytes = step.subarray(1);
        now += (side & 0x70) * 10_000;
        const out = side & 0x80 ? hop.fromUpstream(bytes, now) : hop.fromMesh(side & 0x0f, bytes, now);
        must(hop.size <= 4 * 9, `${hop.size} names`);
        if (out instanceof HopRefusal) continue;
        const [before, after] = [
          decodeMessage(bytes),
          decodeMessage(out instanceof Uint8Array ? out : out.bytes),
        ];
        must(!(before instanceof Refusal) && !(after instanceof Refusal), "what was forwarded is no message");
        must(before.code === after.code && equal(before.payload, after.payload), "code or payload changed");
        must(after.options.length <= before.options.length, "options were added");
      }
      return steps.taken;
    },
  },
  {
    name: "coap-server",
    holds: "whatever peers send to a server with resources, blocks and observers, all it keeps stays bounded",
    longest: 600,
    seeds: [
      pieces(
        Uint8Array.of(1, ...GET_CORE),
        Uint8Array.of(2, ...OBSERVE),
        Uint8Array.of(0x42, ...hex("70000003")),
      ),
      pieces(Uint8Array.of(1, ...BLOCK1), Uint8Array.of(1, ...hex("4203000201b172d1060aff00"))),
    ],
    run(input) {
      const random = new Random(1);
      const server = new CoapServer({
        blockwise: { limit: 1024, operations: 4, memory: 4096 },
        observers: { limit: 4 },
      });
      server.add("/r", {
        get: () => ({ code: 0x45, options: [], payload: new Uint8Array(100) }),
        put: () => ({ code: 0x44, options: [], payload: new Uint8Array(0) }),
        observable: true,
      });
      const layer: MessageLayer = new MessageLayer({
        send: () => {},
        random: (length) => random.bytes(length),
        onRequest: (exchange, now) => server.serve(exchange.request, plainChannel(layer, exchange), now),
        onReset: (endpoint, messageId) => server.reset(endpoint, messageId),
        limits: { peers: 4, remembered: 16, pending: 4, queued: 4 },
        counters: new Counters(),
      });
      const steps = new Pieces(input);
      let now = 0;
      while (steps.more) {
        const step = steps.bytes(steps.u8());
        const head = step.length === 0 ? 0 : step[0];
        layer.receive(`peer ${head & 7}`, step.subarray(1), now, (head & 0x80) !== 0);
        now += (head & 0x70) * 100;
        for (let i = 0; i < 20 && Math.min(layer.deadline, server.deadline) <= now; i++) {
          layer.tick(now);
          server.tick(now);
        }
        if (head & 0x08) server.changed("/r", now);
        must(
          layer.peers <= 4 && layer.remembered <= 16 && layer.pending <= 4,
          "more is kept than is allowed",
        );
        must(server.observers <= 4, `${server.observers} observers`);
      }
      return steps.taken;
    },
  },
];

export default targets;
