import Bus from "embedded:io/i2c";
import type { I2C } from "../hal.js";

export interface BoardI2COptions {
  /** SDA and SCL as pin numbers. */
  readonly data: number;
  readonly clock: number;
  readonly address: number;
  readonly hz: number;
}

/** One device on the I2C bus, through Moddable's ECMA-419 I2C (TWIM0). */
export class BoardI2C implements I2C {
  readonly #bus: Bus;

  constructor({ data, clock, address, hz }: BoardI2COptions) {
    this.#bus = new Bus({ data, clock, address, hz });
  }

  write(data: Uint8Array): void {
    this.#bus.write(data);
  }

  read(length: number): Uint8Array {
    return new Uint8Array(this.#bus.read(length));
  }

  close(): void {
    this.#bus.close();
  }
}
