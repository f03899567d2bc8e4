/** The package coap of npm as a server like the others: GET /hello on a free port, which it prints. */

import { createServer } from "coap";

// Without its delay for piggybacking, and without counting who asks: what it can do at its best.
const server = createServer({ piggybackReplyMs: 1 }, (_request, response) => {
  response.end("Hello World!");
});
server.listen(0, "127.0.0.1", () => {
  const { port } = (server as unknown as { _sock: { address(): { port: number } } })._sock.address();
  console.log(JSON.stringify({ port }));
});
process.stdin.on("end", () => process.exit(0)).resume();
