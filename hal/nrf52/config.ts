import config from "mc/config";

/** Pin numbers: 0 to 31 for P0, 32 to 47 for P1. */
export interface SerialPins {
  readonly port: 0 | 1;
  readonly transmit: number;
  readonly receive: number;
  readonly rts?: number;
  readonly cts?: number;
}

/** How a board is wired, from `config.board` in the manifest of its target. */
export interface Wiring {
  readonly console: SerialPins;
  readonly modem: SerialPins & {
    readonly powerOn?: number;
    readonly reset?: number;
    readonly vInt?: number;
  };
  readonly i2c: { readonly data: number; readonly clock: number };
}

/** @throws Error when the image was built for a target without wiring */
export function wiring(): Wiring {
  const { board } = config;
  if (board === undefined) throw new Error("no config.board in this target's manifest");
  return board as Wiring;
}
