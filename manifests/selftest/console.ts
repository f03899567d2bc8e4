import { wiring } from "../../hal/nrf52/config.js";
import { BoardSerial } from "../../hal/nrf52/serial.js";

const pins = wiring().console;

export const serial = new BoardSerial({ ...pins, baud: 115200 });

const room = new Uint8Array(256);

/** One line on the console. It must not be lost, so this waits for room: fine for a self-test, and nowhere else. */
export function tell(line: string): void {
  let length = 0;
  for (const end = Math.min(line.length, 254); length < end; length++) room[length] = line.charCodeAt(length);
  room[length++] = 13;
  room[length++] = 10;
  while (serial.writable < length);
  serial.write(room.subarray(0, length));
}
