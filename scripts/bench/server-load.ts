/** The load generator of the server's bench: a process of its own, told what to do by its one argument (JSON). */

import { createSocket } from "node:dgram";
import { hostCrypto } from "#hal/crypto.js";
import type { NodeSpec } from "../../cloud/registry.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeMessage, encodeMessage } from "../../firmware/coap/codec.js";
import { Type } from "../../firmware/coap/message.js";
import { Code } from "../../firmware/coap/numbers.js";
import { deriveContext } from "../../firmware/oscore/context.js";
import type { Exchange } from "../../firmware/oscore/exchange.js";
import { protectRequest } from "../../firmware/oscore/protect.js";
import { unprotectResponse } from "../../firmware/oscore/unprotect.js";
import { encodeReadings } from "../../firmware/reading/codec.js";

export interface LoadOptions {
  readonly port: number;
  readonly nodes: number;
  readonly requests: number;
  readonly inFlight: number;
  readonly confirmable: boolean;
  /** The server is none and sends everything back. */
  readonly echo: boolean;
}

export interface LoadResult {
  readonly requests: number;
  readonly answered: number;
  readonly wrong: number;
  readonly seconds: number;
  /** ms */
  readonly median: number;
  readonly p99: number;
}

/** Without an answer for so long, a request counts as lost. */
const LOST_MS = 1000;

/** Node `index` of the bench, the same for server and generator. */
export function nodeSpec(index: number): NodeSpec & { readonly oscore: NonNullable<NodeSpec["oscore"]> } {
  const masterSecret = new Uint8Array(16).fill(index);
  masterSecret[0] = index >> 8;
  return {
    name: `node-${index}`,
    replayWindow: 32,
    oscore: {
      masterSecret,
      masterSalt: new Uint8Array(8),
      nodeId: Uint8Array.of(index >> 8, index & 255),
      serverId: Uint8Array.of(255),
    },
  };
}

function run(options: LoadOptions): Promise<LoadResult> {
  const { port, nodes, requests, inFlight, confirmable, echo } = options;
  const contexts = Array.from({ length: nodes }, (_, i) => {
    const { masterSecret, masterSalt, nodeId, serverId } = nodeSpec(i).oscore;
    return deriveContext(hostCrypto, { masterSecret, masterSalt, senderId: nodeId, recipientId: serverId });
  });
  const datagrams: Uint8Array[] = [];
  const exchanges: Exchange[] = [];
  for (let i = 0; i < requests; i++) {
    const { message, exchange } = protectRequest(
      contexts[i % nodes],
      {
        type: confirmable ? Type.CON : Type.NON,
        code: Code.POST,
        messageId: i & 0xffff,
        // The token says which request an answer is for.
        token: Uint8Array.of(i >>> 16, i >>> 8, i),
        options: [],
        payload: encodeReadings([{ age: 0, temperature: 2000 + (i % 500) }]),
      },
      Math.floor(i / nodes),
    );
    datagrams.push(encodeMessage(message));
    exchanges.push(exchange);
  }
  const answers: (Uint8Array | undefined)[] = new Array(requests);
  const sentAt = new Float64Array(requests);
  const took = new Float64Array(requests);

  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1", () => {
      socket.setRecvBufferSize(4 << 20);
      socket.connect(port, "127.0.0.1");
    });
    let next = 0;
    let answered = 0;
    let last = 0;
    let started = 0;
    const sendNext = () => {
      if (next >= requests) return;
      sentAt[next] = performance.now();
      socket.send(datagrams[next++]);
    };
    socket.on("connect", () => {
      started = last = performance.now();
      for (let i = 0; i < inFlight; i++) sendNext();
    });
    socket.on("message", (datagram) => {
      last = performance.now();
      const index = (datagram[4] << 16) | (datagram[5] << 8) | datagram[6];
      if (answers[index] !== undefined) return;
      answers[index] = datagram;
      took[index] = last - sentAt[index];
      answered++;
      if (answered === requests) finish();
      else sendNext();
    });
    // UDP loses: what is lost is counted, and its place in flight given to another.
    const watch = setInterval(() => {
      if (started === 0 || performance.now() - last < LOST_MS) return;
      if (next >= requests) finish();
      else for (let i = 0; i < inFlight; i++) sendNext();
    }, LOST_MS / 4);
    const finish = () => {
      clearInterval(watch);
      socket.close();
      let wrong = 0;
      answers.forEach((answer, index) => {
        if (answer === undefined || echo) return;
        const message = decodeMessage(answer);
        if (message instanceof Refusal) wrong++;
        else {
          const inner = unprotectResponse(exchanges[index], message);
          if (inner instanceof Refusal || inner.message.code !== Code.CHANGED) wrong++;
        }
      });
      const times = took.filter((time) => time > 0).sort();
      const at = (part: number) => times[Math.min(times.length - 1, Math.floor(part * times.length))] ?? 0;
      resolve({
        requests,
        answered,
        wrong,
        seconds: (last - started) / 1000,
        median: at(0.5),
        p99: at(0.99),
      });
    };
  });
}

if (process.send !== undefined && process.argv[2] !== undefined) {
  process.send(await run(JSON.parse(process.argv[2]) as LoadOptions), () => process.disconnect());
}
