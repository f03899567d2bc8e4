/** CoAP without OSCORE, ours and others': messages to bytes and back, and a server over loopback UDP. */

import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { generate, parse } from "coap-packet";
import { hex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { ByteWriter } from "../../firmware/bytes/writer.js";
import { decodeMessage, encodeMessage } from "../../firmware/coap/codec.js";
import { CoapHop } from "../../firmware/coap/hop.js";
import { type CoapMessage, Type } from "../../firmware/coap/message.js";
import { Code, OptionNumber } from "../../firmware/coap/numbers.js";
import { stringOption, uintOption } from "../../firmware/coap/options.js";
import type { CoapLoadOptions, CoapLoadResult } from "./coap-load.js";
import { type BenchRow, measure, rowOf, summarise, timeRow } from "./measure.js";
import { findPeers, OURS, type Peer, rowsOf, withServer } from "./peers.js";

const LOAD = fileURLToPath(new URL("coap-load.ts", import.meta.url));
const IN_FLIGHT = 32;
const ENCODE = "encode a GET with five options";
const DECODE = "decode a GET with five options";

const GET: CoapMessage = {
  type: Type.CON,
  code: Code.GET,
  messageId: 0x1234,
  token: hex("0102"),
  options: [
    stringOption(OptionNumber.URI_PATH, "sensors"),
    stringOption(OptionNumber.URI_PATH, "temperature"),
    stringOption(OptionNumber.URI_QUERY, "unit=celsius"),
    uintOption(OptionNumber.ACCEPT, 60),
    uintOption(OptionNumber.HOP_LIMIT, 16),
  ].sort((a, b) => a.number - b.number),
  payload: new Uint8Array(0),
};

function codec(repetitions: number): BenchRow[] {
  const wire = encodeMessage(GET).slice();
  const buffer = Buffer.from(wire);
  const packet = {
    code: "GET",
    confirmable: true,
    messageId: GET.messageId,
    token: Buffer.from(GET.token),
    options: GET.options.map(({ number, value }) => ({ name: number, value: Buffer.from(value) })),
  };
  if (!generate(packet).equals(wire)) throw new Error("coap-packet and we do not mean the same message");
  const writer = new ByteWriter(64);
  const reading = encodeMessage({
    ...GET,
    code: Code.POST,
    options: [],
    payload: new Uint8Array(20),
  }).slice();
  const hop = new CoapHop({ random: (length) => new Uint8Array(length) });
  const times = measure(
    {
      encode: () => {
        encodeMessage(GET, writer.reset());
      },
      decode: () => {
        if (decodeMessage(wire) instanceof Refusal) throw new Error("refused");
      },
      "packet encode": () => {
        generate(packet);
      },
      "packet decode": () => {
        parse(buffer);
      },
      hop: (call) => {
        reading[2] = call >> 8;
        reading[3] = call;
        hop.fromMesh(1 + (call & 63), reading, call);
      },
    },
    { repetitions },
  );
  const row = (name: string, from: string, note = "") => timeRow(name, times.get(from)!, note);
  const peer = "coap-packet 1 (npm)";
  return [
    row(ENCODE, "encode"),
    { ...row(ENCODE, "packet encode"), peer },
    row(DECODE, "decode", "options are views of the datagram"),
    { ...row(DECODE, "packet decode"), peer },
    row("pass a node's request on at the gateway", "hop", "another message ID and token, remembered"),
  ];
}

function load(options: CoapLoadOptions): Promise<CoapLoadResult> {
  return new Promise((resolve, reject) => {
    const child = fork(LOAD, [JSON.stringify(options)], { execArgv: ["--import", "tsx"] });
    child.once("message", (result) => resolve(result as CoapLoadResult));
    child.once("exit", (code) => reject(new Error(`the load generator ended with ${code}`)));
  });
}

async function server(peer: Peer, requests: number, repetitions: number): Promise<BenchRow[]> {
  const result = await withServer(peer, (port) => load({ port, requests, inFlight: IN_FLIGHT, repetitions }));
  if (result === undefined) return [];
  const { rates, wrong, lost } = result;
  const note = `CON, 12 B of payload, ${IN_FLIGHT} in flight from one endpoint; ${wrong} wrong, ${lost} lost`;
  const row = rowOf("serve GET /hello over loopback", "requests/s", summarise([...rates]), note);
  return [peer === OURS ? row : { ...row, peer: peer.name }];
}

/** The suite. */
export async function runCoapBench(scale = 1): Promise<BenchRow[]> {
  const repetitions = Math.max(11, Math.round(501 * scale));
  const peers = findPeers();
  const rows = codec(repetitions);
  for (const peer of peers) rows.push(...(await rowsOf(peer, "codec", Math.max(5, Math.round(201 * scale)))));
  const requests = Math.max(500, Math.round(20_000 * scale));
  for (const peer of [OURS, ...peers]) {
    // Python takes a hundred times as long for each.
    const few = peer.name.startsWith("aiocoap") ? 10 : 1;
    rows.push(...(await server(peer, requests / few, scale === 1 ? 9 : 2)));
  }
  return rows;
}

export default runCoapBench;
