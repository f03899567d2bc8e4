import fc from "fast-check";
import { hex, toHex } from "../../../firmware/bytes/hex.js";
import { Refusal } from "../../../firmware/bytes/refusal.js";
import { ByteWriter } from "../../../firmware/bytes/writer.js";
import { decodeMessage, encodeMessage, encodeOptions } from "../../../firmware/coap/codec.js";
import { type CoapMessage, type CoapOption, Type } from "../../../firmware/coap/message.js";
import { Code, OptionNumber } from "../../../firmware/coap/numbers.js";
import { OscoreClass, oscoreClass, sortOptions } from "../../../firmware/coap/options.js";
import { deriveContext } from "../../../firmware/oscore/context.js";
import { KeyValueContextStore } from "../../../firmware/oscore/key-value-store.js";
import { MemoryContextStore } from "../../../firmware/oscore/memory-store.js";
import { decodeOscoreOption, encodeOscoreOption } from "../../../firmware/oscore/option.js";
import { protectRequest, protectResponse } from "../../../firmware/oscore/protect.js";
import { ReplayWindow } from "../../../firmware/oscore/replay.js";
import { OscoreServer } from "../../../firmware/oscore/server.js";
import { StoredState } from "../../../firmware/oscore/state.js";
import { unprotectRequest, unprotectResponse } from "../../../firmware/oscore/unprotect.js";
import { hostCrypto } from "../../../hal/host/crypto.js";
import { MemoryStore } from "../../../hal/host/storage.js";
import { run } from "../../oscore/cli.js";
import { CLIENT, SERVER } from "../oscore-parameters.js";
import { type FuzzTarget, fuzzTarget, mutate, mutation } from "../target.js";

const client = deriveContext(hostCrypto, CLIENT);
const server = deriveContext(hostCrypto, SERVER);

const options = fc
  .array(
    fc.record({
      number: fc
        .oneof(fc.nat({ max: 60 }), fc.nat({ max: 65535 }))
        .filter((number) => number !== OptionNumber.OSCORE && number !== OptionNumber.PROXY_URI),
      value: fc.uint8Array({ maxLength: 12 }),
    }),
    { maxLength: 5 },
  )
  .map((list): CoapOption[] => sortOptions(list));

function messageOf(code: fc.Arbitrary<number>): fc.Arbitrary<CoapMessage> {
  return fc.record({
    type: fc.constantFrom(Type.CON, Type.NON),
    code,
    messageId: fc.nat({ max: 0xffff }),
    token: fc.uint8Array({ maxLength: 8 }),
    options,
    payload: fc.uint8Array({ maxLength: 64 }),
  });
}

const request = messageOf(fc.integer({ min: 1, max: 31 }));
const response = messageOf(fc.constantFrom(0x41, 0x44, 0x45, 0x5f, 0x80, 0x84, 0xa0));
const partialIv = fc.oneof(
  fc.nat({ max: 300 }),
  fc.maxSafeInteger().map((number) => Math.abs(number) % 2 ** 40),
);
const mutations = fc.array(mutation, { minLength: 1, maxLength: 3 });

/** What is protected of a message: code, Class E options, payload. */
function inside({ code, options: all, payload }: CoapMessage): string {
  const writer = new ByteWriter();
  encodeOptions(
    all.filter(({ number }) => (oscoreClass(number) & OscoreClass.E) !== 0),
    writer,
  );
  return `${code} ${toHex(writer.view())} ${toHex(payload)}`;
}

/** The answers that RFC 8613 §8.2 has for a request that is not taken. */
const REFUSALS = new Set([
  `${Code.BAD_OPTION} Failed to decode COSE`,
  `${Code.UNAUTHORIZED} Security context not found`,
  `${Code.UNAUTHORIZED} Replay detected`,
  `${Code.BAD_REQUEST} Decryption failed`,
]);

const targets: readonly FuzzTarget[] = [
  fuzzTarget(
    "oscore-option",
    "any bytes are an option or a refusal; an option has one encoding",
    fc.uint8Array({ maxLength: 300 }),
    (value) => {
      const option = decodeOscoreOption(value);
      if (option instanceof Refusal) return;
      if (toHex(encodeOscoreOption(option)) !== toHex(value)) throw new Error("two encodings of one option");
    },
  ),

  fuzzTarget(
    "oscore-request",
    "a protected request that was changed on its way says what it said, or nothing",
    fc.tuple(request, partialIv, mutations),
    ([original, number, changes]) => {
      const datagram = encodeMessage(protectRequest(client, original, number).message);
      const changed = decodeMessage(changes.reduce(mutate, datagram));
      if (changed instanceof Refusal) return;
      const result = unprotectRequest(server, changed);
      if (result instanceof Refusal) return;
      if (inside(result.message) !== inside(original)) throw new Error("another message was taken");
      if (result.partialIv !== number) throw new Error("another Partial IV was taken");
    },
  ),

  fuzzTarget(
    "oscore-response",
    "a protected response that was changed on its way says what it said, or nothing",
    fc.tuple(response, partialIv, fc.option(partialIv, { nil: undefined }), mutations),
    ([original, number, own, changes]) => {
      const { message, exchange } = protectRequest(
        client,
        { ...original, code: Code.GET, options: [] },
        number,
      );
      const received = unprotectRequest(server, message);
      if (received instanceof Refusal) throw new Error(`a good request was refused: ${received}`);
      const datagram = encodeMessage(protectResponse(received.exchange, original, { partialIv: own }));
      const changed = decodeMessage(changes.reduce(mutate, datagram));
      if (changed instanceof Refusal) return;
      const result = unprotectResponse(exchange, changed);
      if (result instanceof Refusal) return;
      const expected = { ...original, options: original.options.map(emptyObserve) };
      if (inside(result.message) !== inside(expected)) throw new Error("another message was taken");
    },
  ),

  fuzzTarget(
    "oscore-plaintext",
    "whatever a holder of the keys encrypts is a message or a refusal",
    fc.tuple(fc.uint8Array({ maxLength: 80 }), fc.nat({ max: 255 })),
    ([plaintext, number]) => {
      const payload = client.senderAead.seal(
        client.senderNonce.fill(number),
        client.senderAad.fill(number),
        plaintext,
      );
      const value = encodeOscoreOption({ partialIv: Uint8Array.of(number), kid: CLIENT.senderId });
      const outer: CoapMessage = {
        type: Type.CON,
        code: Code.POST,
        messageId: 1,
        token: hex(""),
        options: [{ number: OptionNumber.OSCORE, value }],
        payload,
      };
      const result = unprotectRequest(server, outer);
      if (result instanceof Refusal) {
        if (result.reason !== "oscore-decrypt") throw new Error(`refused as ${result}`);
      } else {
        encodeMessage(result.message);
      }
    },
  ),

  fuzzTarget(
    "oscore-server",
    "of all that is thrown at a server, each request is accepted once, and refusals are those of RFC 8613 §8.2",
    fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant("good" as const), message: request, number: fc.nat({ max: 40 }) }),
        fc.record({ kind: fc.constant("changed" as const), of: fc.nat(), change: mutation }),
        fc.record({ kind: fc.constant("again" as const), of: fc.nat() }),
        fc.record({ kind: fc.constant("noise" as const), bytes: fc.uint8Array({ maxLength: 60 }) }),
      ),
      { maxLength: 30 },
    ),
    (steps) => {
      const store = new MemoryContextStore(hostCrypto);
      store.add(SERVER, { rederivable: true });
      const oscore = new OscoreServer({ crypto: hostCrypto, store });
      const sent: Uint8Array[] = [];
      const sentInside = new Set<string>();
      const accepted = new Set<number>();
      for (const step of steps) {
        let datagram: Uint8Array;
        if (step.kind === "good") {
          datagram = encodeMessage(protectRequest(client, step.message, step.number).message);
          sent.push(datagram);
          sentInside.add(`${step.number} ${inside(step.message)}`);
        } else if (step.kind === "noise") {
          datagram = step.bytes;
        } else {
          if (sent.length === 0) continue;
          datagram = sent[step.of % sent.length];
          if (step.kind === "changed") datagram = mutate(datagram, step.change);
        }
        const message = decodeMessage(datagram);
        if (message instanceof Refusal) continue;
        oscore.receive(message, 0, {
          accepted: ({ message: plain, partialIv: number }) => {
            if (accepted.has(number)) throw new Error(`number ${number} accepted twice`);
            accepted.add(number);
            if (!sentInside.has(`${number} ${inside(plain)}`)) throw new Error("accepted what nobody sent");
          },
          answered: ({ code, payload }) => {
            const answer = `${code} ${new TextDecoder().decode(payload)}`;
            if (!REFUSALS.has(answer)) throw new Error(`answered ${answer}`);
          },
        });
      }
    },
  ),

  fuzzTarget(
    "oscore-storage",
    "whatever stands in storage, a store opens, and no state is taken for another",
    fc.tuple(fc.uint8Array({ maxLength: 60 }), fc.uint8Array({ maxLength: 60 }), fc.boolean(), mutation),
    ([constants, state, isDamaged, change]) => {
      const values = new MemoryStore();
      if (isDamaged) {
        new KeyValueContextStore(hostCrypto, values).add(SERVER);
        for (const key of values.keys()) values.set(key, mutate(values.get(key) ?? constants, change));
      } else {
        values.set("oscore.c0", constants);
        values.set("oscore.s0", state);
      }
      const store = new KeyValueContextStore(hostCrypto, values);
      for (const context of store.find(SERVER.recipientId, undefined)) context.next();
      ReplayWindow.load(state)?.check(5);
      const stored = new StoredState(values, "oscore.s0");
      stored.window?.check(5);
      stored.reserve(1);
    },
  ),

  fuzzTarget(
    "oscore-inspect",
    "npm run oscore inspects and opens any bytes without falling over",
    fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 200 }),
      fc
        .tuple(request, partialIv, mutations)
        .map(([original, number, changes]) =>
          changes.reduce(mutate, encodeMessage(protectRequest(client, original, number).message).slice()),
        ),
    ),
    (bytes) => {
      const io = { out: () => {}, error: () => {}, input: () => "" };
      const keys = ["--secret", "00", "--sender-id", "01", "--recipient-id", "0a", "-q"];
      for (const args of [["inspect"], ["unprotect", ...keys]]) {
        const code = run([...args, bytes.length === 0 ? "00" : toHex(bytes)], io);
        if (code !== 0 && code !== 1 && code !== 2) throw new Error(`exit code ${code}`);
      }
    },
  ),
];

/** A notification's Observe is empty inside (RFC 8613 §4.1.3.5.2). */
function emptyObserve(option: CoapOption): CoapOption {
  return option.number === OptionNumber.OBSERVE ? { ...option, value: new Uint8Array(0) } : option;
}

export default targets;
