/** An emulated board: the emulator as a child process, and what it says, taken apart. */

import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import type { Duplex } from "node:stream";
import { LOCKSTEP_FD, type Lockstep } from "./lockstep.js";

export interface EmulatorOptions {
  /** Its chip id, address and random numbers. */
  readonly seed: number;
  /** UDP port of the air's hub on this machine; without it the board is alone. */
  readonly air?: number;
  /** A file that keeps the data pages between runs. */
  readonly flash?: string;
  /** TCP ports that UARTE 0 and 1 listen on; one without is printed, line by line. */
  readonly uart?: readonly [number | undefined, number | undefined];
  /** `T,RH`, `@file.csv` or `none`. */
  readonly sensor?: string;
  /** Seconds of virtual time after which it ends. */
  readonly seconds?: number;
  /** Does not wait for wall time: only for a board without live peers. */
  readonly fast?: boolean;
  /** Whose time it keeps instead of the wall's. */
  readonly lockstep?: Lockstep;
  /** The flash operation in whose middle the power goes. */
  readonly cut?: number;
  /** Seconds between its {@link EmulatedBoard.state}; only our own emulator tells it. */
  readonly stateEvery?: number;
  /** Tells of each call of the SoftDevice, {@link EmulatedBoard.onCall}. */
  readonly calls?: boolean;
}

/** Exit statuses of the emulator. */
export const Exit = { ended: 0, fault: 3, resets: 4, powerCut: 5 } as const;

/** The emulator's last lines. */
export interface EmulatorCounts {
  readonly virtualSeconds: number;
  readonly wallSeconds: number;
  /** Seconds of this machine's processor that it took; only our own emulator tells it. */
  readonly hostSeconds?: number;
  /** Instructions that were executed, in millions, where the emulator counts them. */
  readonly millions: number;
  /** Share of the time that the CPU ran, 0 to 1. */
  readonly busy: number;
  readonly framesSent: number;
  readonly framesReceived: number;
  readonly framesMissed: number;
  readonly i2cTransfers: number;
  readonly flashErases: number;
  readonly flashWords: number;
  readonly resets: number;
  readonly refused: number;
}

/** How a board is, while it runs. */
export interface BoardState {
  /** Share of the time that the CPU ran lately, 0 to 1. */
  readonly cpu: number;
  /** Flash: pages erased, words written, erases of the page that was erased most. */
  readonly erases: number;
  readonly words: number;
  readonly mostErases: number;
  /** Seconds that the receiver was on. */
  readonly listened: number;
  /** Frames that came while it did not listen. */
  readonly missed: number;
  /** Bytes of JavaScript heap in use, and at the most. */
  readonly heap?: number;
  readonly heapPeak?: number;
}

/** What no image may do, with the line that says so. */
export interface Complaint {
  readonly kind: "refused" | "abort" | "reset" | "fault" | "watchdog";
  readonly line: string;
}

export class EmulatedBoard {
  /** Lines of the UARTEs that are not on TCP. */
  onLine: ((uart: number, line: string, ms: number) => void) | undefined;
  onComplaint: ((complaint: Complaint) => void) | undefined;
  /** A call of the SoftDevice by its number. */
  onCall: ((svc: number, ms: number) => void) | undefined;
  readonly complaints: Complaint[] = [];
  /** The newest, where {@link EmulatorOptions.stateEvery} asked for it. */
  state: BoardState | undefined;
  readonly lines: string[] = [];
  counts: EmulatorCounts | undefined;
  /** The emulator's exit status once it has ended, -1 when it was killed. */
  exitStatus: number | undefined;
  /** The same, to wait for. */
  readonly ended: Promise<number>;
  readonly #child: ChildProcess;
  #virtualSeconds = 0;
  #wallSeconds = 0;
  #millions = Number.NaN;
  #busy = 0;

  constructor(emulator: string, elf: string, options: EmulatorOptions) {
    const { lockstep } = options;
    const child = spawn(emulator, [...argumentsOf(options), elf], {
      stdio: ["ignore", "ignore", "pipe", ...(lockstep === undefined ? [] : ["pipe" as const])],
      env: { ...process.env, ...lockstep?.environment },
    });
    this.#child = child;
    lockstep?.join(child.stdio[LOCKSTEP_FD] as Duplex);
    // Everything it says goes to stderr.
    createInterface({ input: child.stderr! }).on("line", (line) => this.#take(line));
    this.ended = new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => {
        this.exitStatus = code ?? -1;
        resolve(this.exitStatus);
      });
    });
  }

  /** The power goes at this moment. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #take(line: string): void {
    const said = /^\[ *([\d.]+) ms\] (.*)$/.exec(line);
    if (said === null) {
      this.#takeCounts(line);
      return;
    }
    const [, ms, text] = said;
    const uart = /^uart(\d)> (.*)$/.exec(text!);
    if (uart !== null) {
      this.lines.push(uart[2]!);
      this.onLine?.(Number(uart[1]), uart[2]!, Number(ms));
      return;
    }
    const call = /^svc 0x([0-9a-f]+) -> 0 /.exec(text!);
    if (call !== null) {
      this.onCall?.(Number.parseInt(call[1]!, 16), Number(ms));
      return;
    }
    if (text!.startsWith("status ")) {
      this.#takeState(text!);
      return;
    }
    const kind = kindOf(text!);
    if (kind === undefined) return;
    const complaint = { kind, line };
    this.complaints.push(complaint);
    this.onComplaint?.(complaint);
  }

  #takeState(text: string): void {
    const number = (pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? Number.NaN);
    if (text.startsWith("status heap") && this.state !== undefined) {
      this.state = { ...this.state, heap: number(/heap (\d+)/), heapPeak: number(/at most (\d+)/) };
    }
    if (!text.startsWith("status cpu")) return;
    this.state = {
      ...this.state,
      cpu: number(/cpu ([\d.]+)%/) / 100,
      erases: number(/erases (\d+)/),
      words: number(/words (\d+)/),
      mostErases: number(/most (\d+)/),
      listened: number(/listening ([\d.]+) s/),
      missed: number(/missed (\d+)/),
    };
  }

  #takeCounts(line: string): void {
    const ran = /^ran ([\d.]+) s virtual, ([\d.]+) s wall, .* cpu busy ([\d.]+)%/.exec(line);
    if (ran !== null) {
      this.#virtualSeconds = Number(ran[1]);
      this.#wallSeconds = Number(ran[2]);
      this.#busy = Number(ran[3]) / 100;
      this.#millions = Number(/([\d.]+) M instructions/.exec(line)?.[1] ?? Number.NaN);
    }
    const host = /^host cpu ([\d.]+) s$/.exec(line);
    if (host !== null && this.counts !== undefined)
      this.counts = { ...this.counts, hostSeconds: Number(host[1]) };
    if (!line.startsWith("air tx")) return;
    const number = (pattern: RegExp) => Number(pattern.exec(line)?.[1] ?? Number.NaN);
    this.counts = {
      virtualSeconds: this.#virtualSeconds,
      wallSeconds: this.#wallSeconds,
      millions: this.#millions,
      busy: this.#busy,
      framesSent: number(/^air tx (\d+)/),
      framesReceived: number(/^air tx \d+ rx (\d+)/),
      framesMissed: number(/missed (\d+)/),
      i2cTransfers: number(/i2c transfers (\d+)/),
      flashErases: number(/flash erases (\d+)/),
      flashWords: number(/words (\d+)/),
      resets: number(/resets (\d+)/),
      refused: number(/refused (\d+)/),
    };
  }
}

function kindOf(text: string): Complaint["kind"] | undefined {
  if (text.startsWith("REFUSED")) return "refused";
  if (text.startsWith("XS ABORT")) return "abort";
  if (text.startsWith("reset requested")) return "reset";
  if (text.startsWith("FAULT")) return "fault";
  if (text.startsWith("WATCHDOG")) return "watchdog";
  return undefined;
}

function argumentsOf(options: EmulatorOptions): string[] {
  const { seed, air, flash, uart, sensor, seconds, fast, cut, calls, stateEvery } = options;
  const list = ["--seed", String(seed), calls ? "-vv" : "-v"];
  if (air !== undefined) list.push("--air", String(air));
  if (flash !== undefined) list.push("--flash", flash);
  uart?.forEach((port, index) => {
    if (port !== undefined) list.push("--uart", `${index}=tcp:${port}`);
  });
  if (sensor !== undefined) list.push("--sht3x", sensor);
  if (seconds !== undefined) list.push("--for", String(seconds));
  if (fast) list.push("--fast");
  if (cut !== undefined) list.push("--cut", String(cut));
  if (stateEvery !== undefined) list.push("--status", String(stateEvery));
  return list;
}

/** A TCP port that nobody listens on now, for the emulator to do so. */
export async function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
