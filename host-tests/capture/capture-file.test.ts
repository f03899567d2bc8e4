import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Air } from "../../sim/air/air.js";
import { fixedRange } from "../../sim/air/propagation.js";
import { CaptureFile } from "../../sim/capture/capture-file.js";
import { VirtualClock } from "../../sim/clock.js";
import type { ModemNetwork } from "../../sim/modem/modem-network.js";
import { readBlocks, readPacket } from "./read-pcapng.js";

const fail = (sentence: string) => assert.fail(sentence);

describe("capture file", () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "capture-file-"));
  });
  after(() => rmSync(directory, { recursive: true }));

  it("has each advertising event once, and the modem's datagrams both ways", async () => {
    const file = join(directory, "both.pcapng");
    const clock = new VirtualClock();
    const air = new Air({ clock, propagation: fixedRange(10) });
    const capture = new CaptureFile(file, () => 1000 + clock.now(), fail);
    capture.listen(air);
    const radio = air.attach({ name: "node-1", address: Uint8Array.of(1, 2, 3, 4, 5, 0xc6) });
    const log: string[] = [];
    const network: ModemNetwork = {
      onDatagram: undefined,
      open: (socket, port) => log.push(`open ${socket} ${port}`),
      send: (socket, address, port, bytes) => log.push(`send ${socket} ${address}:${port} ${bytes}`),
      close: (socket) => log.push(`close ${socket}`),
      resolve: (name, done) => done(name),
    };
    const tapped = capture.tap("gateway-1", network);
    tapped.onDatagram = (socket, address, port, bytes) =>
      log.push(`got ${socket} ${address}:${port} ${bytes}`);

    radio.send(Uint8Array.of(2, 0x2a, 0x55), 3, 20);
    clock.run(1000);
    tapped.open(0);
    tapped.send(0, "192.0.2.1", 5683, Uint8Array.of(1));
    network.onDatagram?.(0, "192.0.2.1", 5683, Uint8Array.of(2));
    tapped.close(0);
    tapped.send(0, "192.0.2.1", 5683, Uint8Array.of(3));
    tapped.open(1, 4000);
    tapped.send(1, "192.0.2.1", 5683, Uint8Array.of(4));
    await capture.close();

    // Whatever the capture writes down, the modem's calls go through as they are.
    assert.deepEqual(log, [
      "open 0 undefined",
      "send 0 192.0.2.1:5683 1",
      "got 0 192.0.2.1:5683 2",
      "close 0",
      "send 0 192.0.2.1:5683 3",
      "open 1 4000",
      "send 1 192.0.2.1:5683 4",
    ]);
    const blocks = readBlocks(readFileSync(file));
    assert.deepEqual(
      blocks.map(({ type }) => type),
      [0x0a0d0d0a, 1, 1, 6, 6, 6, 6, 6, 6, 5, 5],
    );
    const packets = blocks.filter(({ type }) => type === 6).map(readPacket);
    assert.deepEqual(
      packets.map((packet) => packet.interface),
      [0, 0, 0, 1, 1, 1],
    );
    for (const packet of packets.slice(0, 3)) {
      assert.deepEqual(packet.data.slice(16, 25), Uint8Array.of(1, 2, 3, 4, 5, 0xc6, 2, 0x2a, 0x55));
    }
    const ports = packets.slice(3).map(({ data }) => new DataView(data.buffer, data.byteOffset));
    assert.deepEqual(
      ports.map((view) => [view.getUint16(20), view.getUint16(22)]),
      [
        [49_152, 5683],
        [5683, 49_152],
        [4000, 5683],
      ],
    );
    const times = packets.map(({ time }) => time);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => Number(a - b)),
    );
    assert.equal(times[3], 2_000_000n);
    assert.equal(capture.packets, 6);
    assert.equal(capture.dropped, 0);
  });

  it("takes no file that is there", async () => {
    const file = join(directory, "twice.pcapng");
    await new CaptureFile(file, () => 0, fail).close();
    assert.throws(() => new CaptureFile(file, () => 0, fail), { code: "EEXIST" });
    assert.throws(() => new CaptureFile(join(directory, "no", "file"), () => 0, fail), { code: "ENOENT" });
  });

  it("says once that packets are missing when more comes than the disk takes, and counts them", async () => {
    const file = join(directory, "slow.pcapng");
    const said: string[] = [];
    const capture = new CaptureFile(
      file,
      () => 0,
      (sentence) => said.push(sentence),
    );
    const network: ModemNetwork = {
      onDatagram: undefined,
      open: () => {},
      send: () => {},
      close: () => {},
      resolve: () => {},
    };
    const tapped = capture.tap("gateway-1", network);
    tapped.open(0);
    // All in one turn, so that the disk gets none of it in between.
    const datagram = new Uint8Array(1 << 16).subarray(0, 65_000);
    for (let i = 0; i < 300; i++) tapped.send(0, "192.0.2.1", 5683, datagram);
    assert.ok(capture.dropped > 0 && capture.packets > 200);
    assert.equal(capture.packets + capture.dropped, 300);
    assert.equal(said.length, 1);
    assert.match(said[0], /too slow: packets are missing/);
    await capture.close();
    assert.ok(existsSync(file));
  });
});
