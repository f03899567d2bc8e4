/** The load generator of the server's bench: a process of its own, told what to do by its one argument (JSON). */

import { hostCrypto } from "#hal/crypto.js";
import { Metrics } from "../../cloud/metrics.js";
import type { NodeSpec } from "../../cloud/node-spec.js";
import { UdpDriver } from "../../cloud/udp.js";
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
  /** µs of its own CPU for each request, while the clock ran */
  readonly cpu: number;
}

/** Room for an answer; one that is longer is counted as wrong. */
const ANSWER_ROOM = 64;
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

async function run(options: LoadOptions): Promise<LoadResult> {
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
  // In one piece: while the clock runs, nothing is made that the garbage collector would have to look at.
  const answers = new Uint8Array(requests * ANSWER_ROOM);
  const lengths = new Uint32Array(requests);
  const sentAt = new Float64Array(requests);
  const took = new Float64Array(requests);

  const driver = await UdpDriver.open(
    { host: "127.0.0.1", port: 0 },
    new Metrics(),
    Number.POSITIVE_INFINITY,
  );
  const server = `127.0.0.1:${port}`;
  let next = 0;
  let answered = 0;
  const before = process.cpuUsage();
  const started = performance.now();
  let last = started;
  const send = (now: number, count: number) => {
    for (; count > 0 && next < requests; count--) {
      sentAt[next] = now;
      driver.send(datagrams[next++], server);
    }
  };
  await new Promise<void>((resolve) => {
    driver.start({
      deadline: Number.POSITIVE_INFINITY,
      onWake() {},
      tick() {},
      handle(datagram, _source, now) {
        last = now;
        const index = (datagram[4] << 16) | (datagram[5] << 8) | datagram[6];
        if (lengths[index] > 0) return;
        lengths[index] = datagram.length;
        if (datagram.length <= ANSWER_ROOM) answers.set(datagram, index * ANSWER_ROOM);
        took[index] = now - sentAt[index];
        if (++answered === requests) resolve();
        else send(now, 1);
      },
    });
    send(started, inFlight);
    // UDP loses: what is lost is counted, and its place in flight given to another.
    const watch = setInterval(() => {
      const now = performance.now();
      if (now - last < LOST_MS) return;
      if (next < requests) send(now, inFlight);
      else resolve();
    }, LOST_MS / 4);
    watch.unref();
  });
  const { user, system } = process.cpuUsage(before);
  await driver.close();

  let wrong = 0;
  for (let i = 0; i < requests && !echo; i++) {
    if (lengths[i] === 0) continue;
    const message = decodeMessage(answers.slice(i * ANSWER_ROOM, i * ANSWER_ROOM + lengths[i]));
    const inner = message instanceof Refusal ? message : unprotectResponse(exchanges[i], message);
    if (inner instanceof Refusal || inner.message.code !== Code.CHANGED) wrong++;
  }
  const times = took.filter((time) => time > 0).sort();
  const at = (part: number) => times[Math.min(times.length - 1, Math.floor(part * times.length))] ?? 0;
  return {
    requests,
    answered,
    wrong,
    seconds: (last - started) / 1000,
    median: at(0.5),
    p99: at(0.99),
    cpu: (user + system) / requests,
  };
}

if (process.send !== undefined && process.argv[2] !== undefined) {
  process.send(await run(JSON.parse(process.argv[2]) as LoadOptions), () => process.disconnect());
}
