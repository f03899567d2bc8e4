/**
 * Writes to the flash store without end, for tests that cut the power: says what it finds, then sets one key after the
 * other. `FOUND key number` for each key, `READY`, then `SET number` before and `DONE number` after each write. A value
 * says its number over and over, so that a mixture of two would show.
 */

import { BoardClock } from "../../hal/nrf52/clock.js";
import { BoardCrypto } from "../../hal/nrf52/crypto.js";
import { BoardStore } from "../../hal/nrf52/store.js";
import { Console } from "../shared/console.js";

const KEYS = 7;
/** ms in which a line of ours is out, at 115,200 baud. */
const TRANSMISSION = 3;
/** One that is written once and must live through all turns of the log. */
const LASTING = "identity";

function valueFor(number: number): Uint8Array {
  const bytes = new Uint8Array(4 * (1 + (number % 23)));
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += 4) view.setUint32(at, number);
  return bytes;
}

/** The number that a value says, or what is wrong with it. */
function numberOf(value: Uint8Array): number | string {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const number = view.getUint32(0);
  if (value.length !== 4 * (1 + (number % 23))) return `length ${value.length} of ${number}`;
  for (let at = 0; at < value.length; at += 4) {
    if (view.getUint32(at) !== number) return `${view.getUint32(at)} in ${number}`;
  }
  return number;
}

export function start(): void {
  const console = new Console(false);
  const clock = new BoardClock();
  // The line is out before the write begins: a power cut takes with it what still waits.
  const tell = (line: string) => {
    while (!console.hasRoom);
    console.log(line);
    for (const written = clock.now(); clock.now() - written < TRANSMISSION; );
  };
  // Starts the SoftDevice, through which the flash is written from then on.
  new BoardCrypto().random(1);
  const store = new BoardStore();
  let last = 0;
  for (const key of store.keys()) {
    const number = numberOf(store.get(key)!);
    tell(`FOUND ${key} ${number}`);
    if (key !== LASTING && typeof number === "number") last = Math.max(last, number);
  }
  tell("READY");
  if (store.get(LASTING) === undefined) store.set(LASTING, valueFor(22));
  for (let number = last + 1; ; number++) {
    tell(`SET ${number}`);
    const key = `key ${number % KEYS}`;
    // Deleted and written anew now and then: both must be whole.
    if (number % 11 === 0) store.delete(key);
    store.set(key, valueFor(number));
    tell(`DONE ${number}`);
  }
}
