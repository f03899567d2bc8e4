/**
 * What drivers that were not written here send when they start, and what they must hear. The sequences are facts about
 * those drivers; u-blox's own library and Arduino's MKRNB were also run as a whole against the pseudo-terminal.
 */

import assert from "node:assert/strict";
import { FIRMWARE } from "../../../sim/modem/firmware.js";
import { rig } from "./rig.js";

const OK = ["OK"];

/** Commands, and what their answer must match; by default OK alone. */
type Dialogue = readonly (string | readonly [string, RegExp])[];

const DRIVERS: Readonly<Record<string, Dialogue>> = {
  ubxlib: [
    "AT",
    "AT",
    ["ATE0", /OK$/],
    "AT+CMEE=2",
    "AT+UDCONF=1,0",
    ["ATI9", /^\S+ OK$/],
    "AT&C1",
    "AT&D0",
    "AT+CGEREP=1",
    "AT+UCGED=5",
    "AT&K0",
    "AT+UPSV=0",
    ["AT+CPSMS?", /^\+CPSMS: \d,,,"\d{8}","\d{8}" OK$/],
    ["AT+CEDRXS?", /^\+CEDRXS: ?OK$|^\+CEDRXS:/],
    ["AT+UMNOPROF?", /^\+UMNOPROF: \d+ OK$/],
    "AT+CFUN=4",
    "AT+CREG=2",
    "AT+CGREG=2",
    "AT+CEREG=4",
    ["AT+CIMI", /^\d{15} OK$/],
    'AT+CGDCONT=1,"IP","iot.example"',
    "AT+UAUTHREQ=1,0",
    ["AT+COPS?", /^\+COPS: \d/],
    "AT+CFUN=1",
    ["AT+UCGED?", /\+RSRP: .*\+RSRQ: .*OK$/],
  ],
  Zephyr: [
    "AT",
    ["ATE0", /OK$/],
    "AT+CFUN=0",
    "AT+CMEE=1",
    "AT+UGPIOC=23,0,0",
    "AT+CREG=1",
    "AT+UDCONF=1,1",
    ["AT+CGMI", /^u-blox OK$/],
    ["AT+CGMM", /^SARA-R41\S+ OK$/],
    ["AT+CGMR", /OK$/],
    ["AT+CGSN", /^\d{15} OK$/],
    'AT+CGDCONT=1,"IP","iot.example"',
    "AT+CFUN=1",
    ["AT+COPS=0,0", /^OK$/],
    ["AT+CESQ", /^\+CESQ: \d+,\d+,\d+,\d+,\d+,\d+ OK$/],
  ],
  MKRNB: [
    "AT",
    "AT+CMEE=0",
    "AT+UDCONF=1,1",
    "AT+CTZU=1",
    "AT+CMGF=1",
    ["AT+CPIN?", /^\+CPIN: READY OK$/],
    "AT+CFUN=1",
    'AT+CGDCONT=1,"IP","iot.example"',
    "AT+UAUTHREQ=1,0",
    ["AT+CEREG?", /^\+CEREG: 0,\d OK$/],
    ["AT+CCID", /^\+CCID: \d+ OK$/],
    ['AT+CLCK="SC",2', /^\+CLCK: 0 OK$/],
  ],
  Sodaq_R4X: [
    "AT",
    "ATE0",
    ["AT+CPSMS?", /OK$/],
    "AT+CPSMS=0",
    "AT+CEDRXS=0",
    "AT+UPSV=0",
    "AT+COPS=3,2",
    "AT+UDCONF=1,1",
    "AT+CEREG=2",
    ["AT+URAT?", /^\+URAT: \d/],
    ["AT+UBANDMASK?", /^\+UBANDMASK: 0,\d+,1,\d+ OK$/],
    ["AT+USVCDOMAIN?", /^\+USVCDOMAIN: \d OK$/],
    ["AT+CGDCONT?", /^\+CGDCONT: 1,"IP"/],
    ["AT+COPS?", /^\+COPS: 0/],
    ["AT+CCLK?", /^\+CCLK: "\d\d\/\d\d\/\d\d,\d\d:\d\d:\d\d\+00" OK$/],
  ],
  TinyGSM: [
    "AT",
    "ATE0",
    "AT+CMEE=0",
    ["AT+CGMI", /^u-blox OK$/],
    ["AT+CGMM", /OK$/],
    "AT+CTZU=1",
    ["AT+CPIN?", /READY/],
    ["AT+CEREG?", /^\+CEREG: \d,\d/],
    ["AT+CIND?", /^\+CIND: \d/],
  ],
  "FreeRTOS-Cellular": [
    "ATE0",
    ["AT+CPSMS?", /OK$/],
    "AT+CEDRXS=0,4",
    "AT&D0",
    "AT+IFC=2,2",
    "AT+CMEE=2",
    ["AT+UMNOPROF?", /^\+UMNOPROF: \d+ OK$/],
    "AT+COPS=2;+UMNOPROF=2",
    "AT+COPS=0",
    "AT+CFUN=1",
    "AT+COPS=3,2",
    "AT+CREG=2",
    "AT+CGREG=2",
    "AT+CEREG=2",
    "AT+CTZR=1",
    "AT+UPSMR=1",
    "AT+CMER=1,0,0,2,1",
    "AT+UCIND=2",
    'AT+CSGT=1,"RDY"',
  ],
  Particle: [
    "AT",
    "AT+CMEE=2",
    ["AT+IFC?", /^\+IFC: 2,2 OK$/],
    ["AT+UGPIOC?", /^\+UGPIOC: 16,255 .*OK$/],
    "AT+UGPIOC=23,1",
    ["AT+UGPIOR=23", /^\+UGPIOR: 23,\d OK$/],
    ["AT+CCID", /^\+CCID: \d+ OK$/],
    ["AT+CEMODE?", /^\+CEMODE: \d OK$/],
    ["AT+UPSV?", /^\+UPSV: 0 OK$/],
    "AT+CPSMS=0",
    "AT+CEDRXS=3,4",
    ["ATI9", /OK$/],
    "AT+CGEREP=1,0",
    "AT+CEREG=2",
    "ATH",
  ],
};

describe("drivers that were not written here", () => {
  for (const [name, dialogue] of Object.entries(DRIVERS)) {
    for (const [variant, firmware] of Object.entries(FIRMWARE)) {
      it(`${name} starts on ${variant} and hears what it expects`, () => {
        const t = rig({ firmware });
        t.modem.switchOn();
        t.run(9000);
        t.at("ATE0");
        for (const step of dialogue) {
          const [command, expected] = typeof step === "string" ? [step, undefined] : step;
          // Some end their lines in CR LF.
          const lines = t
            .at(name === "Zephyr" ? command : `${command}\r\n`, 3000)
            .filter((line) => !/^\+C(E|G)?REG: \d/.test(line) || command.endsWith("?"));
          if (expected === undefined) assert.deepEqual(lines, OK, command);
          else assert.match(lines.join(" "), expected, command);
        }
      });
    }
  }

  it("Zephyr's way to send: prompt in hex mode, digits as data", () => {
    const t = rig();
    const arrived: string[] = [];
    t.internet.listen("192.0.2.1", 5683, (datagram) => arrived.push(String.fromCharCode(...datagram)));
    t.attach();
    t.at("AT+UDCONF=1,1");
    assert.deepEqual(t.at("AT+USOCR=17,5000"), ["+USOCR: 0", "OK"]);
    t.take();
    t.type('AT+USOST=0,"192.0.2.1",5683,5\r');
    t.run(75);
    assert.equal(t.take(), "\r\n@");
    for (const digits of ["68", "65", "6c", "6c", "6f"]) t.type(digits);
    t.run(1000);
    assert.equal(t.take(), "\r\n+USOST: 0,5\r\n\r\nOK\r\n");
    assert.deepEqual(arrived, ["hello"]);
  });

  it("MKRNB's way to send: one line, upper-case hex; and to bind: +USOLI", () => {
    const t = rig();
    const arrived: string[] = [];
    t.internet.listen("192.0.2.1", 5683, (datagram) => arrived.push(String.fromCharCode(...datagram)));
    t.attach();
    t.at("AT+UDCONF=1,1");
    t.at("AT+USOCR=17");
    assert.deepEqual(t.at("AT+USOLI=0,2390"), ["OK"]);
    assert.equal(t.network.portOf(0), 2390);
    assert.deepEqual(t.at('AT+USOST=0,"192.0.2.1",5683,5,"68656C6C6F"', 1000), ["+USOST: 0,5", "OK"]);
    assert.deepEqual(arrived, ["hello"]);
    assert.deepEqual(t.at("AT+USOCL=0,1", 1000), ["OK", "+UUSOCL: 0"]);
  });
});
