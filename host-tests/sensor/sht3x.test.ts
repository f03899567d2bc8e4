import assert from "node:assert/strict";
import fc from "fast-check";
import { Sht3x, sht3xCrc } from "../../firmware/sensor/sht3x.js";
import { VirtualClock } from "../../sim/clock.js";
import { type Measurement, type Sht3xFault, Sht3xModel } from "../../sim/sensor/sht3x-model.js";

function setup(temperature = 23.7, humidity = 26.27) {
  const clock = new VirtualClock();
  const environment = { temperature, humidity };
  const model = new Sht3xModel({ clock, environment: () => environment });
  const sensor = new Sht3x({ sensor: { io: model.io }, wait: model.wait });
  return { clock, environment, model, sensor };
}

/** What the reading carries: 1/100 of the unit. */
const hundredths = (value: number) => Math.round(100 * value) / 100;

describe("SHT3x", () => {
  it("computes the data sheet's CRC (§4.12: 0xBEEF gives 0x92)", () => {
    assert.equal(sht3xCrc(Uint8Array.of(0xbe, 0xef), 0), 0x92);
    assert.equal(sht3xCrc(Uint8Array.of(9, 0, 0), 1), 0x81);
  });

  it("measures what the model put out, for any environment", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -45, max: 130, noNaN: true }),
        fc.double({ min: 0, max: 100, noNaN: true }),
        (temperature, humidity) => {
          const { sensor, model } = setup(temperature, humidity);
          const sample = sensor.sample();
          const measured = model.last as Measurement;
          assert.equal(hundredths(sample!.thermometer!.temperature), measured.temperature);
          assert.equal(hundredths(sample!.hygrometer!.humidity), measured.humidity);
          assert.ok(Math.abs(measured.temperature - temperature) < 0.0064);
          assert.ok(Math.abs(measured.humidity - humidity) < 0.0064);
        },
      ),
    );
  });

  it("does not wait in start and read", () => {
    for (const repeatability of ["low", "medium", "high"] as const) {
      const { sensor, model, clock } = setup();
      sensor.configure({ repeatability });
      assert.equal(sensor.deadline, Number.POSITIVE_INFINITY);
      assert.equal(sensor.start(clock.now()), true);
      assert.ok(sensor.deadline <= 16);
      assert.equal(sensor.read(sensor.deadline - 0.5), undefined);
      assert.equal(model.last, undefined);
      clock.run(sensor.deadline);
      const sample = sensor.read(clock.now());
      assert.equal(hundredths(sample!.thermometer!.temperature), model.last!.temperature);
      assert.equal(sensor.deadline, Number.POSITIVE_INFINITY);
      assert.equal(sensor.counters.get("missing"), 0);
    }
  });

  it("leaves out a field whose checksum is wrong, and counts", () => {
    const { sensor, model } = setup();
    model.inject("temperature-crc");
    const first = sensor.sample();
    assert.equal(first!.thermometer, undefined);
    assert.equal("thermometer" in first!, false);
    assert.ok(first!.hygrometer);
    model.inject("humidity-crc");
    const second = sensor.sample();
    assert.ok(second!.thermometer);
    assert.equal(second!.hygrometer, undefined);
    for (const fault of ["stuck-low", "floating"] as Sht3xFault[]) {
      model.inject(fault);
      assert.deepEqual(sensor.sample(), {});
    }
    assert.equal(sensor.counters.get("crc"), 6);
  });

  it("finds every error of one or two bits in a word", () => {
    for (let first = 0; first < 24; first++) {
      for (let second = first; second < 24; second++) {
        const bytes = Uint8Array.of(0xbe, 0xef, 0x92);
        bytes[first >> 3] ^= 1 << (first & 7);
        if (second !== first) bytes[second >> 3] ^= 1 << (second & 7);
        assert.notEqual(sht3xCrc(bytes, 0), bytes[2]);
      }
    }
  });

  it("says nothing when the sensor is missing, and measures again when it is back", () => {
    const { sensor, model } = setup();
    model.present = false;
    assert.equal(sensor.sample(), undefined);
    assert.equal(sensor.start(0), false);
    assert.equal(sensor.status(), undefined);
    assert.ok(sensor.counters.get("missing") >= 2);
    model.present = true;
    assert.ok(sensor.sample()!.thermometer);
  });

  it("gets over a single bus error: tries the command again, resets after a lost result", () => {
    const { sensor, model, clock } = setup();
    model.inject("nack"); // the command
    assert.ok(sensor.sample()!.thermometer);
    clock.run(100);
    sensor.start(clock.now());
    clock.run(sensor.deadline);
    model.inject("nack"); // the result
    assert.equal(sensor.read(clock.now()), undefined);
    clock.run(200);
    assert.ok(sensor.sample()!.thermometer);
    assert.equal(sensor.status()!.reset, true);
  });

  it("does not answer a read that comes too early", () => {
    const { model, clock } = setup();
    const bus = new model.io({ address: 0x44, hz: 400_000 });
    bus.write(Uint8Array.of(0x24, 0x00));
    clock.run(14.9);
    assert.throws(() => bus.read(6));
    assert.throws(() => bus.write(Uint8Array.of(0x24, 0x00)));
    clock.run(15);
    assert.equal(bus.read(6).length, 6);
    assert.throws(() => bus.read(6), "a result is there once");
    assert.throws(() => new model.io({ address: 0x45, hz: 400_000 }).read(6));
    bus.close();
    assert.throws(() => bus.write(Uint8Array.of(0x24, 0x00)));
  });

  it("reads and clears the status, and keeps the heater on over a reset", () => {
    const { sensor, model } = setup();
    assert.deepEqual(sensor.status(), { alert: false, heater: false, reset: true, commandFailed: false });
    assert.equal(sensor.clearStatus(), true);
    assert.equal(sensor.status()!.reset, false);
    sensor.configure({ heater: true });
    assert.equal(sensor.status()!.heater, true);
    sensor.reset();
    model.wait(2);
    assert.equal(sensor.status()!.heater, false);
    sensor.sample();
    assert.equal(sensor.status()!.heater, true);
    sensor.configure({ heater: false });
    assert.equal(sensor.status()!.heater, false);
    new model.io({ address: 0x44, hz: 400_000 }).write(Uint8Array.of(0x12, 0x34));
    assert.equal(sensor.status()!.commandFailed, true);
  });

  it("wants a wait function for sample only", () => {
    const { model } = setup();
    const sensor = new Sht3x({ sensor: { io: model.io } });
    assert.throws(() => sensor.sample(), /wait/);
    assert.equal(sensor.start(0), true);
  });
});
