import assert from "node:assert/strict";
import { rig } from "./rig.js";

type Rig = ReturnType<typeof rig>;

function pulse(t: Rig, line: "powerOn" | "reset", milliseconds: number): void {
  t.modem[line].write(false);
  t.run(milliseconds);
  t.modem[line].write(true);
}

describe("simulated modem: power", () => {
  it("starts with a pulse on PWR_ON: V_INT within a second, junk, AT after 6 s", () => {
    const t = rig();
    assert.equal(t.modem.vInt.read(), false);
    pulse(t, "powerOn", 100);
    t.run(2000);
    assert.equal(t.modem.state, "off", "too short");
    pulse(t, "powerOn", 300);
    t.run(1000);
    assert.equal(t.modem.vInt.read(), true);
    assert.deepEqual(t.at("AT", 1000), []);
    t.run(2000);
    assert.equal(t.take(), "\0\0");
    t.run(3000);
    assert.deepEqual(t.at("AT"), ["AT", "OK"]);
  });

  it("does not mind a short pulse while it is on, and goes off after a long one", () => {
    const t = rig();
    t.boot();
    pulse(t, "powerOn", 300);
    t.run(1000);
    assert.equal(t.modem.state, "on");
    pulse(t, "powerOn", 2000);
    assert.equal(t.modem.state, "stopping");
    t.run(5000);
    assert.equal(t.modem.state, "off");
    assert.equal(t.modem.vInt.read(), false);
  });

  it("is off after a pulse that goes on and on, whatever it was before", () => {
    const t = rig();
    pulse(t, "powerOn", 4000);
    t.run(5000);
    assert.equal(t.modem.vInt.read(), false);
  });

  it("is off after RESET_N was low for 10 s, and not before", () => {
    const t = rig();
    t.boot();
    pulse(t, "reset", 9000);
    t.run(2000);
    assert.equal(t.modem.state, "on");
    pulse(t, "reset", 10_500);
    assert.equal(t.modem.state, "off");
  });

  it("answers +CPWROFF first and is off then", () => {
    const t = rig();
    t.boot();
    assert.deepEqual(t.at("AT+CPWROFF", 1000), []);
    t.run(1500);
    assert.equal(t.take(), "\r\nOK\r\n");
    t.run(4000);
    assert.equal(t.modem.state, "off");
    assert.equal(t.modem.counters.get("early-power-off"), 1, "before its 30 s");
    t.modem.switchOn();
    t.run(40_000);
    t.at("AT+CPWROFF", 10_000);
    assert.equal(t.modem.counters.get("early-power-off"), 1);
  });

  it("reboots by +CFUN=15 and forgets what a restart forgets", () => {
    const t = rig();
    t.attach();
    t.at("AT+CEREG=2");
    t.at('AT+CGDCONT=1,"IP","iot.example"');
    assert.deepEqual(t.at("AT+CFUN=15", 100), ["OK"]);
    t.run(7000);
    t.take();
    assert.deepEqual(t.at("AT+CEREG?"), ["AT+CEREG?", "+CEREG: 0,0", "OK"], "echo on, form 0, no SIM yet");
    assert.match(t.at("AT+CGDCONT?")[1], /"iot.example"/);
    t.run(20_000);
    assert.equal(t.at("AT+CEREG?")[1], "+CEREG: 0,1");
  });

  it("says its greeting when it has one", () => {
    const t = rig();
    t.boot();
    t.at('AT+CSGT=1,"RDY"');
    t.at("AT+CFUN=15", 7000);
    t.modem.fault({ kind: "reset" });
    t.run(7000);
    assert.match(t.take(), /\r\nRDY\r\n/);
  });
});

describe("simulated modem: PSM", () => {
  /** T3324 = 10 s, T3412 = 1 h. */
  const SLEEPY = 'AT+CPSMS=1,,,"00000110","00000101"';

  it("begins after 6 s of silence and T3324, once it is registered, from the next start on", () => {
    const t = rig();
    t.attach();
    t.at(SLEEPY);
    t.run(60_000);
    assert.equal(t.modem.state, "on", "only after a restart");
    t.at("AT+CFUN=15", 100);
    t.run(6500);
    assert.equal(t.modem.state, "on");
    t.run(9000);
    t.at("AT+UPSMR=1");
    assert.deepEqual(t.at("AT+UCPSMS?").slice(-2), ['+UCPSMS: 1,,,"00000110","00000101"', "OK"]);
    t.run(15_000);
    assert.equal(t.modem.state, "on");
    t.run(4000);
    assert.equal(t.modem.state, "asleep");
    assert.match(t.take(), /\+UUPSMR: 1/);
    assert.equal(t.modem.vInt.read(), false);
    assert.deepEqual(t.at("AT", 1000), []);
    pulse(t, "powerOn", 300);
    t.run(7000);
    assert.equal(t.modem.state, "on");
    t.run(3000);
    assert.equal(t.at("AT+CEREG?")[1], "+CEREG: 0,1", "the network has kept it");
  });

  it("is blocked by a SIM with a PIN, and by a network without it", () => {
    for (const settings of [{ pin: "1234" }, { psm: false }]) {
      const t = rig({ settings });
      t.boot();
      t.at('AT+CPIN="1234"');
      t.at(SLEEPY);
      t.at("AT+CFUN=15", 8000);
      t.at('AT+CPIN="1234"');
      t.run(300_000);
      assert.equal(t.modem.state, "on");
    }
  });
});
