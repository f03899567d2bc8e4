/**
 * GET /hello to a CoAP server, so many in flight: a process of its own. Its answers are looked at as bytes, so that it
 * costs the same whoever serves.
 */

import { createSocket } from "node:dgram";

/** What the process is told, as JSON in its argument. */
export interface CoapLoadOptions {
  readonly port: number;
  readonly requests: number;
  readonly inFlight: number;
  /** How many times over; the first does not count. */
  readonly repetitions: number;
}

/** What it tells its parent. */
export interface CoapLoadResult {
  /** requests/s of each repetition */
  readonly rates: readonly number[];
  /** Answers that were wrong, and requests whose answer did not come within a second, over all repetitions. */
  readonly wrong: number;
  readonly lost: number;
}

const PATH = new TextEncoder().encode("hello");
const ANSWER = new TextEncoder().encode("Hello World!");
const LOST_AFTER = 1000;

const { port, requests, inFlight, repetitions } = JSON.parse(process.argv[2]) as CoapLoadOptions;
const socket = createSocket("udp4");
/** By message ID: when it was asked; 0 when nothing is open. */
const open = new Float64Array(0x10000);
let messageId = Math.floor(Math.random() * 0x10000);
let sent = 0;
let done = 0;
let wrong = 0;
let lost = 0;
let finished: (() => void) | undefined;

function ask(): void {
  if (sent >= requests) return;
  sent++;
  messageId = (messageId + 1) & 0xffff;
  open[messageId] = performance.now();
  // CON GET, token of two bytes, Uri-Path (RFC 7252 §3); the token differs at every request, as it should.
  const datagram = new Uint8Array(7 + PATH.length);
  datagram.set([0x42, 0x01, messageId >> 8, messageId, messageId >> 8, messageId, 0xb0 | PATH.length]);
  datagram.set(PATH, 7);
  socket.send(datagram);
}

function settled(): void {
  done++;
  if (done >= requests) finished?.();
  else ask();
}

socket.on("message", (bytes) => {
  const id = (bytes[2] << 8) | bytes[3];
  if (open[id] === 0) return;
  open[id] = 0;
  // 2.05 in the acknowledgement, payload at the end.
  const right = (bytes[0] & 0xf0) === 0x60 && bytes[1] === 0x45 && endsWith(bytes, ANSWER);
  if (!right) wrong++;
  settled();
});

function endsWith(bytes: Uint8Array, end: Uint8Array): boolean {
  return end.every((byte, i) => bytes[bytes.length - end.length + i] === byte);
}

const watch = setInterval(() => {
  const late = performance.now() - LOST_AFTER;
  for (let id = 0; id < open.length; id++) {
    if (open[id] === 0 || open[id] > late) continue;
    open[id] = 0;
    lost++;
    settled();
  }
}, 100);

await new Promise<void>((resolve) => socket.connect(port, "127.0.0.1", resolve));
const rates: number[] = [];
for (let repetition = 0; repetition <= repetitions; repetition++) {
  sent = 0;
  done = 0;
  const end = new Promise<void>((resolve) => {
    finished = resolve;
  });
  const start = performance.now();
  for (let i = 0; i < inFlight; i++) ask();
  await end;
  if (repetition > 0) rates.push((1000 * requests) / (performance.now() - start));
}
clearInterval(watch);
socket.close();
const result: CoapLoadResult = { rates, wrong, lost };
process.send!(result);
