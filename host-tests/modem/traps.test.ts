/** The traps that real drivers have met, one by one: each was somebody's night in the field. */

import assert from "node:assert/strict";
import { FIRMWARE } from "../../sim/modem/firmware.js";
import { type BenchOptions, bench } from "./bench.js";

const MINUTE = 60_000;

function ready(options: BenchOptions = {}) {
  const b = bench(options);
  b.start();
  assert.ok(b.until("ready"), `ready; ${b.log.slice(-20).join("\n")}`);
  return b;
}

type Bench = ReturnType<typeof bench>;

/** Sends and expects the server's echo. */
function roundTrip(b: Bench, message: string, within = 10_000): void {
  assert.ok(
    b.run(5 * MINUTE, () => b.driver.canSend),
    `can send "${message}"`,
  );
  assert.equal(b.send(message), true);
  assert.ok(
    b.run(within, () => b.received.includes(message)),
    `"${message}" came back; ${b.log.slice(-12).join("\n")}`,
  );
}

describe("trap 1: a URC in the middle of an answer or while typing", () => {
  for (const text of ["+UUSORF: 0,5", "+CEREG: 1", "+CREG: 2", "+UUSOCL: 5", "RING", "+UNKNOWN: 1,2,3"]) {
    it(`${text} between the lines of any answer`, () => {
      const b = bench();
      b.modem.fault({ kind: "urc-in-answer", match: "", count: 1000, text });
      b.start();
      assert.ok(b.until("ready"));
      roundTrip(b, "hello");
      b.run(5 * MINUTE);
      roundTrip(b, "again");
      assert.equal(b.driver.counters.get("fault-deaf"), 0);
    });
  }

  it("into the echo of a command that is being typed", () => {
    const b = bench();
    // Echo is on for the first commands after the start: that is where it can be torn.
    b.modem.fault({ kind: "urc-while-typing", count: 1000, text: "+CREG: 2" });
    b.start();
    assert.ok(b.until("ready"));
    roundTrip(b, "hello");
  });

  it("a storm of URCs delays but loses nothing", () => {
    const b = ready();
    b.modem.fault({ kind: "urc-storm", count: 500, interval: 15, text: "+CREG: 2" });
    roundTrip(b, "hello", 30_000);
  });
});

describe("trap 2: OK without the expected line", () => {
  for (const match of ["+CPIN?", "+CEREG?", "+CGATT?", "+USOCR", "+CGMM", "+CGDCONT?", "+CPSMS?", "+CFUN?"]) {
    it(`in the answer to ${match}`, () => {
      const b = bench();
      b.modem.fault({ kind: "ok-without-data", match, count: 2 });
      b.start();
      assert.ok(b.until("ready"));
      roundTrip(b, "hello");
    });
  }

  it("in the answer to +USOST: nobody knows what became of the datagram", () => {
    const b = ready();
    b.modem.fault({ kind: "ok-without-data", match: "+USOST", count: 1 });
    b.send("maybe");
    b.run(5000);
    assert.deepEqual(b.outcomes, ["unknown"]);
    roundTrip(b, "hello");
  });

  it("in the answer to +USORF: the datagram is read later", () => {
    const b = ready();
    b.modem.fault({ kind: "ok-without-data", match: "+USORF", count: 1 });
    roundTrip(b, "hello", 2 * MINUTE);
  });
});

describe("trap 3: no answer at all", () => {
  it("one command: after its own limit, AT; nothing more", () => {
    const b = ready();
    b.modem.fault({ kind: "no-answer", match: "+CEREG?", count: 1 });
    b.run(3 * MINUTE);
    assert.equal(b.driver.counters.get("no-answer"), 1);
    assert.equal(b.driver.counters.get("fault-deaf"), 0);
    assert.equal(b.driver.state, "ready");
    roundTrip(b, "hello");
  });

  it("a slow answer that comes after its limit is nobody else's answer", () => {
    const b = ready();
    b.modem.fault({ kind: "slow", match: "+CGATT?", count: 1, delay: 7000 });
    b.run(3 * MINUTE);
    roundTrip(b, "hello");
    assert.equal(b.driver.counters.get("fault-deaf"), 0);
  });

  it("a slow command within its own limit is waited for", () => {
    const b = ready();
    b.modem.fault({ kind: "slow", match: "+USOST", count: 1, delay: 9000 });
    roundTrip(b, "slowly", 20_000);
    assert.deepEqual(b.outcomes, ["sent"]);
    assert.equal(b.driver.counters.get("no-answer"), 0);
  });

  it("a silence that ends by itself needs no reset", () => {
    const b = ready();
    b.modem.fault({ kind: "silence", duration: 90_000 });
    b.run(5 * MINUTE);
    assert.equal(b.driver.counters.get("power-cycles"), 0);
    assert.equal(b.driver.counters.get("reset-line"), 0);
    roundTrip(b, "hello");
  });

  it("a locked-up modem is tried by AT, then CFUN, then PWR_ON, at last RESET_N", () => {
    const b = ready();
    b.modem.fault({ kind: "lock-up" });
    // A lock-up so hard that only RESET_N helps.
    const core = b.modem.core;
    const steps: string[] = [];
    core.shutDown = () => {
      steps.push("PWR_ON");
    };
    const cutPower = core.cutPower.bind(core);
    core.cutPower = () => {
      steps.push("RESET_N");
      cutPower();
    };
    assert.ok(b.run(60 * MINUTE, () => b.driver.state === "recovering"));
    assert.ok(b.until("ready", 60 * MINUTE));
    assert.deepEqual(steps, ["PWR_ON", "RESET_N"]);
    assert.equal(b.driver.counters.get("reboots"), 1);
    assert.equal(b.driver.counters.get("power-cycles"), 1);
    assert.equal(b.driver.counters.get("reset-line"), 1);
    roundTrip(b, "hello");
  });

  it("an ordinary lock-up is over after PWR_ON", () => {
    const b = ready();
    b.modem.fault({ kind: "lock-up" });
    b.run(2 * MINUTE);
    assert.ok(b.until("ready", 60 * MINUTE));
    assert.equal(b.driver.counters.get("reset-line"), 0);
    roundTrip(b, "hello");
  });

  it("a modem whose supply broke down is switched on again", () => {
    const b = ready();
    b.modem.fault({ kind: "power-cut" });
    b.run(2 * MINUTE);
    assert.ok(b.until("ready", 10 * MINUTE));
    assert.equal(b.driver.counters.get("reboots"), 0, "it was off, not ill");
    roundTrip(b, "hello");
  });

  it("a datagram in hand is given back when the modem falls silent", () => {
    const b = ready();
    b.modem.fault({ kind: "lock-up" });
    b.send("lost?");
    b.run(5 * MINUTE);
    assert.deepEqual(b.outcomes, ["unknown"]);
  });

  it("in binary mode, also when the prompt never comes", () => {
    const b = ready({ config: { mode: "binary" } });
    b.modem.fault({ kind: "no-answer", match: "+USOST", count: 1 });
    b.send("where is the prompt?");
    b.run(MINUTE);
    assert.deepEqual(b.outcomes, ["unknown"]);
    roundTrip(b, "hello");
    assert.equal(b.driver.counters.get("fault-deaf"), 0);
  });
});

describe("trap 4: a silent reset", () => {
  it("while idle: found by the check, and everything is set up again", () => {
    const b = ready();
    b.modem.fault({ kind: "reset" });
    b.run(3 * MINUTE);
    assert.equal(b.driver.counters.get("fault-restarted"), 1);
    assert.equal(b.driver.state, "ready");
    assert.equal(b.modem.core.volatile.hex, true);
    assert.equal(b.modem.core.volatile.reporting.get("+CEREG"), 2);
    assert.equal(b.modem.core.terminal.echo, false);
    roundTrip(b, "hello");
  });

  it("before a datagram: the datagram comes back or goes out, and is settled either way", () => {
    const b = ready();
    b.modem.fault({ kind: "reset" });
    b.run(20_000);
    b.send("after the reset");
    b.run(3 * MINUTE);
    assert.equal(b.outcomes.length, 1);
    assert.notEqual(b.outcomes[0], "sent");
    roundTrip(b, "hello");
  });

  for (const match of ["+USOST", "+USOCR", "+CEREG?", "+CESQ", "+USORF", "+CGDCONT", "+CPIN", ""]) {
    it(`in the middle of ${match === "" ? "any command" : match}`, () => {
      const b = bench();
      b.modem.fault({ kind: "reset-in-command", match, count: 1 });
      b.start();
      assert.ok(b.until("ready"));
      b.send("first");
      b.run(5 * MINUTE);
      assert.equal(b.outcomes.length, 1);
      roundTrip(b, "hello");
      assert.equal(b.driver.counters.get("reset-line"), 0);
    });
  }

  it("is noticed even if the modem comes back without echo", () => {
    const b = ready();
    b.modem.fault({ kind: "reset" });
    b.run(7000);
    b.modem.core.terminal.echo = false;
    b.run(3 * MINUTE);
    assert.equal(b.driver.counters.get("fault-restarted"), 1);
    roundTrip(b, "hello");
  });
});

describe("trap 5: registered but not attached, and the reverse", () => {
  it("packet service that needs +CGATT=1 gets it", () => {
    const b = bench();
    b.modem.cellular.attachStuck = true;
    b.start();
    assert.ok(b.until("ready"));
    assert.equal(b.driver.counters.get("attach-repaired"), 1);
    roundTrip(b, "hello");
  });

  it("a modem whose +CEREG says 0 while it is attached is believed by +COPS", () => {
    const b = ready({
      config: { rat: ["gprs"] },
      modem: { firmware: FIRMWARE["r412m-05.12"] },
    });
    roundTrip(b, "hello");
    assert.equal(b.driver.signal.rat, "gprs");
  });

  it("automatic selection that an earlier run has switched off is switched on", () => {
    const b = bench();
    b.modem.stored.selection = 2;
    b.start();
    assert.ok(b.until("ready"));
    assert.equal(b.driver.counters.get("selection-was-off"), 1);
    roundTrip(b, "hello");
  });

  it("a denial is believed after a while, counted, and outlasted", () => {
    const b = bench();
    b.modem.cellular.setDenied(true);
    b.start();
    b.run(60 * MINUTE);
    assert.ok(b.driver.counters.get("registration-denied") > 0);
    assert.ok(b.driver.counters.get("radio-toggled") > 0);
    b.modem.cellular.setDenied(false);
    assert.ok(b.until("ready", 60 * MINUTE));
    roundTrip(b, "hello");
  });
});

describe("trap 6: a SIM failure that goes away", () => {
  it("at the start: waited for", () => {
    const b = bench();
    b.modem.fault({ kind: "sim-failure", duration: 30_000 });
    b.start();
    assert.ok(b.until("ready"));
    assert.equal(b.driver.counters.get("reboots"), 0);
    assert.ok(b.driver.counters.get("sim-not-ready") > 1);
  });

  it("that does not go away for long: the modem is rebooted, patiently", () => {
    const b = bench();
    b.modem.fault({ kind: "sim-failure", duration: 10 * MINUTE });
    b.start();
    assert.ok(b.until("ready", 60 * MINUTE));
    assert.ok(b.driver.counters.get("fault-stuck") >= 1);
  });

  it("in the middle of service: registration is lost and found", () => {
    const b = ready();
    b.modem.fault({ kind: "sim-failure", duration: 60_000 });
    b.run(5 * MINUTE);
    assert.ok(b.until("ready", 30 * MINUTE));
    roundTrip(b, "hello");
  });
});

describe("trap 7: a datagram larger than the read", () => {
  for (const mode of ["hex", "binary"] as const) {
    it(`comes in parts and is put together (${mode})`, () => {
      const longest = mode === "hex" ? 512 : 1024;
      const answer = String.fromCharCode(...Array.from({ length: longest + 300 }, (_, i) => (i * 7) & 255));
      const b = ready({ config: { mode }, answer: () => Uint8Array.from(answer, (c) => c.charCodeAt(0)) });
      b.send("big please");
      assert.ok(b.run(10_000, () => b.received.length > 0));
      assert.deepEqual(b.received, [answer]);
    });
  }

  it("one as long as the read, and no more behind it, is whole", () => {
    const b = ready({ answer: () => new Uint8Array(512).fill(65) });
    b.send("exactly");
    assert.ok(b.run(10_000, () => b.received.length > 0));
    assert.deepEqual(b.received, ["A".repeat(512)]);
  });
});

describe("trap 8: several datagrams behind one URC", () => {
  for (const firmware of ["r410m-05.08", "r410m-05.06"]) {
    it(`all are read, whatever the URC counted (${firmware})`, () => {
      const b = ready({ modem: { firmware: FIRMWARE[firmware] }, answer: null });
      b.send("open the way");
      b.run(2000);
      const to = { address: b.network.address, port: b.network.portOf(0)! };
      // Five datagrams while the first read is still under way: no further URC for some of them.
      b.modem.fault({ kind: "drop-urcs", count: 4 });
      for (let i = 0; i < 5; i++)
        b.internet.sendTo({ address: "192.0.2.1", port: 5683 }, to, Uint8Array.of(65 + i));
      b.run(5000);
      assert.deepEqual(b.received, ["A", "B", "C", "D", "E"]);
    });
  }

  it("a datagram whose URC was lost is found soon after the next send, or by the check", () => {
    const b = ready();
    b.modem.fault({ kind: "drop-urcs", count: 1 });
    roundTrip(b, "hello", 10_000);
    b.modem.fault({ kind: "drop-urcs", count: 1 });
    const to = { address: b.network.address, port: b.network.portOf(0)! };
    b.internet.sendTo({ address: "192.0.2.1", port: 5683 }, to, Uint8Array.of(65));
    b.run(2 * MINUTE);
    assert.equal(b.received.at(-1), "A");
  });
});

describe("trap 9: +USOST refused while out of coverage, or accepted and lost", () => {
  it("refused: the datagram comes back, and service goes on with coverage", () => {
    const b = ready({ modem: { firmware: FIRMWARE["r410m-05.06"], settings: { lossDetection: 30_000 } } });
    b.modem.cellular.setCoverage(false);
    b.modem.fault({ kind: "error", match: "+USOST", count: 1, code: 3 });
    b.send("refused");
    b.run(2 * MINUTE);
    assert.deepEqual(b.outcomes, ["refused"]);
    assert.equal(b.driver.state, "registering");
    b.modem.cellular.setCoverage(true);
    roundTrip(b, "hello");
  });

  it("accepted and lost: after many datagrams without any answer the path is made anew", () => {
    const b = ready();
    b.modem.fault({ kind: "lose-sends", count: 12 });
    for (let i = 0; i < 14; i++) {
      assert.ok(b.run(10 * MINUTE, () => b.driver.canSend));
      b.send(`datagram ${i}`);
      b.run(20_000);
    }
    assert.ok(b.driver.counters.get("silent-path") >= 1);
    assert.equal(b.outcomes.length, 14);
    roundTrip(b, "hello");
  });

  it("a path that stays dead is met by a new socket, then the radio, then a reboot", () => {
    const b = ready({ answer: null });
    for (let i = 0; i < 60; i++) {
      if (b.run(20 * MINUTE, () => b.driver.canSend)) b.send(`${i}`);
      b.run(20_000);
    }
    const silences = b.driver.counters.get("silent-path");
    assert.ok(silences >= 3, `${silences} times`);
    assert.ok(b.log.some((line) => line.endsWith("> AT+CFUN=4")));
    assert.ok(b.driver.counters.get("reboots") >= 1);
    assert.equal(b.driver.state, "ready", "and it goes on all the same");
    assert.equal(b.arrived.length, b.outcomes.filter((outcome) => outcome === "sent").length);
  });

  it("refused again and again: the socket is made anew, then the modem is rebooted", () => {
    const b = ready();
    b.modem.fault({ kind: "error", match: "+USOST", count: 10, code: 3 });
    let tries = 0;
    while (tries++ < 40 && b.arrived.length === 0) {
      if (b.run(20 * MINUTE, () => b.driver.canSend)) b.send("again");
      b.run(5000);
    }
    assert.deepEqual(b.arrived, ["again"]);
    assert.ok(b.driver.counters.get("usost-failed") >= 10);
    assert.equal(
      b.log.filter((line) => line.endsWith("> AT+USOCR=17")).length,
      4,
      "two new ones, and one after the reboot",
    );
    assert.equal(b.driver.counters.get("reboots"), 1);
    assert.ok(tries < 20, `${tries} tries`);
  });

  it("a server that never answers (NON) can be told to the driver", () => {
    const b = ready({ config: { expectAnswers: false }, answer: null });
    for (let i = 0; i < 30; i++) {
      assert.ok(b.run(MINUTE, () => b.driver.canSend));
      b.send(`${i}`);
      b.run(20_000);
    }
    assert.equal(b.driver.counters.get("silent-path"), 0);
    assert.equal(b.arrived.length, 30);
  });
});

describe("trap 10: firmware before 05.08 locks up when sockets are opened in poor signal", () => {
  it("no socket is opened until the signal is better", () => {
    const b = bench({ modem: { firmware: FIRMWARE["r410m-05.06"], settings: { rsrp: -125 } } });
    b.start();
    b.run(2 * MINUTE);
    assert.equal(b.driver.state, "opening");
    assert.ok(b.driver.counters.get("weak-signal-waits") > 0);
    assert.equal(b.modem.counters.get("locked-up"), 0);
    b.modem.cellular.rsrp = -100;
    assert.ok(b.until("ready"));
    roundTrip(b, "hello");
  });

  it("it is tried in the end, and what comes of it is recovered from", () => {
    const b = bench({ modem: { firmware: FIRMWARE["r410m-05.06"], settings: { rsrp: -125 } } });
    b.start();
    b.run(30 * MINUTE);
    assert.ok(b.driver.counters.get("opened-in-weak-signal") > 0);
    assert.ok(b.modem.counters.get("locked-up") > 0);
    b.modem.cellular.rsrp = -100;
    assert.ok(b.until("ready", 60 * MINUTE));
    roundTrip(b, "hello");
  });

  it("newer firmware is not kept waiting", () => {
    ready({ modem: { settings: { rsrp: -125 } } });
  });
});

describe("trap 11: no hardware flow control on old firmware", () => {
  it("the longest datagrams lose no byte", () => {
    for (const mode of ["hex", "binary"] as const) {
      const b = ready({ config: { mode } });
      const message = "x".repeat(b.driver.maxDatagram);
      roundTrip(b, message);
      assert.equal(b.modem.counters.get("overrun"), 0);
    }
  });
});

describe("other things that a network does", () => {
  it("closes the socket: it is opened again", () => {
    const b = ready();
    b.modem.fault({ kind: "close-socket", socket: 0 });
    b.run(1000);
    assert.equal(b.driver.counters.get("socket-closed"), 1);
    roundTrip(b, "hello");
  });

  it("loses and finds coverage a hundred times", () => {
    const b = ready();
    for (let i = 0; i < 100; i++) {
      b.modem.cellular.setCoverage(false);
      b.run(((i * 7919) % 90) * 1000);
      b.modem.cellular.setCoverage(true);
      b.run(((i * 104729) % 90) * 1000);
    }
    assert.ok(b.until("ready", 30 * MINUTE));
    assert.equal(b.modem.sockets.length, 1);
    roundTrip(b, "hello");
  });

  it("is away for a week, and the radio is toggled less and less often", () => {
    const b = ready();
    b.modem.cellular.setCoverage(false);
    b.run(7 * 24 * 60 * MINUTE);
    const toggles = b.driver.counters.get("radio-toggled") + b.driver.counters.get("reboots");
    assert.ok(toggles < 7 * 24 * 3, `${toggles} in a week`);
    b.modem.cellular.setCoverage(true);
    assert.ok(b.until("ready", 60 * MINUTE));
    roundTrip(b, "hello");
  });

  it("garbage on the line does not disturb for long", () => {
    const b = ready();
    for (let i = 0; i < 50; i++) {
      b.modem.fault({ kind: "garbage", length: 1 + ((i * 37) % 300) });
      b.run(1777);
    }
    roundTrip(b, "hello", 2 * MINUTE);
  });
});
