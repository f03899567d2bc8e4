/**
 * What XS and Moddable's SDK give that the faces of this folder use, so that they can be checked without the SDK.
 * `native` is recognized by XS's compiler: with a string literal only, and called at once.
 */

declare function native(name: string): {
  /** `never` fits any result that the caller declares; Moddable's own declaration says `any`. */
  call(self: unknown, ...values: readonly unknown[]): never;
};

/** A base class whose instances are host objects; `name` is the C destructor. */
declare function Native(name: string): new () => object;

interface ArrayBufferConstructor {
  /** UTF-8. */
  fromString(text: string): ArrayBuffer;
}

interface StringConstructor {
  /** UTF-8. */
  fromArrayBuffer(buffer: ArrayBuffer): string;
}

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

/** ECMA-419 §13.4, §13.7. */
interface Sample {
  readonly thermometer?: { readonly temperature: number };
  readonly hygrometer?: { readonly humidity: number };
}

declare module "embedded:sensor/Humidity-Temperature/SHTC3" {
  export default class SHTC3 {
    constructor(options: { sensor: { io: unknown; data: number; clock: number }; onError: () => void });
    sample(): Sample | undefined;
  }
}

declare module "embedded:sensor/Humidity-Temperature/SI7020" {
  export default class SI7020 {
    constructor(options: { sensor: { io: unknown; data: number; clock: number }; onError: () => void });
    sample(): Sample | undefined;
  }
}

declare module "mc/config" {
  /** The manifest's `config`, merged over all manifests of the image. */
  const config: Readonly<Record<string, unknown>>;
  export default config;
}
