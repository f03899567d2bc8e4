import assert from "node:assert/strict";
import { FIRMWARE } from "../../../sim/modem/firmware.js";
import { COMMANDS } from "../../../sim/modem/sara-r4-simulator.js";
import { rig } from "./rig.js";

/** A command and its answer, on a modem that is attached, echo off, +CMEE=2. */
const ANSWERS: readonly (readonly [string, readonly string[]])[] = [
  ["AT", ["OK"]],
  [
    "ATI",
    [
      "Manufacturer: u-blox",
      "Model: SARA-R410M-02B",
      "Revision: L0.0.00.00.05.08 [Apr 17 2019 19:34:02]",
      "IMEI: 004999010640000",
      "OK",
    ],
  ],
  ["ATI9", ["L0.0.00.00.05.08,A.02.04", "OK"]],
  ["AT&K0", ["OK"]],
  ["AT&C1&D0", ["OK"]],
  ["AT+CGMI", ["u-blox", "OK"]],
  ["AT+CGMM", ["SARA-R410M-02B", "OK"]],
  ["AT+CGMR", ["L0.0.00.00.05.08 [Apr 17 2019 19:34:02]", "OK"]],
  ["AT+CGSN", ["004999010640000", "OK"]],
  ["AT+CGSN=1", ['+CGSN: "004999010640000"', "OK"]],
  ["AT+CIMI", ["001010123456789", "OK"]],
  ["AT+CCID", ["+CCID: 8988211000000000004", "OK"]],
  ["AT+CCID?", ["+CCID: 8988211000000000004", "OK"]],
  ["AT+CPIN?", ["+CPIN: READY", "OK"]],
  ['AT+CLCK="SC",2', ["+CLCK: 0", "OK"]],
  ["AT+CMEE?", ["+CMEE: 2", "OK"]],
  ["AT+CFUN?", ["+CFUN: 1,0", "OK"]],
  ["AT+COPS?", ['+COPS: 0,0,"Testnet",7', "OK"]],
  ["AT+COPS=3,2", ["OK"]],
  ["AT+COPS?", ['+COPS: 0,2,"00101",7', "OK"]],
  ["AT+CEREG?", ["+CEREG: 0,1", "OK"]],
  ["AT+CEREG=2;+CEREG?", ['+CEREG: 2,1,"3A9B","01A0D101",7', "OK"]],
  ["AT+CEREG=4;+CEREG?", ['+CEREG: 4,1,"3A9B","0000","01A0D101",7,,,"11100000","00000000"', "OK"]],
  ["AT+CEREG=?", ["+CEREG: (0-5)", "OK"]],
  ["AT+CREG?", ["+CREG: 0,1", "OK"]],
  ["AT+CGREG?", ["+CGREG: 0,4", "OK"]],
  ["AT+CGATT?", ["+CGATT: 1", "OK"]],
  ["AT+CGACT?", ["+CGACT: 1,1", "OK"]],
  ['AT+CGDCONT=1,"IP","iot.example"', ["OK"]],
  ["AT+CGDCONT?", ['+CGDCONT: 1,"IP","iot.example","10.64.0.1",0,0,0,0', "OK"]],
  ["AT+CGPADDR=1", ["+CGPADDR: 1,10.64.0.1", "OK"]],
  ["AT+CSQ", ["+CSQ: 19,99", "OK"]],
  ["AT+CESQ", ["+CESQ: 99,99,255,255,20,46", "OK"]],
  ["AT+UMNOPROF?", ["+UMNOPROF: 0", "OK"]],
  ["AT+URAT?", ["+URAT: 7,8", "OK"]],
  ["AT+UDCONF=1", ["+UDCONF: 1,0", "OK"]],
  ["AT+UDCONF=1,1", ["OK"]],
  ["AT+UDCONF=1", ["+UDCONF: 1,1", "OK"]],
  ["AT+UDCONF=1,0", ["OK"]],
  ["AT+CPSMS?", ['+CPSMS: 0,,,"01100000","00000000"', "OK"]],
  ["AT+UCPSMS?", ['+UCPSMS: 0,,,"00000000","00000000"', "OK"]],
  ["AT+CEDRXS?", ["+CEDRXS:", "OK"]],
  ['AT+CEDRXS=1,4,"0101"', ["OK"]],
  ["AT+CEDRXS?", ['+CEDRXS: 4,"0101"', "OK"]],
  ["AT+CEDRXRDP", ['+CEDRXRDP: 4,"0101","0101","0011"', "OK"]],
  ["AT+CEDRXS=0", ["OK"]],
  ["AT+UPSV?", ["+UPSV: 0", "OK"]],
  ["AT+IPR?", ["+IPR: 115200", "OK"]],
  ["AT+USOER", ["+USOER: 0", "OK"]],
  ["AT+CEER", ['+CEER: 0,0,0,"No cause information available"', "OK"]],
  ["AT+CPAS", ["+CPAS: 0", "OK"]],
  // not there, or not so
  ["AT+NOPE", ["ERROR"]],
  ["AT+UPSD=0,0,0", ["ERROR"]],
  ["AT+USOCR=99", ["+CME ERROR: Incorrect parameters"]],
  ["AT+USOCR=6", ["+CME ERROR: operation not supported"]],
  ["AT+USOCL=0", ["+CME ERROR: operation not allowed"]],
  ["AT+USORF=0,10", ["+CME ERROR: operation not allowed"]],
  ['AT+USOST=0,"192.0.2.1",5683,1,"A"', ["+CME ERROR: operation not allowed"]],
  ["AT+CFUN=99", ["+CME ERROR: Incorrect parameters"]],
  ["AT+IPR=12345", ["+CME ERROR: Incorrect parameters"]],
  ["AT+UMNOPROF=1", ["+CME ERROR: operation not allowed"]],
  ['AT+CPSMS=1,,,"abc","00000000"', ["+CME ERROR: Incorrect parameters"]],
];

describe("simulated modem: commands", () => {
  const t = rig();
  before(() => t.attach());
  for (const [command, answer] of ANSWERS) {
    it(`${command} → ${answer.join(" ")}`, () => {
      assert.deepEqual(t.at(command), answer);
    });
  }

  it("answers errors as +CMEE says", () => {
    t.at("AT+CMEE=0");
    assert.deepEqual(t.at("AT+USOCL=5"), ["ERROR"]);
    t.at("AT+CMEE=1");
    assert.deepEqual(t.at("AT+USOCL=5"), ["+CME ERROR: 3"]);
    t.at("AT+CMEE=2");
    assert.deepEqual(t.at("AT+USOCL=5"), ["+CME ERROR: operation not allowed"]);
  });

  it("stops a line at its first error, and says what came before it", () => {
    assert.deepEqual(t.at("AT+CSQ;+NOPE;+CESQ"), ["+CSQ: 19,99", "ERROR"]);
  });

  it("answers every command that it knows, in each form, with one final result", () => {
    for (const name of COMMANDS.names) {
      for (const form of ["", "?", "=?", "=", "=0", "=1", '="x"', "=0,0", '=9,9,9,"zz"']) {
        const u = rig();
        u.attach();
        const lines = u.at(name.startsWith("+") ? `AT${name}${form}` : `AT${name}`, 30_000);
        const finals = lines.filter(
          (line) => line === "OK" || line === "ERROR" || line.startsWith("+CME ERROR"),
        );
        if (name === "Q" || (name === "+CFUN" && lines.length === 0)) continue;
        if (name === "V") continue;
        assert.equal(finals.length, 1, `${name}${form}: ${lines.join(" | ")}`);
      }
    }
  }).timeout(20_000);

  it("asks the network for operators and takes its time", () => {
    assert.deepEqual(t.at("AT+COPS=?", 10_000), []);
    t.run(10_000);
    assert.match(t.take(), /\+COPS: \(2,"Testnet","Testnet","00101",7\)/);
  });

  it("tells the models apart", () => {
    for (const firmware of Object.values(FIRMWARE)) {
      const u = rig({ firmware });
      u.boot();
      assert.deepEqual(u.at("AT+CGMM"), [firmware.model, "OK"]);
      assert.deepEqual(u.at("ATI9"), [firmware.application, "OK"]);
      assert.deepEqual(
        u.at("AT+URAT=?")[0],
        `+URAT: (${firmware.rats.join(",")}),(${firmware.rats.join(",")})`,
      );
    }
  });
});

describe("simulated modem: SIM", () => {
  it("reports failure until it is ready", () => {
    const t = rig({ settings: { simReady: 5000 } });
    t.modem.switchOn();
    t.run(7000);
    t.at("AT+CMEE=2");
    assert.deepEqual(t.at("ATE0"), ["ATE0", "OK"]);
    assert.deepEqual(t.at("AT+CPIN?"), ["+CME ERROR: SIM failure"]);
    assert.deepEqual(t.at("AT+CIMI"), ["+CME ERROR: SIM failure"]);
    t.run(5000);
    assert.deepEqual(t.at("AT+CPIN?"), ["+CPIN: READY", "OK"]);
  });

  it("asks for its PIN, for its PUK after three wrong ones, and takes a new PIN with it", () => {
    const t = rig({ settings: { pin: "1234" } });
    t.boot();
    assert.deepEqual(t.at("AT+CPIN?"), ["+CPIN: SIM PIN", "OK"]);
    assert.deepEqual(t.at("AT+CIMI"), ["+CME ERROR: SIM PIN required"]);
    for (let i = 0; i < 3; i++) assert.deepEqual(t.at('AT+CPIN="0000"'), ["+CME ERROR: incorrect password"]);
    assert.deepEqual(t.at("AT+CPIN?"), ["+CPIN: SIM PUK", "OK"]);
    assert.deepEqual(t.at('AT+CPIN="12345678","4321"'), ["OK"]);
    assert.deepEqual(t.at("AT+CPIN?"), ["+CPIN: READY", "OK"]);
    assert.deepEqual(t.at('AT+CPIN="4321"'), ["+CME ERROR: operation not allowed"]);
    assert.deepEqual(t.at('AT+CPWD="SC","0000","1111"'), ["+CME ERROR: incorrect password"]);
    assert.deepEqual(t.at('AT+CPWD="SC","4321","1111"'), ["OK"]);
    assert.deepEqual(t.at('AT+CLCK="SC",0,"4321"'), ["+CME ERROR: incorrect password"]);
    assert.deepEqual(t.at('AT+CLCK="SC",2'), ["+CLCK: 1", "OK"]);
    assert.deepEqual(t.at('AT+CLCK="SC",0,"1111"'), ["OK"]);
    assert.deepEqual(t.at('AT+CLCK="SC",2'), ["+CLCK: 0", "OK"]);
  });
});
