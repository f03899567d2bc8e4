import config from "mc/config";
import { toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import type { Kind } from "../../firmware/console/label.js";
import type { Terminal } from "../../firmware/console/terminal.js";
import { Device, type DeviceOptions as Parts, type Role } from "../../firmware/roles/device.js";
import type { Identity } from "../../firmware/roles/identity.js";
import type { Hal } from "../../hal/hal.js";
import { BoardBearer } from "../../hal/nrf52/bearer.js";
import { BoardChip, memoryInUse } from "../../hal/nrf52/chip.js";
import { BoardClock } from "../../hal/nrf52/clock.js";
import { BoardCrypto } from "../../hal/nrf52/crypto.js";
import { BoardStore } from "../../hal/nrf52/store.js";
import { Console } from "./console.js";

/** Seconds. The heartbeat below shows that the machine's loop goes round; a callback that never ends is a reset. */
const WATCHDOG = 60;
const HEARTBEAT = 20_000;
/** How long a battery node hears its console after a start, and after each command: for whoever plugs a cable in, ms. */
const ATTENTION = 120_000;
/** With `config.heapReport`, for tests: how often the console tells what is needed of the heap, ms. */
const HEAP_REPORT = 1000;

export interface BoardHal extends Hal {
  readonly bearer: BoardBearer;
  readonly storage: BoardStore;
}

/** What a role is made of. */
export interface RoleSetup {
  readonly hal: BoardHal;
  readonly identity: Identity;
  readonly terminal: Terminal;
}

export interface DeviceOptions {
  readonly kind: Kind;
  /** Whether a provisioned device goes on listening to its console: not on batteries. */
  readonly listen: boolean;
  readonly makeRole: (setup: RoleSetup) => Role;
  readonly commission?: Parts["commission"];
}

/** Starts the board: with its role when it is provisioned, else waiting for its identity. */
export function startDevice({ kind, listen, makeRole, commission }: DeviceOptions): void {
  const board = new BoardChip(WATCHDOG);
  const storage = new BoardStore();
  const console = new Console(true);
  const clock = new BoardClock();
  const heartbeat = () => {
    board.feedWatchdog();
    clock.at(clock.now() + HEARTBEAT, heartbeat);
  };
  heartbeat();

  const hal: BoardHal = { clock, crypto: new BoardCrypto(), bearer: new BoardBearer(), storage, board };
  const device = new Device({
    kind,
    version: String(config.version),
    hal,
    print: (line) => console.log(line),
    makeRole: (identity, terminal) => makeRole({ hal, identity, terminal }),
    ...(commission !== undefined && { commission }),
  });
  const { terminal, identity } = device;
  terminal.command("status", () => status(storage));
  terminal.command("heap", () => heap(true));
  console.onBytes = (bytes) => terminal.receive(bytes);

  terminal.log(`oscore-mesh ${kind}, chip ${toHex(board.chipId)}, reset by ${board.resetReason}`);
  device.start();
  if (identity instanceof Refusal) {
    terminal.log(`${identity.reason}: waiting for an identity`);
    return;
  }
  if (!listen) attend(clock, terminal, console);
  if (config.heapReport !== undefined) {
    const report = () => {
      terminal.log(heap(true));
      clock.at(clock.now() + HEAP_REPORT, report);
    };
    report();
  }
  terminal.log(`${identity.name} runs, ${status(storage)}`);
}

/** Hears the console for a while. */
function attend(clock: BoardClock, terminal: Terminal, console: Console): void {
  let until = clock.now() + ATTENTION;
  terminal.onUse = () => {
    until = clock.now() + ATTENTION;
  };
  const look = () => {
    if (clock.now() < until) clock.at(until, look);
    else console.deafen();
  };
  look();
}

function status(storage: BoardStore): string {
  const { erases, torn, liveBytes } = storage.figures;
  return `${heap(false)}, store ${liveBytes} B, ${erases} erases, ${torn} torn`;
}

function heap(collect: boolean): string {
  const { slots, chunks, freeHeap } = memoryInUse(collect);
  return `heap ${slots}+${chunks} B, free ${freeHeap} B`;
}
