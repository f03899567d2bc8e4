import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { StartupError } from "../../cloud/errors.js";
import { Metrics } from "../../cloud/metrics.js";
import { UdpDriver } from "../../cloud/udp.js";
import { UdpBatch } from "../../cloud/udp-batch.js";

/** A handler that sends everything back. */
function echoing(driver: UdpDriver, seen: string[]) {
  return {
    deadline: Number.POSITIVE_INFINITY,
    onWake() {},
    tick() {},
    handle(datagram: Uint8Array, source: string) {
      seen.push(source);
      driver.send(datagram, source);
    },
  };
}

async function client(host: string, port: number): Promise<Socket> {
  const socket = createSocket(host === "::1" ? "udp6" : "udp4");
  socket.connect(port, host);
  await once(socket, "connect");
  return socket;
}

/** Sends texts, so few of them at once that no buffer overflows. @returns what comes back */
function exchange(socket: Socket, texts: readonly string[]): Promise<string[]> {
  const got: string[] = [];
  let next = 0;
  return new Promise((resolve) => {
    socket.on("message", (bytes) => {
      got.push(bytes.toString("latin1"));
      if (got.length === texts.length) resolve(got);
      else if (next < texts.length) socket.send(texts[next++]);
    });
    while (next < Math.min(20, texts.length)) socket.send(texts[next++]);
  });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

describe("the server's UDP socket", () => {
  let driver: UdpDriver;
  let metrics: Metrics;
  const sockets: Socket[] = [];
  const open = async (host: string, limit = Number.POSITIVE_INFINITY) => {
    metrics = new Metrics();
    driver = await UdpDriver.open({ host, port: 0 }, metrics, limit);
    const seen: string[] = [];
    driver.start(echoing(driver, seen));
    return seen;
  };
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.close();
    await driver.close();
  });

  // On Linux the one is by recvmmsg and sendmmsg, the other never.
  for (const host of ["127.0.0.1", "::1"]) {
    it(`takes and answers each of many datagrams, whoever sends it (${host})`, async () => {
      const seen = await open(host);
      const wanted = new Map<string, string[]>();
      const got = await Promise.all(
        Array.from({ length: 3 }, async (_, i) => {
          const socket = await client(host, driver.address.port);
          sockets.push(socket);
          const texts = Array.from({ length: 150 }, (_, n) =>
            `${i}.${n}.`.padEnd(1 + ((n * 37) % 1200), "x"),
          );
          const address =
            host === "::1" ? `[::1]:${socket.address().port}` : `${host}:${socket.address().port}`;
          wanted.set(address, texts);
          return { address, texts: await exchange(socket, texts) };
        }),
      );
      for (const { address, texts } of got) assert.deepEqual(texts, wanted.get(address));
      assert.equal(seen.length, 450);
      assert.deepEqual(new Set(seen), new Set(wanted.keys()));
    });
  }

  it("drops and counts what one address sends beyond its limit", async () => {
    const seen = await open("127.0.0.1", 10);
    const socket = await client("127.0.0.1", driver.address.port);
    sockets.push(socket);
    for (let i = 0; i < 60; i++) socket.send(`${i}`);
    await until(() => seen.length + metrics.dropped("udp", "source-limit") === 60);
    assert.ok(seen.length >= 20);
    assert.ok(seen.length < 60);
  });

  it("takes what is longer than any message whole, or drops and counts it", async () => {
    const seen = await open("127.0.0.1");
    const socket = await client("127.0.0.1", driver.address.port);
    sockets.push(socket);
    for (let i = 0; i < 20; i++) socket.send(new Uint8Array(3000));
    await until(() => seen.length + metrics.dropped("udp", "too-long") === 20);
  });

  it("says so when the port is taken", async () => {
    await open("127.0.0.1");
    const { port } = driver.address;
    await assert.rejects(
      UdpDriver.open({ host: "127.0.0.1", port }, metrics),
      (error) => error instanceof StartupError && /in use already/.test(error.message),
    );
  });
});

describe("many datagrams for one system call", () => {
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.close();
  });

  it("keep their order, and what did not leave comes back", async function () {
    const batch = await UdpBatch.open({ host: "127.0.0.1", port: 0 });
    if (batch === undefined) {
      console.log("        skipped: no 64-bit Linux, or koffi is not installed (npm install)");
      return this.skip();
    }
    const own = createSocket("udp4");
    sockets.push(own);
    own.bind({ fd: batch.fd });
    const to = `127.0.0.1:${own.address().port}`;
    const left: string[] = [];
    for (let i = 0; i < 64; i++) assert.ok(batch.add(Uint8Array.of(i), to));
    assert.ok(batch.full);
    assert.ok(!batch.add(Uint8Array.of(64), to), "there is no room");
    batch.flush((_, destination) => left.push(destination));
    assert.equal(left.length, 0);
    const got: number[] = [];
    const receive = () =>
      batch.receive(
        ([byte], source, host) => {
          assert.deepEqual([source, host], [to, "127.0.0.1"]);
          got.push(byte);
        },
        () => assert.fail("nothing is cut"),
      );
    assert.ok(receive(), "there may be more");
    assert.ok(!receive());
    assert.deepEqual(
      got,
      Array.from({ length: 64 }, (_, i) => i),
    );

    assert.ok(!batch.add(new Uint8Array(3000), to), "too long");
    assert.ok(!batch.add(Uint8Array.of(1), "[::1]:5683"), "not IPv4");
    // Port 0 is nobody's: that one and what stands behind it come back.
    assert.ok(batch.add(Uint8Array.of(1), to) && batch.add(Uint8Array.of(2), "127.0.0.1:0"));
    assert.ok(batch.add(Uint8Array.of(3), to));
    batch.flush((bytes, destination) => left.push(`${bytes} ${destination}`));
    assert.deepEqual(left, ["2 127.0.0.1:0", `3 ${to}`]);
    receive();
    assert.equal(got.at(-1), 1);
  });
});
