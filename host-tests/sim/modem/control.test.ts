import assert from "node:assert/strict";
import { ControlError, ModemControl, parseFault, parseScript } from "../../../sim/modem/control.js";
import { rig } from "./rig.js";

function controlled() {
  const t = rig();
  t.boot();
  return {
    ...t,
    control: new ModemControl(t.modem, (after, callback) => void t.clock.at(t.clock.now() + after, callback)),
  };
}

describe("modem control lines", () => {
  it("move pins, coverage, signal and settings", () => {
    const t = controlled();
    assert.equal(t.control.run("coverage off"), "ok");
    assert.equal(t.modem.cellular.coverage, false);
    t.control.run("signal -120.5");
    assert.equal(t.modem.cellular.rsrp, -120.5);
    t.control.run("set loss 0.25");
    assert.equal(t.modem.settings.loss, 0.25);
    t.control.run("denied on");
    t.control.run("attach-stuck");
    t.control.run("power off");
    assert.equal(t.modem.state, "stopping");
    t.run(5000);
    t.control.run("pulse power 300");
    t.run(1000);
    assert.equal(t.modem.state, "booting");
    t.control.run("power cut");
    assert.equal(t.modem.state, "off");
    t.control.run("power on");
    assert.equal(t.modem.state, "booting");
    t.control.run("pulse reset 11000");
    t.run(12_000);
    assert.equal(t.modem.state, "off");
    const status = JSON.parse(t.control.run("status"));
    assert.equal(status.power, "off");
    assert.equal(status.coverage, false);
    assert.match(t.control.run("help"), /coverage on \| off/);
    assert.equal(t.control.run("  "), "");
  });

  it("arm faults", () => {
    const t = controlled();
    t.control.run("fault error match=+CSQ count=2 code=13");
    assert.deepEqual(t.at("AT+CSQ"), ["+CME ERROR: SIM failure"]);
    t.control.run("faults clear");
    assert.equal(t.at("AT+CSQ").at(-1), "OK");
    t.control.run('fault urc-storm count=3 interval=5 text="+CREG: 1"');
    t.run(100);
    assert.equal(t.take(), "\r\n+CREG: 1\r\n".repeat(3));
  });

  it("say what is wrong with them", () => {
    const t = controlled();
    for (const bad of [
      "frobnicate",
      "coverage maybe",
      "coverage",
      "signal loud",
      "set nothing 1",
      "set loss x",
      "set operator 5",
      "power",
      "pulse light 5",
      "fault",
      "fault none",
      "fault reset count=1",
      "fault silence duration=long",
      "faults",
    ])
      assert.throws(() => t.control.run(bad), ControlError, bad);
  });

  it("fill in what a fault leaves out", () => {
    assert.deepEqual(parseFault("no-answer match=+USOST"), { kind: "no-answer", match: "+USOST", count: 1 });
    assert.deepEqual(parseFault("silence"), { kind: "silence", duration: 30_000 });
    assert.deepEqual(parseFault("power-cut"), { kind: "power-cut" });
  });

  it("come from scripts, each at its second", () => {
    assert.deepEqual(parseScript("# a comment\n30 coverage on\n\n 2.5  fault reset  # now\n"), [
      { at: 2500, command: "fault reset" },
      { at: 30_000, command: "coverage on" },
    ]);
    assert.throws(() => parseScript("1 ok\nsoon coverage on"), /line 2/);
  });
});
