import assert from "node:assert/strict";
import { FIRMWARE } from "../../sim/modem/firmware.js";
import { type BenchOptions, bench } from "./bench.js";

const MINUTE = 60_000;

/** A bench whose driver is ready. */
function ready(options: BenchOptions = {}) {
  const b = bench(options);
  b.start();
  assert.ok(b.until("ready"), `ready; ${b.log.slice(-20).join("\n")}`);
  return b;
}

describe("SARA-R4 driver", () => {
  it("switches on, sets up, registers, opens a socket", () => {
    const b = ready();
    assert.deepEqual(b.states, ["starting", "registering", "opening", "ready"]);
    assert.deepEqual(b.modem.sockets, [0]);
    assert.deepEqual(b.driver.identity, {
      model: "SARA-R410M-02B",
      firmware: "L0.0.00.00.05.08,A.02.04",
      imei: "004999010640000",
      imsi: "001010123456789",
      iccid: "8988211000000000004",
    });
    assert.equal(b.driver.signal.rsrp, -95);
    assert.equal(b.driver.signal.rat, "lte-m");
    assert.equal(b.driver.signal.cell, "01A0D101");
    assert.equal(b.modem.counters.get("too-early"), 0);
  });

  for (const mode of ["hex", "binary"] as const) {
    it(`sends and receives datagrams of every size in ${mode} mode`, () => {
      const b = ready({ config: { mode } });
      const sizes = [1, 2, 100, 253, b.driver.maxDatagram];
      for (const size of sizes) {
        const message = String.fromCharCode(...Array.from({ length: size }, (_, i) => (i * 31 + size) & 255));
        assert.equal(b.send(message), true);
        assert.equal(b.driver.canSend, false);
        assert.equal(b.send("meanwhile"), false);
        assert.ok(
          b.run(5000, () => b.received.at(-1) === message),
          `${size} bytes came back`,
        );
        assert.equal(b.arrived.at(-1), message);
      }
      assert.deepEqual(
        b.outcomes,
        sizes.map(() => "sent"),
      );
      assert.deepEqual([...b.driver.counters.entries()], [["sim-not-ready", 1]]);
      assert.equal(b.modem.counters.get("overrun"), 0);
      assert.throws(() => b.driver.send(new Uint8Array(b.driver.maxDatagram + 1), 0), RangeError);
      assert.throws(() => b.driver.send(new Uint8Array(0), 0), RangeError);
    });
  }

  it("takes nothing before it is ready", () => {
    const b = bench();
    assert.equal(b.send("early"), false);
    b.start();
    assert.equal(b.send("early"), false);
    b.until("registering");
    assert.equal(b.driver.canSend, false);
  });

  it("keeps the order of what it is given one after the other", () => {
    const b = ready();
    for (let i = 0; i < 20; i++) {
      b.run(5000, () => b.driver.canSend);
      assert.equal(b.send(`message ${i}`), true);
    }
    b.run(5000);
    assert.deepEqual(
      b.arrived,
      Array.from({ length: 20 }, (_, i) => `message ${i}`),
    );
    assert.equal(b.driver.activity.sent, 20);
    assert.equal(b.driver.activity.received, 20);
  });

  it("asks the modem for nothing between events but a check now and then", () => {
    const b = ready();
    const before = b.modem.counters.get("commands");
    b.run(60 * MINUTE);
    const perCheck = (b.modem.counters.get("commands") - before) / 60;
    assert.ok(perCheck <= 6, `${perCheck} commands a minute`);
  });

  it("switches off in order, and not before the modem was awake for its time", () => {
    const b = ready({ modem: { settings: { registration: 1000 } } });
    b.stop();
    assert.ok(b.until("off", 10 * MINUTE));
    assert.equal(b.modem.state, "off");
    assert.equal(b.modem.counters.get("early-power-off"), 0);
    assert.equal(b.log.filter((line) => line.includes("CPWROFF")).length, 1);
    b.start();
    assert.ok(b.until("ready"), "starts again");
  });

  it("switches off by PWR_ON what does not answer +CPWROFF", () => {
    const b = ready();
    b.modem.fault({ kind: "error", match: "+CPWROFF", count: 1, code: 3 });
    b.stop();
    assert.ok(b.until("off"));
    assert.equal(b.modem.state, "off");
    assert.equal(b.driver.counters.get("power-off-by-line"), 1);
  });

  it("reports a datagram in hand as refused when it is stopped", () => {
    const b = ready();
    b.send("in hand");
    b.stop();
    assert.deepEqual(b.outcomes, ["refused"]);
  });

  it("works without any line but the UART", () => {
    const b = bench({ without: ["powerOn", "reset", "vInt"] });
    b.modem.switchOn();
    b.start();
    assert.ok(b.until("ready"));
    b.stop();
    assert.ok(b.until("off"));
    assert.equal(b.modem.state, "off");
  });

  it("finds a modem that is on already, without echo and with open sockets, and cleans up", () => {
    const b = ready();
    b.run(1000);
    b.modem.core.sockets.create(17);
    b.modem.core.sockets.create(17);
    const starts = b.modem.counters.get("starts");
    b.restartHost();
    assert.ok(b.until("ready"));
    assert.deepEqual(b.modem.sockets, [0]);
    assert.equal(b.driver.counters.get("socket-left-over"), 3);
    assert.equal(b.modem.counters.get("starts"), starts, "without restarting it");
    b.send("hello");
    b.run(3000);
    assert.deepEqual(b.received, ["hello"]);
  });

  it("resolves the server's name", () => {
    const b = bench({ config: { server: { host: "server.example", port: 5683 } } });
    b.internet.names.set("server.example", "192.0.2.1");
    b.start();
    assert.ok(b.until("ready"));
    b.send("by name");
    b.run(3000);
    assert.deepEqual(b.received, ["by name"]);
  });

  it("goes on asking for a name that is not known yet", () => {
    const b = bench({ config: { server: { host: "server.example", port: 5683 } } });
    b.start();
    assert.equal(b.until("ready", 60_000), false);
    assert.ok(b.driver.counters.get("dns-failed") > 0);
    b.internet.names.set("server.example", "192.0.2.1");
    assert.ok(b.until("ready"));
  });

  it("takes datagrams from its server only", () => {
    const b = ready();
    b.send("hello");
    b.run(2000);
    const to = { address: b.network.address, port: b.network.portOf(0)! };
    b.internet.sendTo({ address: "203.0.113.9", port: 5683 }, to, Uint8Array.of(1, 2, 3));
    b.internet.sendTo({ address: "192.0.2.1", port: 5684 }, to, Uint8Array.of(1, 2, 3));
    b.run(2000);
    assert.deepEqual(b.received, ["hello"]);
    assert.equal(b.driver.counters.get("datagram-from-stranger"), 2);
  });

  it("binds the socket where it is told to", () => {
    const b = ready({ config: { localPort: 40000 } });
    assert.equal(b.network.portOf(0), 40000);
  });

  it("enters the PIN once and a wrong one never again", () => {
    const right = ready({ config: { simPin: "1234" }, modem: { settings: { pin: "1234" } } });
    assert.equal(right.modem.counters.get("wrong-pin"), 0);
    const wrong = bench({ config: { simPin: "9999" }, modem: { settings: { pin: "1234" } } });
    wrong.start();
    wrong.run(24 * 60 * MINUTE);
    assert.equal(wrong.modem.counters.get("wrong-pin"), 1);
    assert.equal(wrong.modem.stored.pinTries, 2);
    assert.ok(wrong.driver.counters.get("sim-pin-refused") > 0);
    assert.ok(
      wrong.log.every((line) => !line.includes("9999")),
      "the PIN is not logged",
    );
  });

  it("says that a PIN is missing, and goes on once somebody has entered it", () => {
    const b = bench({ modem: { settings: { pin: "1234" } } });
    b.start();
    b.run(5 * MINUTE);
    assert.ok(b.driver.counters.get("sim-pin-missing") > 0);
    b.modem.core.volatile.pinEntered = true;
    b.modem.core.updateSim();
    assert.ok(b.until("ready"));
  });

  it("leaves a SIM alone that wants its PUK", () => {
    const b = bench({ config: { simPin: "1234" }, modem: { settings: { pin: "1234" } } });
    b.modem.stored.pinTries = 0;
    b.start();
    b.run(60 * MINUTE);
    assert.ok(b.driver.counters.get("sim-locked") > 0);
    assert.ok(!b.log.some((line) => line.includes("+CPIN=")));
    assert.equal(b.driver.counters.get("reboots"), 0);
  });

  it("sets profile, technology and APN together, and only once", () => {
    const b = ready({ config: { operatorProfile: 100, rat: ["nb-iot", "lte-m"] } });
    assert.equal(b.modem.stored.profile, 100);
    assert.deepEqual(b.modem.stored.rats, [8, 7]);
    assert.equal(b.modem.stored.contexts.get(1)?.apn, "iot.example");
    assert.equal(b.driver.signal.rat, "nb-iot");
    const reboots = b.driver.counters.get("reboots");
    assert.equal(reboots, 1);
    b.stop();
    b.until("off");
    b.start();
    assert.ok(b.until("ready"));
    assert.equal(b.driver.counters.get("reboots"), reboots, "what is stored is not set again");
  });

  it("switches off the PSM and eDRX that an operator profile has brought along", () => {
    const b = ready({ config: { operatorProfile: 100 } });
    assert.equal(b.modem.stored.psm.on, false);
    assert.equal(b.modem.stored.edrx.size, 0);
    assert.ok(b.run(30 * MINUTE, () => b.modem.state !== "on") === false, "it stays awake");
  });

  it("does not reboot for ever over a setting that the modem does not keep", () => {
    const b = bench({ config: { operatorProfile: 5 } });
    b.start();
    // Each +UMNOPROF is taken and forgotten.
    b.modem.fault({ kind: "ok-without-data", match: "+UMNOPROF=", count: 1000 });
    assert.ok(b.until("ready", 30 * MINUTE));
    assert.ok(b.driver.counters.get("reboots") <= 2);
    assert.equal(b.driver.counters.get("setting-not-kept"), 1);
  });

  it("works at another speed, and finds the modem again after a reset to the default one", () => {
    const b = ready({ config: { baud: 460800 } });
    b.modem.fault({ kind: "reset" });
    b.run(3 * MINUTE);
    assert.ok(b.until("ready"));
    b.send("fast");
    b.run(3000);
    assert.deepEqual(b.received, ["fast"]);
    assert.equal(b.driver.counters.get("reboots"), 0, "listening at both speeds was enough");
  });

  for (const name of Object.keys(FIRMWARE)) {
    it(`works with firmware ${name}`, () => {
      const rat = name.startsWith("r412m") ? { config: { rat: ["gprs"] as const } } : {};
      const b = ready({ ...rat, modem: { firmware: FIRMWARE[name] } });
      for (const message of ["one", "two", "three"]) {
        assert.equal(b.send(message), true);
        b.run(5000);
      }
      assert.deepEqual(b.received, ["one", "two", "three"]);
      b.modem.cellular.setCoverage(false);
      b.run(2 * MINUTE);
      assert.equal(b.driver.state, "registering");
      b.modem.cellular.setCoverage(true);
      assert.ok(b.until("ready"));
      b.send("four");
      b.run(5000);
      assert.equal(b.received.at(-1), "four");
    });
  }
});

describe("SARA-R4 driver: power saving", () => {
  const powerSaving = { periodicUpdate: 3600, activeTime: 10 };

  it("reads back what the network grants, and sleeps with the modem", () => {
    const b = ready({ config: { powerSaving }, modem: { settings: { grantedActiveTime: 20 } } });
    assert.deepEqual(b.driver.granted, { periodicUpdate: 3600, activeTime: 20 });
    b.send("before sleep");
    b.run(5000);
    assert.ok(b.until("asleep", 5 * MINUTE));
    assert.equal(b.modem.state, "asleep");
    assert.equal(b.driver.canSend, true);
    const starts = b.modem.counters.get("starts");
    b.run(60 * MINUTE);
    assert.equal(b.modem.counters.get("starts"), starts, "nothing wakes it but a datagram");
  });

  for (const without of [[], ["vInt"]] as const) {
    it(`wakes for a datagram and sleeps again${without.length > 0 ? ", also without V_INT" : ""}`, () => {
      const b = ready({ config: { powerSaving }, without });
      for (let i = 0; i < 3; i++) {
        assert.ok(b.until("asleep", 5 * MINUTE), `sleep ${i}`);
        b.run(10 * MINUTE);
        assert.equal(b.send(`wake ${i}`), true);
        assert.equal(b.send("second"), false, "one at a time");
        assert.ok(
          b.run(2 * MINUTE, () => b.received.at(-1) === `wake ${i}`),
          `answer ${i}`,
        );
      }
      assert.deepEqual(b.outcomes, ["sent", "sent", "sent"]);
      assert.equal(b.driver.activity.sleeps, 3);
      assert.equal(b.driver.counters.get("fault-deaf"), 0);
      assert.equal(b.modem.cellular.use.sessions, 3);
    });
  }

  it("sends several datagrams in one radio session", () => {
    const b = ready({ config: { powerSaving } });
    b.until("asleep", 5 * MINUTE);
    b.run(10 * MINUTE);
    const sessions = b.modem.cellular.use.sessions;
    for (let i = 0; i < 5; i++) {
      assert.ok(b.run(2 * MINUTE, () => b.driver.canSend));
      assert.equal(b.send(`batch ${i}`), true);
    }
    b.until("asleep", 5 * MINUTE);
    assert.equal(b.modem.cellular.use.sessions, sessions + 1);
    assert.equal(b.received.length, 5);
  });

  it("stays awake where the network grants no PSM", () => {
    const b = ready({ config: { powerSaving }, modem: { settings: { psm: false } } });
    assert.deepEqual(b.driver.granted, { periodicUpdate: undefined, activeTime: undefined });
    assert.equal(b.until("asleep", 60 * MINUTE), false);
    assert.equal(b.driver.state, "ready");
  });

  it("stays awake where a PIN blocks PSM", () => {
    const b = ready({ config: { powerSaving, simPin: "1234" }, modem: { settings: { pin: "1234" } } });
    assert.equal(b.until("asleep", 60 * MINUTE), false);
  });

  it("gives a datagram back when the network is gone on waking", () => {
    const b = ready({ config: { powerSaving } });
    b.until("asleep", 5 * MINUTE);
    b.modem.cellular.setCoverage(false);
    b.send("nowhere");
    b.run(5 * MINUTE);
    assert.deepEqual(b.outcomes, ["refused"]);
    b.modem.cellular.setCoverage(true);
    assert.ok(b.run(60 * MINUTE, () => b.driver.canSend));
    b.send("again");
    b.run(5 * MINUTE);
    assert.deepEqual(b.received, ["again"]);
  });

  it("asks for eDRX", () => {
    const b = ready({ config: { edrx: { rat: "lte-m", cycle: 81.92 } } });
    assert.equal(b.modem.stored.edrx.get(4), "0101");
    b.send("answered in the next paging window, or in this connection");
    assert.ok(b.run(3 * MINUTE, () => b.received.length === 1));
  });

  it("wakes a sleeping UART whose first character is lost", () => {
    const b = ready({ config: { uartSleep: true } });
    for (let i = 0; i < 5; i++) {
      b.run(30_000);
      b.send(`after silence ${i}`);
      assert.ok(
        b.run(20_000, () => b.received.length === i + 1),
        `answer ${i}`,
      );
    }
    assert.equal(b.driver.counters.get("fault-deaf"), 0);
    assert.deepEqual(b.outcomes, ["sent", "sent", "sent", "sent", "sent"]);
  });
});
