import config from "mc/config";
import { fromHex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { type Identity, loadIdentity } from "../../firmware/roles/identity.js";
import { provision } from "../../firmware/roles/provisioning.js";
import type { Hal, KeyValueStore } from "../../hal/hal.js";
import { BoardBearer } from "../../hal/nrf52/bearer.js";
import { BoardChip, memoryInUse } from "../../hal/nrf52/chip.js";
import { BoardClock } from "../../hal/nrf52/clock.js";
import { BoardCrypto } from "../../hal/nrf52/crypto.js";
import { BoardStore } from "../../hal/nrf52/store.js";
import { Console } from "./console.js";

/** Seconds. The heartbeat below shows that the machine's loop goes round; a callback that never ends is a reset. */
const WATCHDOG = 60;
const HEARTBEAT = 20_000;
/** With `config.heapReport`, for tests: how often the console tells what is needed of the heap, ms. */
const HEAP_REPORT = 1000;
/** So that the answer to a command has left before the chip restarts. */
const FAREWELL = 50;

export interface BoardHal extends Hal {
  readonly bearer: BoardBearer;
  readonly storage: BoardStore;
}

export interface Device {
  readonly hal: BoardHal;
  readonly identity: Identity;
  readonly log: (line: string) => void;
  /** Adds a command to the console: its first word, and what it answers to the rest of the line. */
  readonly command: (word: string, run: (rest: string) => string) => void;
}

export interface DeviceOptions {
  readonly kind: "node" | "relay" | "gateway";
  /** Whether a provisioned device goes on listening to its console: not on batteries. */
  readonly listen: boolean;
  /** Makes and starts the role. */
  readonly run: (device: Device) => void;
}

/** Starts the board: with its role when it is provisioned, else waiting for its identity on the console. */
export function startDevice({ kind, listen, run }: DeviceOptions): void {
  const board = new BoardChip(WATCHDOG);
  const storage = new BoardStore();
  const stored = loadIdentity(storage);
  const provisioned = !(stored instanceof Refusal);
  // Somebody who presses the reset button may want to say something.
  const listening = listen || !provisioned || board.resetReason === "pin";
  const console = new Console(listening);
  const clock = new BoardClock();
  const heartbeat = () => {
    board.feedWatchdog();
    clock.at(clock.now() + HEARTBEAT, heartbeat);
  };
  heartbeat();

  const log = (line: string) => console.log(line);
  const commands = new Map<string, (rest: string) => string>();
  commands.set("status", () => status(storage));
  commands.set("heap", () => heap(true));
  commands.set("restart", () => {
    clock.at(clock.now() + FAREWELL, () => board.restart());
    return "restarting";
  });
  commands.set("identity", (rest) => {
    const refusal = takeIdentity(storage, rest);
    if (refusal !== undefined) return `refused: ${refusal.reason}`;
    clock.at(clock.now() + FAREWELL, () => board.restart());
    return "provisioned, restarting";
  });
  console.onLine = (line) => {
    const space = line.indexOf(" ");
    const command = commands.get(space < 0 ? line : line.slice(0, space));
    log(command === undefined ? "no such command" : command(space < 0 ? "" : line.slice(space + 1)));
  };

  log(`oscore-mesh ${kind}, chip ${toHex(board.chipId)}, reset by ${board.resetReason}`);
  if (!provisioned) {
    log(`${stored.reason}: waiting for an identity`);
    return;
  }
  const hal: BoardHal = { clock, crypto: new BoardCrypto(), bearer: new BoardBearer(), storage, board };
  run({ hal, identity: stored, log, command: (word, body) => commands.set(word, body) });
  if (config.heapReport !== undefined) {
    const report = () => {
      log(heap(true));
      clock.at(clock.now() + HEAP_REPORT, report);
    };
    report();
  }
  log(`${stored.name} runs, ${status(storage)}`);
}

/** @param text CBOR in hex, as `encodeIdentity` gives it */
function takeIdentity(storage: KeyValueStore, text: string): Refusal<string> | undefined {
  const bytes = fromHex(text);
  if (bytes instanceof Refusal) return bytes;
  const identity = loadIdentity({
    get: () => bytes,
    set: () => {},
    delete: () => {},
    keys: () => [],
  });
  if (identity instanceof Refusal) return identity;
  provision(storage, identity);
  return undefined;
}

function status(storage: BoardStore): string {
  const { erases, torn, liveBytes } = storage.figures;
  return `${heap(false)}, store ${liveBytes} B, ${erases} erases, ${torn} torn`;
}

function heap(collect: boolean): string {
  const { slots, chunks, freeHeap } = memoryInUse(collect);
  return `heap ${slots}+${chunks} B, free ${freeHeap} B`;
}
