import { equal } from "../../../../firmware/bytes/compare.js";
import { hex, toHex } from "../../../../firmware/bytes/hex.js";
import { Refusal } from "../../../../firmware/bytes/refusal.js";
import { decodeMessage, encodeMessage } from "../../../../firmware/coap/codec.js";
import { type CoapMessage, Type } from "../../../../firmware/coap/message.js";
import { Code, OptionNumber } from "../../../../firmware/coap/numbers.js";
import { deriveContext } from "../../../../firmware/oscore/context.js";
import { KeyValueContextStore } from "../../../../firmware/oscore/key-value-store.js";
import { MemoryContextStore } from "../../../../firmware/oscore/memory-store.js";
import { decodeOscoreOption, encodeOscoreOption } from "../../../../firmware/oscore/option.js";
import { protectRequest, protectResponse } from "../../../../firmware/oscore/protect.js";
import { OscoreServer } from "../../../../firmware/oscore/server.js";
import { unprotectRequest, unprotectResponse } from "../../../../firmware/oscore/unprotect.js";
import { MemoryStore } from "../../../../hal/host/storage.js";
import { CLIENT, SERVER } from "../../oscore-parameters.js";
import { Pieces, pieces } from "../pieces.js";
import { rememberingCrypto } from "../remembering-crypto.js";
import { type GuidedTarget, must } from "../target.js";

const crypto = rememberingCrypto();
const client = deriveContext(crypto, CLIENT);
const server = deriveContext(crypto, SERVER);
const NO_BYTES = new Uint8Array(0);

function requestWith(payload: Uint8Array, options: CoapMessage["options"] = []): CoapMessage {
  return { type: Type.CON, code: Code.POST, messageId: 1, token: hex("42"), options: [...options], payload };
}

const PROTECTED = encodeMessage(protectRequest(client, requestWith(hex("02ff1234")), 5).message).slice();
const { exchange: asked, message: question } = protectRequest(client, requestWith(NO_BYTES), 6);
const received = unprotectRequest(server, question);
if (received instanceof Refusal) throw new Error(`${received}`);
const answer = { ...requestWith(hex("a101191234")), code: Code.CONTENT };
const ANSWER = encodeMessage(protectResponse(received.exchange, answer)).slice();

const targets: readonly GuidedTarget[] = [
  {
    name: "oscore-option",
    holds: "any bytes are an OSCORE option or a refusal; an option has one encoding",
    longest: 64,
    seeds: [hex("0914"), hex("190105044142434400"), NO_BYTES],
    run(input) {
      const option = decodeOscoreOption(input);
      if (option instanceof Refusal) return 1;
      must(equal(encodeOscoreOption(option), input), "two encodings of one option");
      return 1;
    },
  },
  {
    name: "oscore-request",
    holds: "of all datagrams only the one that was protected opens",
    longest: 120,
    seeds: [PROTECTED],
    run(input) {
      const message = decodeMessage(input);
      if (message instanceof Refusal) return 1;
      const result = unprotectRequest(server, message);
      if (result instanceof Refusal) return 1;
      must(
        result.partialIv === 5 && toHex(result.message.payload) === "02ff1234",
        "another message was taken",
      );
      return 1;
    },
  },
  {
    name: "oscore-response",
    holds: "of all datagrams only the answer to this request opens",
    longest: 120,
    seeds: [ANSWER],
    run(input) {
      const message = decodeMessage(input);
      if (message instanceof Refusal) return 1;
      const result = unprotectResponse(asked, message);
      if (result instanceof Refusal) return 1;
      must(equal(result.message.payload, answer.payload), "another answer was taken");
      return 1;
    },
  },
  {
    name: "oscore-plaintext",
    holds: "whatever a holder of the keys encrypts is a message or a refusal",
    longest: 120,
    seeds: [hex("02ff1234"), hex("01b174ff00"), hex("0260ff"), hex("01d1eb0401ff")],
    run(input) {
      const nonce = client.senderNonce.fill(7);
      const payload = client.senderAead.seal(nonce, client.senderAad.fill(7), input);
      const value = encodeOscoreOption({ partialIv: Uint8Array.of(7), kid: CLIENT.senderId });
      const result = unprotectRequest(server, requestWith(payload, [{ number: OptionNumber.OSCORE, value }]));
      if (result instanceof Refusal) must(result.reason === "oscore-decrypt", `refused as ${result.reason}`);
      else encodeMessage(result.message);
      return 1;
    },
  },
  {
    name: "oscore-server",
    holds: "of a run of good, changed and foreign datagrams each Partial IV is accepted once",
    longest: 300,
    seeds: [pieces(hex("01"), hex("02"), hex("02"), Uint8Array.of(0xff, ...PROTECTED))],
    run(input) {
      const store = new MemoryContextStore(crypto);
      store.add(SERVER, { rederivable: true });
      const oscore = new OscoreServer({ crypto: crypto, store });
      const accepted = new Set<number>();
      const steps = new Pieces(input);
      while (steps.more) {
        const step = steps.bytes(steps.u8());
        // One byte asks for a good request with that Partial IV; more is a datagram of somebody else's.
        const message =
          step.length === 1
            ? protectRequest(client, requestWith(step), step[0]).message
            : decodeMessage(step.subarray(1));
        if (message instanceof Refusal) continue;
        oscore.receive(message, 0, {
          accepted: ({ partialIv }) => {
            must(!accepted.has(partialIv), `Partial IV ${partialIv} accepted twice`);
            accepted.add(partialIv);
          },
          answered: ({ code }) => must(code >= 0x80, `answered ${code}`),
        });
      }
      return steps.taken;
    },
  },
  {
    name: "oscore-storage",
    holds: "whatever stands in storage, a store opens, and never goes back to a number that it knows of",
    longest: 160,
    seeds: storedSeeds(),
    run(input) {
      const steps = new Pieces(input);
      const values = new MemoryStore();
      values.set("oscore.c0", steps.bytes(Math.min(steps.u8(), 100)));
      values.set("oscore.s0", steps.bytes(60));
      const store = new KeyValueContextStore(crypto, values);
      for (const context of store.find(SERVER.recipientId, undefined)) context.next();
      return 1;
    },
  },
];

function storedSeeds(): Uint8Array[] {
  const values = new MemoryStore();
  new KeyValueContextStore(crypto, values).add(SERVER);
  const [constants, state] = [values.get("oscore.c0"), values.get("oscore.s0")];
  if (constants === undefined || state === undefined)
    throw new Error("the store keeps its contexts elsewhere");
  return [Uint8Array.of(constants.length, ...constants, ...state)];
}

export default targets;
