import assert from "node:assert/strict";
import { latin1, toLatin1 } from "../../../sim/modem/latin1.js";
import { rig } from "./rig.js";

const SERVER = { address: "192.0.2.1", port: 5683 };

function online(options: Parameters<typeof rig>[0] = {}) {
  const t = rig(options);
  const arrived: { at: number; text: string }[] = [];
  t.internet.listen(SERVER.address, SERVER.port, (datagram) =>
    arrived.push({ at: t.clock.now(), text: toLatin1(datagram) }),
  );
  t.attach();
  t.at("AT+USOCR=17");
  const send = (text: string, wait = 200) =>
    t.at(`AT+USOST=0,"192.0.2.1",5683,${text.length},"${text}"`, wait);
  const toModem = (text: string, wait = 1000) => {
    t.internet.sendTo(SERVER, { address: t.network.address, port: t.network.portOf(0)! }, latin1(text));
    t.run(wait);
  };
  return { ...t, arrived, send, toModem };
}

describe("simulated network: registration", () => {
  it("takes its time, and tells by URCs of the form that was asked for", () => {
    const t = rig();
    t.boot();
    t.at("AT+CEREG=1;+CREG=1");
    t.run(20_000);
    assert.equal(t.take(), "\r\n+CREG: 1\r\n\r\n+CEREG: 1\r\n");
    t.at("AT+CEREG=2;+CREG=0");
    t.modem.cellular.setCoverage(false);
    t.run(5000);
    assert.equal(t.take(), "\r\n+CEREG: 4\r\n");
    assert.deepEqual(t.at("AT+CGATT?;+CESQ;+CSQ"), [
      "+CGATT: 0",
      "+CESQ: 99,99,255,255,255,255",
      "+CSQ: 99,99",
      "OK",
    ]);
    t.modem.cellular.setCoverage(true);
    t.run(5000);
    assert.equal(t.take(), '\r\n+CEREG: 2\r\n\r\n+CEREG: 1,"3A9B","01A0D101",7\r\n');
  });

  it("does not notice a loss of coverage that is shorter than its own detection", () => {
    const t = rig();
    t.attach();
    t.at("AT+CEREG=1");
    t.modem.cellular.setCoverage(false);
    t.run(1000);
    t.modem.cellular.setCoverage(true);
    t.run(10_000);
    assert.equal(t.take(), "");
    assert.equal(t.modem.cellular.attached, true);
  });

  it("denies, roams, and searches only with the radio on and an operator wanted", () => {
    const t = rig({ settings: { roaming: true } });
    t.boot();
    t.modem.cellular.setDenied(true);
    t.run(20_000);
    assert.deepEqual(t.at("AT+CEREG?"), ["+CEREG: 0,3", "OK"]);
    t.modem.cellular.setDenied(false);
    t.run(20_000);
    assert.deepEqual(t.at("AT+CEREG?"), ["+CEREG: 0,5", "OK"]);
    t.at("AT+COPS=2", 2000);
    t.run(20_000);
    assert.deepEqual(t.at("AT+CEREG?;+COPS?"), ["+CEREG: 0,0", "+COPS: 2", "OK"]);
    t.at("AT+COPS=0", 2000);
    t.at("AT+CFUN=4", 2000);
    t.run(20_000);
    assert.deepEqual(t.at("AT+CEREG?"), ["+CEREG: 0,0", "OK"]);
    t.at("AT+CFUN=1", 2000);
    t.run(20_000);
    assert.deepEqual(t.at("AT+CEREG?"), ["+CEREG: 0,5", "OK"]);
  });

  it("attaches only by +CGATT=1 where packet service is stuck", () => {
    const t = rig();
    t.modem.cellular.attachStuck = true;
    t.boot();
    t.run(60_000);
    assert.deepEqual(t.at("AT+CEREG?;+CGATT?"), ["+CEREG: 0,1", "+CGATT: 0", "OK"]);
    assert.deepEqual(t.at("AT+CGATT=1", 3000), ["OK"]);
    assert.deepEqual(t.at("AT+CGATT?"), ["+CGATT: 1", "OK"]);
  });
});

describe("simulated network: datagrams", () => {
  it("connects the radio for a datagram, keeps it for the inactivity time, counts sessions and bytes", () => {
    const t = online();
    t.at("AT+CSCON=1");
    t.send("hello", 1000);
    t.send("again", 1000);
    assert.equal(t.modem.cellular.use.sessions, 1);
    t.run(12_000);
    assert.equal(t.modem.cellular.connected, false);
    assert.ok(Math.abs(t.modem.cellular.use.connectedTime - 11_000) < 500);
    assert.match(t.take(), /\+CSCON: 0/);
    t.send("later", 1000);
    assert.equal(t.modem.cellular.use.sessions, 2);
    assert.equal(t.modem.cellular.use.bytesUp, 3 * (5 + 28));
    assert.equal(t.modem.cellular.use.datagramsUp, 3);
  });

  it("keeps their order, the first waiting for the connection and the others behind it", () => {
    const t = online();
    for (let i = 0; i < 20; i++) t.send(`${i}`, 50);
    t.run(5000);
    assert.deepEqual(
      t.arrived.map(({ text }) => text),
      Array.from({ length: 20 }, (_, i) => `${i}`),
    );
  });

  it("changes their order where it is told to", () => {
    const t = online({ settings: { reorder: 0.5 } });
    for (let i = 0; i < 30; i++) t.send(`${i}`, 50);
    t.run(10_000);
    assert.equal(t.arrived.length, 30);
    const order = t.arrived.map(({ text }) => Number(text));
    assert.notDeepEqual(
      order,
      [...order].sort((a, b) => a - b),
    );
  });

  it("loses as many as it is told to, and says OK all the same", () => {
    const t = online({ settings: { loss: 0.3 } });
    for (let i = 0; i < 400; i++) assert.deepEqual(t.send("x", 60), ["+USOST: 0,1", "OK"]);
    t.run(5000);
    assert.ok(t.arrived.length > 240 && t.arrived.length < 320, `${t.arrived.length} of 400`);
    assert.equal(t.modem.cellular.use.lostUp, 400 - t.arrived.length);
  });

  it("forgets the way back through its NAT", () => {
    const t = online({ settings: { natTimeout: 60_000 } });
    t.send("open", 1000);
    t.take();
    t.toModem("in time");
    assert.match(t.take(), /\+UUSORF: 0,7/);
    t.run(120_000);
    t.toModem("too late");
    assert.equal(t.take(), "");
    assert.equal(t.modem.cellular.use.lostDown, 1);
  });

  it("takes datagrams without coverage and loses them, or refuses them, as the firmware does", () => {
    const lose = online();
    lose.modem.cellular.setCoverage(false);
    lose.run(5000);
    assert.deepEqual(lose.send("lost").at(-1), "OK");
    lose.run(5000);
    assert.deepEqual(lose.arrived, []);
  });

  it("keeps a datagram for the next paging window of eDRX", () => {
    const t = online();
    t.send("open", 1000);
    t.at('AT+CEDRXS=1,4,"0101"');
    t.at("AT+CFUN=15", 10_000);
    t.run(20_000);
    t.at("ATE0");
    t.at("AT+USOCR=17");
    t.send("open", 1000);
    t.run(20_000);
    t.take();
    const sent = t.clock.now();
    t.toModem("paged", 0);
    while (!t.take().includes("+UUSORF") && t.clock.now() < sent + 200_000) t.run(500);
    const waited = t.clock.now() - sent;
    assert.ok(waited > 1000 && waited <= 82_500, `${waited} ms`);
  });

  it("gives the same history for the same seed", () => {
    const history = () => {
      const t = online({ settings: { loss: 0.2, reorder: 0.2 } });
      for (let i = 0; i < 50; i++) t.send(`${i}`, 70);
      t.run(5000);
      return t.arrived;
    };
    assert.deepEqual(history(), history());
  });
});
