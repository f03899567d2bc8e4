import assert from "node:assert/strict";
import fc from "fast-check";
import { AtLine } from "../../firmware/modem/at/line.js";
import { AtArgumentError } from "../../firmware/modem/at/writer.js";
import { resolveConfig } from "../../firmware/modem/config.js";
import { Network } from "../../firmware/modem/network.js";
import {
  decodeActiveTime,
  decodePeriodicUpdate,
  encodeActiveTime,
  encodeEdrxCycle,
  encodePeriodicUpdate,
} from "../../firmware/modem/power-saving.js";
import { locksUpInPoorSignal } from "../../firmware/modem/sockets.js";

function line(text: string): AtLine {
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  const one = new AtLine(bytes).set(0, bytes.length);
  one.after(text.slice(0, text.indexOf(":") + 1));
  return one;
}

describe("PSM timers (3GPP TS 24.008 §10.5.7.4, §10.5.7.4a)", () => {
  /** Seconds, T3412 extended: each unit, its end, and the step to the next. */
  const periodic: readonly (readonly [number, string])[] = [
    [2, "01100001"],
    [62, "01111111"],
    [90, "10000011"],
    [930, "10011111"],
    [1200, "10110100"],
    [3600, "00000110"],
    [36000, "00101010"],
    [432000, "01001100"],
    [1152000, "11000001"],
  ];
  /** Seconds, T3324. */
  const active: readonly (readonly [number, string])[] = [
    [0, "00000000"],
    [10, "00000101"],
    [62, "00011111"],
    [120, "00100010"],
    [720, "00101100"],
    [3600, "01001010"],
  ];

  for (const [seconds, bits] of periodic) {
    it(`periodic update of ${seconds} s is ${bits}`, () => {
      assert.equal(encodePeriodicUpdate(seconds), bits);
      assert.equal(decodePeriodicUpdate(bits), seconds);
    });
  }
  for (const [seconds, bits] of active) {
    it(`active time of ${seconds} s is ${bits}`, () => {
      assert.equal(encodeActiveTime(seconds), bits);
      assert.equal(decodeActiveTime(bits), seconds);
    });
  }

  it("never asks for less than was wanted, as long as the timer can say it", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 31 * 1152000 }),
        fc.integer({ min: 1, max: 31 * 360 }),
        (update, time) => {
          assert.ok(decodePeriodicUpdate(encodePeriodicUpdate(update))! >= update);
          assert.ok(decodeActiveTime(encodeActiveTime(time))! >= time);
        },
      ),
    );
    assert.equal(decodePeriodicUpdate(encodePeriodicUpdate(1e9)), 31 * 1152000);
    assert.equal(decodeActiveTime(encodeActiveTime(1e9)), 31 * 360);
  });

  it("knows deactivated timers and malformed ones", () => {
    for (const bits of ["11100000", "", "0101", "abcdefgh", "111111111"]) {
      assert.equal(decodePeriodicUpdate(bits), undefined);
      assert.equal(decodeActiveTime(bits), undefined);
    }
  });

  it("takes the shortest eDRX cycle that is long enough", () => {
    assert.equal(encodeEdrxCycle(5.12), "0000");
    assert.equal(encodeEdrxCycle(20.48), "0010");
    assert.equal(encodeEdrxCycle(21), "0011");
    assert.equal(encodeEdrxCycle(81.92), "0101");
    assert.equal(encodeEdrxCycle(99999), "1111");
  });
});

describe("network state", () => {
  it("tells the URC of +CEREG from the answer to a query", () => {
    const network = new Network();
    assert.equal(network.onCereg(line("+CEREG: 4")), false);
    assert.equal(network.stat, 4);
    assert.equal(network.onCereg(line("+CEREG: 2,4")), true);
    assert.equal(network.reporting, 2);
    assert.equal(network.onCereg(line('+CEREG: 1,"3A9B","01A0D101",7')), false);
    assert.deepEqual(
      [network.stat, network.area, network.cell, network.rat],
      [1, "3A9B", "01A0D101", "lte-m"],
    );
    assert.equal(network.onCereg(line('+CEREG: 2,5,"0001","0BB0",9')), true);
    assert.deepEqual([network.stat, network.area, network.cell, network.rat], [5, "0001", "0BB0", "nb-iot"]);
  });

  it("passes over the extra field that some firmware puts behind tac", () => {
    const network = new Network();
    network.onCereg(line('+CEREG: 4,1,"3A9B","0000","01A0D101",7,,,"00000000","00000000"'));
    assert.deepEqual(
      [network.stat, network.area, network.cell, network.rat],
      [1, "3A9B", "01A0D101", "lte-m"],
    );
  });

  it("reads RSRP from the sixth field of +CESQ", () => {
    const network = new Network();
    network.onCesq(line("+CESQ: 99,99,255,255,20,46"), 5);
    assert.equal(network.rsrp, -95);
    network.onCesq(line("+CESQ: 99,99,255,255,255,255"), 6);
    assert.equal(network.rsrp, undefined);
    network.onCesq(line("+CESQ: 99,99,255,255,0,0"), 7);
    assert.equal(network.rsrp, -141);
  });

  it("is usable only with packet service, and then by either sign of registration", () => {
    const network = new Network();
    network.onCereg(line("+CEREG: 2,1"));
    assert.equal(network.usable, false);
    network.attached = true;
    assert.equal(network.usable, true);
    network.onCereg(line("+CEREG: 2,0"));
    assert.equal(network.usable, false);
    assert.equal(network.onCops(line('+COPS: 0,0,"Testnet",0')), 0);
    assert.equal(network.usable, true);
    assert.equal(network.rat, "gprs");
    assert.equal(network.onCops(line("+COPS: 2")), 2);
    assert.equal(network.usable, false);
  });
});

describe("firmware versions", () => {
  it("knows those that lock up when a socket is opened in poor signal", () => {
    assert.equal(locksUpInPoorSignal("L0.0.00.00.05.06,A.02.01"), true);
    assert.equal(locksUpInPoorSignal("L0.0.00.00.05.06 [Feb 03 2018 13:00:41]"), true);
    assert.equal(locksUpInPoorSignal("L0.0.00.00.05.08,A.02.04"), false);
    assert.equal(locksUpInPoorSignal("L0.0.00.00.08.07,A.03.02"), false);
    assert.equal(locksUpInPoorSignal("M0.10.00.00.05.12,A.02.16"), false);
    assert.equal(locksUpInPoorSignal(undefined), false);
  });
});

describe("driver configuration", () => {
  const good = { apn: "iot.example", server: { host: "192.0.2.1", port: 5683 } };

  it("refuses what cannot stand in a command, naming the field", () => {
    const wrong: readonly (readonly [string, Parameters<typeof resolveConfig>[0]])[] = [
      ["apn", { ...good, apn: 'a"b' }],
      ["server.host", { ...good, server: { host: "a,b", port: 1 } }],
      ["server.port", { ...good, server: { host: "a", port: 70000 } }],
      ["server.port", { ...good, server: { host: "a", port: 1.5 } }],
      ["localPort", { ...good, localPort: 0 }],
      ["simPin", { ...good, simPin: "123456789" }],
    ];
    for (const [field, config] of wrong) {
      assert.throws(
        () => resolveConfig(config),
        (error: unknown) => error instanceof AtArgumentError && error.argument === field,
      );
    }
  });

  it("never shows a PIN in an error", () => {
    assert.throws(
      () => resolveConfig({ ...good, simPin: '12"34' }),
      (error: Error) => !error.message.includes("12"),
    );
  });
});
