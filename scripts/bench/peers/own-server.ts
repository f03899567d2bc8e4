/** Our CoAP server as a process of its own, shaped like the others': GET /hello on a free port, which it prints. */

import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { MessageLayer } from "../../../firmware/coap/message-layer.js";
import { Code } from "../../../firmware/coap/numbers.js";
import { content, plainChannel } from "../../../firmware/coap/resource.js";
import { CoapServer } from "../../../firmware/coap/server.js";

const server = new CoapServer();
server.add("/hello", { get: () => content(Code.CONTENT, "Hello World!") });

const socket = createSocket("udp4");
const layer: MessageLayer = new MessageLayer({
  send: (endpoint, bytes) => {
    const colon = endpoint.lastIndexOf(":");
    socket.send(bytes, Number(endpoint.slice(colon + 1)), endpoint.slice(0, colon));
  },
  random: (length) => randomBytes(length),
  onRequest: (exchange, now) => server.serve(exchange.request, plainChannel(layer, exchange), now),
});
socket.on("message", (datagram, { address, port }) => {
  layer.receive(`${address}:${port}`, datagram, performance.now());
});
setInterval(() => layer.tick(performance.now()), 50).unref();
socket.bind(0, "127.0.0.1", () => console.log(JSON.stringify({ port: socket.address().port })));
process.stdin.on("end", () => process.exit(0)).resume();
