/**
 * What XS and Moddable's SDK give that the faces of this folder use, so that they can be checked without the SDK.
 * `native` is recognized by XS's compiler: with a string literal only, and called at once.
 */

declare function native<Result = void>(
  name: string,
): { call(self: unknown, ...values: readonly unknown[]): Result };

/** A base class whose instances are host objects; `name` is the C destructor. */
declare function Native(name: string): new () => object;

declare module "embedded:io/i2c" {
  export interface I2COptions {
    readonly data: number;
    readonly clock: number;
    readonly hz: number;
    readonly address: number;
  }
  export default class I2C {
    constructor(options: I2COptions);
    read(count: number): ArrayBuffer;
    write(data: Uint8Array): void;
    close(): void;
  }
}

declare module "board/sensor" {
  export interface SensorOptions {
    readonly sensor: { readonly io: unknown; readonly data: number; readonly clock: number };
    readonly onError?: (message: string) => void;
  }
  /** The driver that the image's manifest chose: ECMA-419, class Humidity-Temperature. */
  export default class Sensor {
    constructor(options: SensorOptions);
    sample(): {
      thermometer?: { temperature?: number };
      hygrometer?: { humidity?: number };
    };
    close(): void;
  }
}

declare module "mc/config" {
  /** The manifest's `config`, merged over all manifests of the image. */
  const config: Readonly<Record<string, unknown>>;
  export default config;
}
