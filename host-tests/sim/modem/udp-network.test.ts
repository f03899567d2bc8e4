import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { UdpNetwork } from "../../../sim/modem/udp-network.js";

describe("UDP network of the simulated modem", () => {
  it("moves datagrams through sockets of this machine, both ways, and closes them", async () => {
    const server = createSocket("udp4");
    server.bind(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address();
    const entered: string[] = [];
    const network = new UdpNetwork({
      enter: (callback) => {
        entered.push("enter");
        callback();
      },
    });
    try {
      const answer = new Promise<[number, string, number, string]>((resolve) => {
        network.onDatagram = (socket, address, from, datagram) =>
          resolve([socket, address, from, Buffer.from(datagram).toString()]);
      });
      server.on("message", (message, from) => server.send(`${message} back`, from.port, from.address));
      network.open(3);
      const bytes = new TextEncoder().encode("hello");
      network.send(3, "127.0.0.1", port, bytes);
      bytes.fill(0);
      assert.deepEqual(await answer, [3, "127.0.0.1", port, "hello back"]);
      assert.deepEqual(entered, ["enter"]);
      network.send(5, "127.0.0.1", port, Uint8Array.of(1));
      network.close(3);
      network.close(3);
    } finally {
      network.shutDown();
      server.close();
    }
  });

  it("resolves only what it was told", () => {
    const network = new UdpNetwork({ names: { "server.example": "127.0.0.9" } });
    const found: (string | undefined)[] = [];
    for (const name of ["localhost", "192.0.2.1", "server.example", "example.org", "999.1.1.1"])
      network.resolve(name, (address) => found.push(address));
    assert.deepEqual(found, ["127.0.0.1", "192.0.2.1", "127.0.0.9", undefined, undefined]);
  });
});
