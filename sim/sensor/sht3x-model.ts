import type { I2C } from "../../hal/hal.js";
import type { VirtualClock } from "../clock.js";

/** What surrounds a sensor at a time: °C and %RH. */
export type Environment = (now: number) => { readonly temperature: number; readonly humidity: number };

/** What the chip put out in one measurement. */
export interface Measurement {
  /** When it was read, ms. */
  readonly time: number;
  readonly rawTemperature: number;
  readonly rawHumidity: number;
  /** What the raw word stands for, rounded to 1/100 °C: what arrives at the server, exactly. */
  readonly temperature: number;
  /** Rounded to 1/100 %RH. */
  readonly humidity: number;
}

/** Something wrong with one I2C transfer. */
export type Sht3xFault =
  /** The address is not acknowledged. */
  | "nack"
  /** The CRC byte of the temperature is wrong. */
  | "temperature-crc"
  | "humidity-crc"
  /** SDA does not come up: all bytes read are 0. */
  | "stuck-low"
  /** Nobody drives SDA: all bytes read are 0xFF. */
  | "floating";

/** Single shot commands and how long they take at most, ms (data sheet tables 4 and 9). */
const SINGLE_SHOT: ReadonlyMap<number, number> = new Map([
  [0x2400, 15],
  [0x240b, 6],
  [0x2416, 4],
]);

const RESET_TIME = 1.5;

const STATUS = { heater: 0x2000, reset: 0x0010, commandFailed: 0x0002 } as const;

const NO_ANSWER = "I2C: address not acknowledged";

/**
 * An SHT3x at its registers: takes 16-bit commands, does not acknowledge while it measures or resets, and puts out raw
 * words with CRC. Measurements take the longest time that the data sheet allows, so a driver that reads too early is
 * found out.
 *
 *     const model = new Sht3xModel({ clock, environment });
 *     const sensor = new Sht3x({ sensor: { io: model.io }, wait: model.wait });
 */
export class Sht3xModel {
  /** False: unplugged, nothing is acknowledged. */
  present = true;
  /** Called when a measurement has been read, before any fault of the transfer. */
  onMeasured: ((measurement: Measurement) => void) | undefined;
  /** The constructor of the I2C that leads here, as ECMA-419 drivers want it. */
  readonly io: new (options: {
    readonly address: number;
    readonly hz: number;
  }) => I2C;
  readonly address: number;
  readonly #clock: VirtualClock;
  readonly #environment: Environment;
  readonly #faults: Sht3xFault[] = [];
  /** How far the sensor's time is ahead: somebody waited inside one event of the virtual clock. */
  #aheadTo = Number.NEGATIVE_INFINITY;
  #busyUntil = Number.NEGATIVE_INFINITY;
  #output: Uint8Array | undefined;
  #pending: Measurement | undefined;
  #status: number = STATUS.reset;
  #last: Measurement | undefined;

  constructor(options: { clock: VirtualClock; environment: Environment; address?: number }) {
    this.#clock = options.clock;
    this.#environment = options.environment;
    this.address = options.address ?? 0x44;
    const open = (address: number) => new ModelBus(this, address);
    this.io = class implements I2C {
      readonly #bus: ModelBus;
      constructor({ address }: { readonly address: number }) {
        this.#bus = open(address);
      }
      write(data: Uint8Array): void {
        this.#bus.write(data);
      }
      read(length: number): Uint8Array {
        return this.#bus.read(length);
      }
      close(): void {
        this.#bus.close();
      }
    };
  }

  /** The measurement that was read last. */
  get last(): Measurement | undefined {
    return this.#last;
  }

  /** Lets the sensor's own time pass while virtual time stands still: the `wait` of a driver that blocks. */
  readonly wait = (ms: number): void => {
    this.#aheadTo = this.#now() + ms;
  };

  /** The next transfers go wrong in this way, one for each fault, in order. */
  inject(...faults: Sht3xFault[]): void {
    this.#faults.push(...faults);
  }

  /** A write transfer: a command. */
  write(data: Uint8Array): void {
    if (this.#faults[0] === "nack") this.#faults.shift();
    else if (this.present && this.#now() >= this.#busyUntil && data.length >= 2) {
      this.#execute((data[0] << 8) | data[1]);
      return;
    }
    throw new Error(NO_ANSWER);
  }

  /** A read transfer. */
  read(length: number): Uint8Array {
    const fault = this.#faults.shift();
    const bytes = new Uint8Array(length);
    if (fault === "stuck-low") return bytes;
    if (fault === "floating") return bytes.fill(0xff);
    const output = this.#output;
    if (fault === "nack" || !this.present || output === undefined || this.#now() < this.#busyUntil) {
      throw new Error(NO_ANSWER);
    }
    this.#output = undefined;
    if (this.#pending !== undefined) {
      this.#last = { ...this.#pending, time: this.#clock.now() };
      this.#pending = undefined;
      this.onMeasured?.(this.#last);
    }
    bytes.fill(0xff);
    bytes.set(output.subarray(0, length));
    if (fault === "temperature-crc" && length > 2) bytes[2] ^= 0x01;
    if (fault === "humidity-crc" && length > 5) bytes[5] ^= 0x80;
    return bytes;
  }

  #now(): number {
    return Math.max(this.#clock.now(), this.#aheadTo);
  }

  #execute(command: number): void {
    this.#output = undefined;
    this.#pending = undefined;
    if (command === 0xf32d) {
      this.#output = withCrc(this.#status);
      return;
    }
    const measuringTime = SINGLE_SHOT.get(command);
    this.#status &= ~STATUS.commandFailed;
    if (measuringTime !== undefined) {
      this.#measure(measuringTime);
    } else if (command === 0x30a2) {
      this.#status = STATUS.reset;
      this.#busyUntil = this.#now() + RESET_TIME;
    } else if (command === 0x306d) {
      this.#status |= STATUS.heater;
    } else if (command === 0x3066) {
      this.#status &= ~STATUS.heater;
    } else if (command === 0x3041) {
      this.#status &= STATUS.heater;
    } else {
      this.#status |= STATUS.commandFailed;
    }
  }

  #measure(duration: number): void {
    const now = this.#now();
    const { temperature, humidity } = this.#environment(now);
    const rawTemperature = toWord((temperature + 45) / 175);
    const rawHumidity = toWord(humidity / 100);
    this.#busyUntil = now + duration;
    this.#output = Uint8Array.of(...withCrc(rawTemperature), ...withCrc(rawHumidity));
    this.#pending = {
      time: now,
      rawTemperature,
      rawHumidity,
      temperature: Math.round(100 * ((175 * rawTemperature) / 65535 - 45)) / 100,
      humidity: Math.round(100 * ((100 * rawHumidity) / 65535)) / 100,
    };
  }
}

/** One open address of the bus that the model hangs on. */
class ModelBus implements I2C {
  readonly #model: Sht3xModel;
  readonly #address: number;
  #open = true;

  constructor(model: Sht3xModel, address: number) {
    this.#model = model;
    this.#address = address;
  }

  write(data: Uint8Array): void {
    this.#select().write(data);
  }

  read(length: number): Uint8Array {
    return this.#select().read(length);
  }

  close(): void {
    this.#open = false;
  }

  #select(): Sht3xModel {
    if (!this.#open) throw new Error("I2C: used after close");
    if (this.#address !== this.#model.address) throw new Error(NO_ANSWER);
    return this.#model;
  }
}

function toWord(share: number): number {
  return Math.max(0, Math.min(65535, Math.round(65535 * share)));
}

/** A word and its CRC-8, bit by bit as the data sheet describes it (§4.12). */
function withCrc(word: number): Uint8Array {
  const bytes = [word >> 8, word & 0xff];
  let crc = 0xff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80 ? (crc << 1) ^ 0x131 : crc << 1;
  }
  return Uint8Array.of(...bytes, crc);
}
