import type { Board, DigitalIn, DigitalOut, ResetReason } from "../hal.js";

function chipId(this: void, out: Uint8Array): void {
  native("board_chip_id").call(this, out);
}

function resetRegister(this: void): number {
  return native("board_chip_reset_reason").call(this);
}

function restart(this: void): void {
  native("board_chip_restart").call(this);
}

function startWatchdog(this: void, seconds: number): void {
  native("board_watchdog_start").call(this, seconds);
}

function feed(this: void): void {
  native("board_watchdog_feed").call(this);
}

function supply(this: void): number | undefined {
  return native("board_chip_supply").call(this);
}

function output(this: void, pin: number, high: boolean, openDrain: boolean): void {
  native("board_line_output").call(this, pin, high, openDrain);
}

function writeLine(this: void, pin: number, high: boolean): void {
  native("board_line_write").call(this, pin, high);
}

function input(this: void, pin: number): void {
  native("board_line_input").call(this, pin);
}

function readLine(this: void, pin: number): boolean {
  return native("board_line_read").call(this, pin);
}

function memory(this: void, which: number): number {
  return native("board_memory").call(this, which);
}

function crc16(this: void, text: string): number {
  return native("board_crc16").call(this, text);
}

function cycles(this: void): number {
  return native("board_cycles").call(this);
}

/** nRF52840 PS, POWER, RESETREAS: no bit at all means power-on or brown-out. */
function reason(register: number): ResetReason {
  if (register === 0) return "power-on";
  if (register & 0x1) return "pin";
  if (register & 0x2) return "watchdog";
  if (register & 0x8) return "lockup";
  if (register & 0x4) return "software";
  // OFF, LPCOMP, NFC, VBUS: woken from System OFF
  if (register & 0x1b0000) return "wake-up";
  return "unknown";
}

/** The nRF52840 itself. */
export class BoardChip implements Board {
  readonly chipId: Uint8Array;
  readonly resetReason: ResetReason;

  /** @param watchdog seconds without {@link feedWatchdog} after which the chip resets; without it none is started */
  constructor(watchdog?: number) {
    const id = new Uint8Array(8);
    chipId(id);
    this.chipId = id;
    this.resetReason = reason(resetRegister());
    if (watchdog !== undefined) startWatchdog(watchdog);
  }

  batteryVoltage(): number | undefined {
    return supply();
  }

  feedWatchdog(): void {
    feed();
  }

  restart(): void {
    restart();
  }

  crc16(text: string): number {
    return crc16(text);
  }
}

/** A pin as an output; `openDrain` for lines that the other side pulls up, such as a modem's PWR_ON. */
export class OutputLine implements DigitalOut {
  readonly #pin: number;

  constructor(pin: number, high: boolean, openDrain = false) {
    this.#pin = pin;
    output(pin, high, openDrain);
  }

  write(high: boolean): void {
    writeLine(this.#pin, high);
  }
}

/** A pin as an input, without a pull. */
export class InputLine implements DigitalIn {
  readonly #pin: number;

  constructor(pin: number) {
    this.#pin = pin;
    input(pin);
  }

  read(): boolean {
    return readLine(this.#pin);
  }
}

/**
 * What an image costs, for measurements: bytes of the JavaScript heap and of the C heap.
 * @param collect whether to collect garbage first, so that only what is needed is counted
 */
export function memoryInUse(collect = false): {
  readonly slots: number;
  readonly chunks: number;
  readonly freeHeap: number;
} {
  if (collect) memory(3);
  return { slots: memory(0), chunks: memory(1), freeHeap: memory(2) };
}

/** CPU cycles, 32 bits, 64 a microsecond; they stand still while the CPU sleeps. */
export function cpuCycles(): number {
  return cycles();
}
