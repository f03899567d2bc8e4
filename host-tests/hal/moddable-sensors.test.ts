/**
 * The SHTC3 and the Si7021 by Moddable's own drivers, as node images have them, over chips that are simulated at their
 * registers: commands, sleep, measuring times, checksums. Needs the SDK (MODDABLE).
 */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";
import type { SteppedHumidityTemperatureSensor } from "../../hal/hal.js";

const { MODDABLE } = process.env;
const DRIVERS = join(MODDABLE ?? "", "modules", "drivers", "sensors");
const FILES: Readonly<Record<string, string>> = {
  "embedded:sensor/Humidity-Temperature/SHTC3": join(DRIVERS, "shtc3", "shtc3.js"),
  "embedded:sensor/Humidity-Temperature/SI7020": join(DRIVERS, "si7020", "si7020.js"),
};

/** CRC-8 with polynomial 0x31, as Moddable's `crc` has it. */
class CRC8 {
  readonly #first: number;
  #crc: number;
  constructor(_polynomial: number, first = 0) {
    this.#first = first;
    this.#crc = first;
  }
  reset(): this {
    this.#crc = this.#first;
    return this;
  }
  checksum(bytes: Uint8Array): number {
    for (const byte of bytes) {
      this.#crc ^= byte;
      for (let bit = 0; bit < 8; bit++) this.#crc = ((this.#crc << 1) ^ (this.#crc & 0x80 ? 0x31 : 0)) & 0xff;
    }
    return this.#crc;
  }
}

/** A chip on the bus. A method that throws does not acknowledge. */
interface Chip {
  readonly address: number;
  write(bytes: Uint8Array): void;
  read(): Uint8Array;
}

let now = 0;
let chip: Chip | undefined;
/** Bits that are flipped in what chips say. */
let noise = 0;

class FakeI2C {
  readonly #address: number;
  constructor({ address }: { readonly address: number }) {
    this.#address = address;
  }
  #chip(): Chip {
    if (chip?.address !== this.#address) throw new Error("no acknowledge");
    return chip;
  }
  write(bytes: Uint8Array): void {
    this.#chip().write(bytes.slice());
  }
  read(into: Uint8Array): void {
    into.set(this.#chip().read().subarray(0, into.length));
    into[1]! ^= noise;
  }
  close(): void {}
}

function word(value: number, crcFirst: number): number[] {
  const bytes = [value >> 8, value & 0xff];
  return [...bytes, new CRC8(0x31, crcFirst).checksum(Uint8Array.from(bytes))];
}

/** Sensirion SHTC3 data sheet §5: asleep it knows only its wake-up; a measurement takes up to 12.1 ms (table 5). */
class Shtc3 implements Chip {
  readonly address = 0x70;
  #asleep = true;
  #ready = Number.POSITIVE_INFINITY;
  #answer: number[] = [];
  readonly #words: readonly number[];
  constructor(temperature: number, humidity: number) {
    this.#words = [((temperature + 45) / 175) * 65536, (humidity / 100) * 65536].map(Math.round);
  }
  write([high, low]: Uint8Array): void {
    const command = (high! << 8) | low!;
    if (this.#asleep && command !== 0x3517) throw new Error("asleep");
    this.#ready = now;
    if (command === 0x3517) this.#asleep = false;
    else if (command === 0xb098) this.#asleep = true;
    else if (command === 0xefc8) this.#answer = word(0x0887, 0xff);
    else if (command === 0x7ca2) {
      this.#ready = now + 12;
      this.#answer = this.#words.flatMap((value) => word(value, 0xff));
    } else if (command !== 0x805d) throw new Error(`unknown command ${command.toString(16)}`);
  }
  read(): Uint8Array {
    // Clock stretching: the bus waits for the rest of the measurement.
    now = Math.max(now, this.#ready);
    if (this.#asleep) throw new Error("asleep");
    return Uint8Array.from(this.#answer);
  }
}

/** Silicon Labs Si7021 data sheet §5.1: commands, two bytes and a checksum; 12 + 10.8 ms at 14 and 12 bits (table 2). */
class Si7021 implements Chip {
  readonly address = 0x40;
  #answer: number[] = [];
  #ready = Number.POSITIVE_INFINITY;
  readonly #temperature: number;
  readonly #humidity: number;
  constructor(temperature: number, humidity: number) {
    this.#temperature = Math.round(((temperature + 46.85) / 175.72) * 65536);
    this.#humidity = Math.round(((humidity + 6) / 125) * 65536);
  }
  write([command]: Uint8Array): void {
    if (command === 0xfe) return;
    if (command !== 0xe3 && command !== 0xe5) throw new Error(`unknown command ${command}`);
    this.#ready = now + 23;
    // The two lowest bits are status (§5.1).
    this.#answer = word(
      ((command === 0xe3 ? this.#temperature : this.#humidity) & 0xfffc) | (command === 0xe5 ? 2 : 0),
      0,
    );
  }
  read(): Uint8Array {
    now = Math.max(now, this.#ready);
    return Uint8Array.from(this.#answer);
  }
}

type Make = (name: unknown, pins: object) => SteppedHumidityTemperatureSensor | undefined;

/** hal/nrf52/sensor.ts with the SDK's drivers, and this file's bus and time. */
async function load(): Promise<Make> {
  const worldOf: Readonly<Record<string, unknown>> = {
    "embedded:io/i2c": FakeI2C,
    crc: CRC8,
    timer: {
      delay: (ms: number) => {
        now += ms;
      },
    },
  };
  const world: Plugin = {
    name: "the board's modules",
    setup(builder) {
      builder.onResolve({ filter: /^(embedded:.*|crc|timer)$/ }, ({ path }) =>
        FILES[path] === undefined ? { path, namespace: "world" } : { path: FILES[path] },
      );
      builder.onLoad({ filter: /.*/, namespace: "world" }, ({ path }) => ({
        contents: `export default world[${JSON.stringify(path)}];`,
      }));
    },
  };
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "..", "..", "hal", "nrf52", "sensor.ts")],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "sensor",
    plugins: [world],
  });
  return new Function("world", `${outputFiles[0]!.text}; return sensor.moddableSensor;`)(worldOf) as Make;
}

describe("sensors by Moddable's drivers", () => {
  let make: Make;

  before(async function () {
    if (MODDABLE === undefined || !Object.values(FILES).every(existsSync)) return this.skip();
    make = await load();
  });

  beforeEach(() => {
    noise = 0;
    chip = undefined;
  });

  const chips: readonly (readonly [string, new (temperature: number, humidity: number) => Chip])[] = [
    ["shtc3", Shtc3],
    ["si7021", Si7021],
  ];
  for (const [name, Kind] of chips) {
    it(`${name}: measures what its chip does, again and again`, () => {
      const sensor = make(name, { data: 26, clock: 27 })!;
      for (const [temperature, humidity] of [
        [21.37, 48.2],
        [-12.5, 91.75],
      ] as const) {
        chip = new Kind(temperature, humidity);
        assert.ok(sensor.start(now));
        const sample = sensor.read(now);
        assert.ok(Math.abs(sample!.thermometer!.temperature - temperature) < 0.02);
        assert.ok(Math.abs(sample!.hygrometer!.humidity - humidity) < 0.02);
      }
    });

    it(`${name}: says nothing without a chip, after a wrong checksum, or when the chip is pulled, and goes on after it`, () => {
      const sensor = make(name, { data: 26, clock: 27 })!;
      assert.equal(sensor.start(now), false);
      chip = new Kind(20, 50);
      assert.ok(sensor.start(now));
      noise = 0x10;
      const wrong = sensor.read(now);
      assert.deepEqual(
        [wrong?.thermometer?.temperature, wrong?.hygrometer?.humidity],
        [undefined, undefined],
      );
      noise = 0;
      assert.ok(sensor.start(now));
      assert.ok(sensor.read(now)?.thermometer !== undefined);
      chip = undefined;
      sensor.start(now);
      assert.equal(sensor.read(now), undefined);
      chip = new Kind(20, 50);
      assert.ok(sensor.start(now));
      assert.ok(Math.abs(sensor.read(now)!.hygrometer!.humidity - 50) < 0.02);
    });
  }

  it("knows no other", () => assert.equal(make("aht10", { data: 26, clock: 27 }), undefined));
});
