import assert from "node:assert/strict";
import fc from "fast-check";
import { FIRMWARE } from "../../../sim/modem/firmware.js";
import { latin1, toLatin1 } from "../../../sim/modem/latin1.js";
import { rig } from "./rig.js";

const SERVER = { address: "192.0.2.1", port: 5683 };

/** An attached modem with one socket, and a server that keeps what comes. */
function online(options: Parameters<typeof rig>[0] = {}) {
  const t = rig(options);
  const arrived: string[] = [];
  t.internet.listen(SERVER.address, SERVER.port, (datagram) => arrived.push(toLatin1(datagram)));
  t.attach();
  assert.deepEqual(t.at("AT+USOCR=17"), ["+USOCR: 0", "OK"]);
  const toModem = (text: string, wait = 500) => {
    t.internet.sendTo(SERVER, { address: t.network.address, port: t.network.portOf(0)! }, latin1(text));
    t.run(wait);
  };
  return { ...t, arrived, toModem };
}

describe("simulated modem: sockets", () => {
  it("has seven, numbered from 0, and gives the lowest free one", () => {
    const t = rig();
    t.boot();
    for (let id = 0; id < 7; id++) assert.deepEqual(t.at("AT+USOCR=17"), [`+USOCR: ${id}`, "OK"]);
    assert.deepEqual(t.at("AT+USOCR=17"), ["+CME ERROR: operation not allowed"]);
    assert.deepEqual(t.at("AT+USOCL=3"), ["OK"]);
    assert.deepEqual(t.at("AT+USOCR=17"), ["+USOCR: 3", "OK"]);
  });

  it("sends in hex of either case and length, quoted or bare addresses", () => {
    const t = online();
    t.at("AT+UDCONF=1,1");
    assert.deepEqual(t.at('AT+USOST=0,"192.0.2.1",5683,3,"61fF0A"'), ["+USOST: 0,3", "OK"]);
    assert.deepEqual(t.at("AT+USOST=0,192.0.2.1,5683,2,6162"), ["+USOST: 0,2", "OK"]);
    assert.deepEqual(t.at(`AT+USOST=0,"192.0.2.1",5683,512,"${"5A".repeat(512)}"`), ["+USOST: 0,512", "OK"]);
    t.run(1000);
    assert.deepEqual(t.arrived, ["a\xff\n", "ab", "Z".repeat(512)]);
    for (const bad of ['3,"6162"', '1,"6g"', '513,"00"', '0,""', '2,"616"', "1"]) {
      const lines = t.at(`AT+USOST=0,"192.0.2.1",5683,${bad}`);
      if (bad !== "1") assert.deepEqual(lines, ["+CME ERROR: Incorrect parameters"], bad);
      else assert.deepEqual(lines, ["@"], "without data it prompts");
    }
    // In hex mode the prompt takes digits too.
    assert.deepEqual(t.at("7a"), ["+USOST: 0,1", "OK"].slice(0, 2));
    t.run(1000);
    assert.equal(t.arrived.at(-1), "z");
  });

  it("sends binary data by length, and short text without the prompt", () => {
    const t = online();
    t.type('AT+USOST=0,"192.0.2.1",5683,5\r');
    t.run(80);
    t.type('"\r\0,\xff');
    t.run(1000);
    assert.deepEqual(t.at('AT+USOST=0,"192.0.2.1",5683,2,"ok"'), ["+USOST: 0,2", "OK"]);
    t.run(1000);
    assert.deepEqual(t.arrived, ['"\r\0,\xff', "ok"]);
    assert.deepEqual(t.at('AT+USOST=0,"192.0.2.1",5683,1025'), ["+CME ERROR: Incorrect parameters"]);
    assert.deepEqual(t.at('AT+USOST=0,"192.0.2.1",0,1,"x"'), ["+CME ERROR: Incorrect parameters"]);
    assert.deepEqual(t.at('AT+USOST=5,"192.0.2.1",5683,1,"x"'), ["+CME ERROR: operation not allowed"]);
  });

  it("announces datagrams, stores them one by one, reads each whole or in parts", () => {
    const t = online();
    t.at('AT+USOST=0,"192.0.2.1",5683,2,"hi"', 1000);
    t.take();
    t.toModem("first");
    assert.equal(t.take(), "\r\n+UUSORF: 0,5\r\n");
    t.toModem("second!");
    assert.equal(t.take(), "\r\n+UUSORF: 0,12\r\n");
    assert.deepEqual(t.at("AT+USORF=0,0"), ["+USORF: 0,12", "OK"]);
    assert.deepEqual(t.at("AT+USORF=0,3"), ['+USORF: 0,"192.0.2.1",5683,3,"fir"', "OK", "+UUSORF: 0,9"]);
    assert.deepEqual(t.at("AT+USORF=0,100"), ['+USORF: 0,"192.0.2.1",5683,2,"st"', "OK", "+UUSORF: 0,7"]);
    assert.deepEqual(t.at("AT+USORF=0,100"), ['+USORF: 0,"192.0.2.1",5683,7,"second!"', "OK"]);
    assert.deepEqual(t.at("AT+USORF=0,100"), ['+USORF: 0,"",0,0,""', "OK"]);
    assert.deepEqual(t.at("AT+USORF=0,0"), ["+USORF: 0,0", "OK"]);
  });

  it("counts the next datagram only where the firmware does", () => {
    const t = online({ firmware: FIRMWARE["r410m-05.06"] });
    t.at('AT+USOST=0,"192.0.2.1",5683,2,"hi"', 1000);
    t.take();
    t.toModem("first");
    t.toModem("second!");
    assert.equal(t.take(), "\r\n+UUSORD: 0,5\r\n\r\n+UUSORD: 0,5\r\n");
    assert.deepEqual(t.at("AT+USORF=0,0"), ["+USORF: 0,5", "OK"]);
    t.at("AT+USORF=0,100");
    t.at("AT+USORF=0,100");
    assert.deepEqual(t.at("AT+USORF=0,100"), ["+CME ERROR: operation not allowed"]);
  });

  it("gives any datagram back as it came, in hex and in binary", () => {
    const t = online();
    t.at('AT+USOST=0,"192.0.2.1",5683,2,"hi"', 1000);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.boolean(), (data, hex) => {
        t.at(`AT+UDCONF=1,${hex ? 1 : 0}`);
        t.toModem(toLatin1(data));
        t.take();
        t.type("AT+USORF=0,1024\r");
        t.run(50);
        const body = hex ? Buffer.from(data).toString("hex").toUpperCase() : toLatin1(data);
        assert.equal(t.take(), `\r\n+USORF: 0,"192.0.2.1",5683,${data.length},"${body}"\r\n\r\nOK\r\n`);
        // The way back through the NAT closes after a while.
        t.run(1000);
      }),
      { numRuns: 50 },
    );
  });

  it("connects UDP sockets, writes and reads without addresses", () => {
    const t = online();
    assert.deepEqual(t.at('AT+USOWR=0,1,"x"'), ["+CME ERROR: operation not allowed"]);
    assert.deepEqual(t.at('AT+USOCO=0,"192.0.2.1",5683'), ["OK"]);
    assert.deepEqual(t.at('AT+USOWR=0,4,"data"', 1000), ["+USOWR: 0,4", "OK"]);
    assert.deepEqual(t.arrived, ["data"]);
    t.toModem("reply");
    t.take();
    assert.deepEqual(t.at("AT+USORD=0,100"), ['+USORD: 0,5,"reply"', "OK"]);
    assert.deepEqual(t.at("AT+USOCTL=0,4"), ['+USOCTL: 0,4,"192.0.2.1",5683', "OK"]);
    assert.deepEqual(t.at("AT+USOCTL=0,0"), ["+USOCTL: 0,0,17", "OK"]);
    assert.deepEqual(t.at("AT+USOCTL=0,2"), ["+USOCTL: 0,2,4", "OK"]);
    assert.deepEqual(t.at("AT+USOCTL=0,3"), ["+USOCTL: 0,3,5", "OK"]);
    assert.deepEqual(t.at("AT+USOCTL=0,10"), ["+CME ERROR: operation not allowed"]);
    const lines = t.at('AT+USOCO=0,"192.0.2.1",5683,1', 1000);
    assert.deepEqual(lines, ["OK", "+UUSOCO: 0,0"]);
  });

  it("leaves error 65 behind each +USOST", () => {
    const t = online();
    assert.deepEqual(t.at("AT+USOCTL=0,1"), ["+USOCTL: 0,1,0", "OK"]);
    t.at('AT+USOST=0,"192.0.2.1",5683,2,"hi"');
    assert.deepEqual(t.at("AT+USOCTL=0,1"), ["+USOCTL: 0,1,65", "OK"]);
  });

  it("closes at once, or later with a URC", () => {
    const t = online();
    t.at("AT+USOCR=17");
    assert.deepEqual(t.at("AT+USOCL=0"), ["OK"]);
    assert.deepEqual(t.at("AT+USOCL=1,1", 100), ["OK"]);
    t.run(1000);
    assert.equal(t.take(), "\r\n+UUSOCL: 1\r\n");
  });

  it("resolves names, and says when there is none", () => {
    const t = online();
    t.internet.names.set("server.example", "192.0.2.77");
    assert.deepEqual(t.at('AT+UDNSRN=0,"server.example"', 1000), ['+UDNSRN: "192.0.2.77"', "OK"]);
    assert.deepEqual(t.at('AT+UDNSRN=0,"nowhere.example"', 1000), ["+CME ERROR: network timeout"]);
  });

  it("loses sockets and hex mode with a restart", () => {
    const t = online();
    t.at("AT+UDCONF=1,1");
    t.at("AT+CFUN=15", 8000);
    assert.deepEqual(t.modem.sockets, []);
    t.at("ATE0");
    assert.deepEqual(t.at("AT+UDCONF=1"), ["+UDCONF: 1,0", "OK"]);
  });

  it("locks up when a socket is opened in poor signal with old firmware", () => {
    const t = rig({ firmware: FIRMWARE["r410m-05.06"], settings: { rsrp: -125 } });
    t.boot();
    assert.deepEqual(t.at("AT+USOCR=17", 60_000), []);
    assert.deepEqual(t.at("AT", 60_000), []);
    t.modem.reset.write(false);
    t.run(10_500);
    t.modem.reset.write(true);
    assert.equal(t.modem.state, "off");
    t.modem.powerOn.write(false);
    t.run(300);
    t.modem.powerOn.write(true);
    t.run(7000);
    assert.deepEqual(t.at("AT"), ["AT", "OK"]);
  });
});
