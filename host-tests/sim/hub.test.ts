import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import fc from "fast-check";
import { Air } from "../../sim/air/air.js";
import { AirHub, decodeAir, encodeAirFrame, encodeAirJoin, listenAirHub } from "../../sim/air/hub.js";
import { fixedRange } from "../../sim/air/propagation.js";
import { VirtualClock } from "../../sim/clock.js";
import { PacedClock } from "../../sim/paced-clock.js";

const A = Uint8Array.of(1, 2, 3, 4, 5, 0xc6);
const B = Uint8Array.of(2, 2, 3, 4, 5, 0xc6);
const FRAME = Uint8Array.of(4, 0x2a, 7, 8, 9);

function setup() {
  const clock = new VirtualClock();
  const air = new Air({ clock, propagation: fixedRange(50) });
  const sent: { peer: string; message: ReturnType<typeof decodeAir> }[] = [];
  const hub = new AirHub({
    air,
    send: (bytes, peer) => sent.push({ peer, message: decodeAir(bytes) }),
    place: (_address, index) => ({ position: { x: 40 * index, y: 0 } }),
  });
  return { clock, air, hub, sent };
}

describe("air hub", () => {
  it("writes and reads the emulator's datagrams", () => {
    const join = encodeAirJoin(A);
    assert.equal(Buffer.from(join).toString("latin1", 0, 5), "AIR1J");
    assert.deepEqual(decodeAir(join), { kind: "join", address: A });
    const frame = encodeAirFrame(A, 2, -61, FRAME);
    assert.equal(Buffer.from(frame).toString("hex"), "41495231460102030405c602c305042a070809");
    assert.deepEqual(decodeAir(frame), { kind: "frame", address: A, pduType: 2, rssi: -61, data: FRAME });
  });

  it("takes any bytes", () => {
    const { hub } = setup();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, named) => {
        const datagram = named ? Uint8Array.of(0x41, 0x49, 0x52, 0x31, 0x46, ...bytes) : bytes;
        hub.receive(datagram, "1");
      }),
    );
    assert.ok(hub.malformed > 0);
    assert.ok(hub.members.size <= 1, "one peer, one member");
  });

  it("lets boards and simulated radios hear each other, by distance", () => {
    const { clock, air, hub, sent } = setup();
    hub.receive(encodeAirJoin(A), "1001"); // x = 0
    hub.receive(encodeAirJoin(B), "1002"); // x = 40
    const far = air.attach({ position: { x: 80, y: 0 } });
    const heard: string[] = [];
    far.onReceive = (data, address) => heard.push(`${address[0]} ${data[2]}`);
    // more than once: a receiver that changes its channel just then hears nothing
    for (let i = 0; i < 5; i++) {
      hub.receive(encodeAirFrame(A, 2, -50, FRAME), "1001");
      clock.run(clock.now() + 40);
    }
    assert.ok(sent.length >= 4);
    assert.ok(sent.every(({ peer }) => peer === "1002"));
    const { message } = sent[0];
    assert.ok(message?.kind === "frame" && message.rssi < -50);
    assert.deepEqual(message.address, A);
    assert.deepEqual(message.data, FRAME);
    assert.deepEqual(heard, []);
    for (let i = 0; i < 5; i++) {
      hub.receive(encodeAirFrame(B, 2, -50, FRAME), "1002");
      clock.run(clock.now() + 40);
    }
    assert.ok(heard.length >= 4 && heard.every((line) => line === "2 7"));
    assert.ok(sent.some(({ peer }) => peer === "1001"));
  });

  it("knows a board again that comes from another port, and a port that has another board", () => {
    const { air, hub } = setup();
    hub.receive(encodeAirJoin(A), "1001");
    hub.receive(encodeAirJoin(A), "1001");
    hub.receive(encodeAirJoin(A), "1005");
    assert.deepEqual([...hub.members.keys()], ["1005"]);
    hub.receive(encodeAirFrame(B, 2, -50, FRAME), "1005");
    assert.deepEqual([...hub.members.keys()], ["1005"]);
    assert.deepEqual(hub.members.get("1005")!.address, B);
    assert.equal([...air.radios].length, 1);
  });

  it("lets a board leave, which hears nothing more until it comes again", () => {
    const { clock, air, hub, sent } = setup();
    hub.receive(encodeAirJoin(A), "1001");
    hub.receive(encodeAirJoin(B), "1002");
    hub.leave((radio) => radio.address[0] === B[0]);
    assert.deepEqual([...hub.members.keys()], ["1001"]);
    assert.equal([...air.radios].length, 1);
    for (let i = 0; i < 5; i++) {
      hub.receive(encodeAirFrame(A, 2, -50, FRAME), "1001");
      clock.run(clock.now() + 40);
    }
    assert.deepEqual(sent, []);
    hub.receive(encodeAirJoin(B), "1002");
    assert.deepEqual([...hub.members.keys()], ["1001", "1002"]);
  });

  it("carries frames over real sockets", async () => {
    const clock = new PacedClock();
    const air = new Air({ clock, propagation: fixedRange(50) });
    const { port, close } = await listenAirHub(0, { air, clock });
    clock.start();
    const [first, second] = [createSocket("udp4"), createSocket("udp4")];
    const arrived = new Promise<Buffer>((resolve) => second.once("message", resolve));
    second.send(encodeAirJoin(B), port, "127.0.0.1", () => {
      const again = () => first.send(encodeAirFrame(A, 2, -50, FRAME), port, "127.0.0.1");
      again();
      // the first one may meet a channel change, as on the air
      const timer = setInterval(again, 5);
      void arrived.finally(() => clearInterval(timer));
    });
    const message = decodeAir(await arrived);
    assert.ok(message?.kind === "frame");
    assert.deepEqual(message.data, FRAME);
    first.close();
    second.close();
    clock.stop();
    await close();
  });
});
