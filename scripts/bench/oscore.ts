/**
 * How fast OSCORE is: a message protected and opened, with its CoAP encoding, beside what OpenSSL's AES-CCM alone takes
 * on the same machine in the same run. Only the two together say something: machines differ.
 */

import { createCipheriv, createDecipheriv } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { hex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { ByteWriter } from "../../firmware/bytes/writer.js";
import { decodeMessage, encodeMessage } from "../../firmware/coap/codec.js";
import { type CoapMessage, Type } from "../../firmware/coap/message.js";
import { Code } from "../../firmware/coap/numbers.js";
import { type ContextParameters, deriveContext } from "../../firmware/oscore/context.js";
import { protectRequest, protectResponse } from "../../firmware/oscore/protect.js";
import { ReplayWindow } from "../../firmware/oscore/replay.js";
import { unprotectRequest, unprotectResponse } from "../../firmware/oscore/unprotect.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { type BenchRow, measure, timeRow } from "./measure.js";
import { findPeers, rowsOf } from "./peers.js";

const CLIENT: ContextParameters = {
  masterSecret: hex("0102030405060708090a0b0c0d0e0f10"),
  masterSalt: hex("9e7ca92223786340"),
  senderId: hex(""),
  recipientId: hex("01"),
};
const SERVER: ContextParameters = { ...CLIENT, senderId: CLIENT.recipientId, recipientId: CLIENT.senderId };

/** Plaintext of a POST with 10 bytes (RFC 8613 §5.3), and the AAD of an empty kid. */
const PLAINTEXT_LENGTH = 12;
const AAD = hex("8368456e63727970743040488501810a40411440");
const MESSAGES = 500_000;

function message(code: number): CoapMessage {
  return { type: Type.CON, code, messageId: 1, token: hex("01"), options: [], payload: new Uint8Array(10) };
}

function expect<T>(result: T): Exclude<T, Refusal> {
  if (result instanceof Refusal) throw new Error(`the benchmark's own message was refused: ${result}`);
  return result as Exclude<T, Refusal>;
}

/** Bytes of heap that stay when much has gone through: nothing may. */
function heapGrowth(messages: number, work: (call: number) => void): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // What the compiler and the caches keep is there after the first tenth.
  for (let call = 0; call < messages / 10; call++) work(call);
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let call = 0; call < messages; call++) work(call);
  collect();
  collect();
  return Math.max(0, process.memoryUsage().heapUsed - before);
}

/** The suite. */
export async function runOscoreBench(scale = 1): Promise<BenchRow[]> {
  const repetitions = Math.max(11, Math.round(1001 * scale));
  const messages = Math.round(MESSAGES * scale);
  const client = deriveContext(hostCrypto, CLIENT);
  const server = deriveContext(hostCrypto, SERVER);
  const writer = new ByteWriter(128);
  const request = message(Code.POST);
  const response = message(Code.CHANGED);

  const { message: outer, exchange } = protectRequest(client, request, 20);
  const datagram = encodeMessage(outer).slice();
  const answer = protectResponse(expect(unprotectRequest(server, outer)).exchange, response);

  const key = new Uint8Array(16).fill(7);
  const nonce = new Uint8Array(13);
  const ccm = hostCrypto.ccm(key, 8);
  const plaintext = new Uint8Array(PLAINTEXT_LENGTH);
  const out = new Uint8Array(PLAINTEXT_LENGTH + 8);
  const sealed = ccm.seal(nonce, AAD, plaintext).slice();
  const window = new ReplayWindow();

  const times = measure(
    {
      protect: (call) => {
        protectRequest(client, request, call);
      },
      unprotect: () => {
        expect(unprotectRequest(server, outer));
      },
      "protect to bytes": (call) => {
        encodeMessage(protectRequest(client, request, call).message, writer);
      },
      "unprotect from bytes": () => {
        expect(unprotectRequest(server, expect(decodeMessage(datagram))));
      },
      "protect response": () => {
        const { exchange: received } = expect(unprotectRequest(server, outer));
        protectResponse(received, response);
      },
      "unprotect response": () => {
        exchange.requestNonceUsed = false;
        expect(unprotectResponse(exchange, answer));
      },
      "ccm seal": () => {
        ccm.seal(nonce, AAD, plaintext, out);
      },
      "ccm open": () => {
        ccm.open(nonce, AAD, sealed, out);
      },
      window: (call) => {
        window.accept(call);
      },
    },
    { repetitions },
  );
  // Apart, because what its objects leave to the collector would be charged to whoever comes next.
  const openssl = measure(
    {
      "openssl seal": () => {
        const cipher = createCipheriv("aes-128-ccm", key, nonce, { authTagLength: 8 });
        cipher.setAAD(AAD, { plaintextLength: PLAINTEXT_LENGTH });
        cipher.update(plaintext);
        cipher.final();
        cipher.getAuthTag();
      },
      "openssl open": () => {
        const decipher = createDecipheriv("aes-128-ccm", key, nonce, { authTagLength: 8 });
        decipher.setAuthTag(sealed.subarray(PLAINTEXT_LENGTH));
        decipher.setAAD(AAD, { plaintextLength: PLAINTEXT_LENGTH });
        decipher.update(sealed.subarray(0, PLAINTEXT_LENGTH));
        decipher.final();
      },
    },
    { repetitions },
  );
  const derive = measure(
    { derive: () => deriveContext(hostCrypto, CLIENT) },
    { calls: 20, repetitions: 101 },
  );
  const growth = heapGrowth(messages, (call) => {
    const protectedRequest = protectRequest(client, request, call).message;
    expect(unprotectRequest(server, protectedRequest));
  });

  const all = new Map([...times, ...openssl]);
  const row = (name: string, from: string, note?: string) => timeRow(name, all.get(from)!, note);
  const measureOfMachine = openssl.get("openssl seal")!.median;
  const ratio = (from: string) =>
    `${(measureOfMachine / times.get(from)!.median).toFixed(1)} × as fast as OpenSSL's CCM alone`;
  const others: BenchRow[] = [];
  for (const peer of findPeers())
    others.push(...(await rowsOf(peer, "oscore", Math.max(5, Math.round(201 * scale)))));
  return [
    ...others,
    row("protect a request of 10 B", "protect", ratio("protect")),
    row("unprotect a request of 10 B", "unprotect", ratio("unprotect")),
    row("… protect and encode", "protect to bytes"),
    row("… decode and unprotect", "unprotect from bytes"),
    row("unprotect a request, protect its response", "protect response"),
    row("unprotect a response of 10 B", "unprotect response"),
    row("our AES-CCM, seal 12 B with 20 B AAD", "ccm seal"),
    row("our AES-CCM, open", "ccm open"),
    row("node:crypto AES-CCM, seal 12 B with 20 B AAD", "openssl seal", "this machine's measure"),
    row("node:crypto AES-CCM, open", "openssl open"),
    row("replay window, accept", "window"),
    timeRow("derive a context", derive.get("derive")!),
    {
      name: `heap grown by ${messages.toLocaleString("en")} messages`,
      value: growth / 1024,
      unit: "KiB",
      note: "protected and opened; what the collector cannot take back",
    },
  ];
}

export default runOscoreBench;
