/**
 * Time for emulated boards and the world around them that goes on only when all have come as far: a busy machine makes
 * a run longer, not wrong. Boards that keep the wall's time fall behind each other there, and hear nothing of the
 * frames that come to them in a heap.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Wall } from "../../sim/paced-clock.js";

const SOURCE = fileURLToPath(new URL("lockstep.c", import.meta.url));
const LIBRARY = fileURLToPath(new URL("../../build/board/lockstep.so", import.meta.url));

/** The descriptor of a board's process that it speaks on. */
export const LOCKSTEP_FD = 3;

/** Time goes on by this much at least and at most, ms. */
const STEP = { least: 0.5, most: 20 } as const;

/** A machine that is later than this by the wall does not make up for it, ms. */
const MAXIMUM_LAG = 250;

/** What {@link Lockstep} asks of a board. */
interface Member {
  readonly channel: Duplex;
  /** When it wants to go on, ms; `undefined` while it is at work. */
  until: number | undefined;
}

export class Lockstep implements Wall {
  #now = 0;
  #running = false;
  #ended: Promise<void> = Promise.resolve();
  /** Whether somebody got something from outside and is to look at it. */
  #touched = false;
  readonly #paced: boolean;
  /** Wall time at which this time was 0. */
  #origin = performance.now();
  readonly #due: { at: number; callback: () => void }[] = [];
  readonly #members = new Set<Member>();
  /** Called when a board has come to its wait. */
  #arrived: (() => void) | undefined;

  /** The library for {@link environment}; built when need be. @returns `undefined` where there is no way to */
  static library(): string | undefined {
    if (process.platform !== "linux") return undefined;
    if (existsSync(LIBRARY) && statSync(LIBRARY).mtimeMs > statSync(SOURCE).mtimeMs) return LIBRARY;
    mkdirSync(dirname(LIBRARY), { recursive: true });
    const { status } = spawnSync("cc", ["-shared", "-fPIC", "-O2", "-o", LIBRARY, SOURCE], {
      stdio: "inherit",
    });
    return status === 0 ? LIBRARY : undefined;
  }

  /** @param paced whether it is no faster than the wall's time */
  constructor(paced: boolean) {
    this.#paced = paced;
  }

  /** What a board's process needs to know. */
  get environment(): Record<string, string> {
    return {
      LD_PRELOAD: LIBRARY,
      LOCKSTEP_FD: String(LOCKSTEP_FD),
      LOCKSTEP_NOW: String(Math.round(this.#now * 1e6)),
    };
  }

  /** A board that was just started takes part until its process ends. */
  join(channel: Duplex): void {
    const member: Member = { channel, until: undefined };
    this.#members.add(member);
    let rest = Buffer.alloc(0);
    channel.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      if (rest.length < 8) return;
      member.until = Number(rest.readBigUInt64LE(0)) / 1e6;
      rest = rest.subarray(8);
      this.#arrived?.();
    });
    const leave = () => {
      this.#members.delete(member);
      this.#arrived?.();
    };
    channel.on("close", leave);
    channel.on("error", leave);
  }

  /** Has all boards look at what they got. */
  touch(): void {
    this.#touched = true;
  }

  now(): number {
    return this.#now;
  }

  after(delay: number, callback: () => void): () => void {
    const entry = { at: this.#now + Math.max(0, delay), callback };
    this.#due.push(entry);
    return () => {
      const at = this.#due.indexOf(entry);
      if (at >= 0) this.#due.splice(at, 1);
    };
  }

  /** Resolves when `ms` of this time have passed. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  start(): void {
    this.#running = true;
    this.#ended = this.#run();
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#ended;
  }

  async #run(): Promise<void> {
    while (this.#running) {
      const world = Math.min(...this.#due.map(({ at }) => at));
      const boards = Math.min(...[...this.#members].map(({ until }) => until ?? this.#now));
      const to = Math.max(
        this.#now + STEP.least,
        Math.min(world, this.#touched ? this.#now : boards, this.#now + STEP.most),
      );
      this.#now = to;
      let all = this.#touched;
      this.#touched = false;
      for (const entry of this.#due.filter(({ at }) => at <= to)) {
        // Another one's callback may have taken it back.
        const index = this.#due.indexOf(entry);
        if (index < 0) continue;
        this.#due.splice(index, 1);
        entry.callback();
        all = true;
      }
      // What the world sent is on its way before its receivers go on.
      await turn();
      const time = Buffer.alloc(8);
      time.writeBigUInt64LE(BigInt(Math.round(to * 1e6)));
      for (const member of this.#members) {
        if (member.until === undefined || (!all && member.until > to)) continue;
        member.until = undefined;
        member.channel.write(time);
      }
      await this.#allWait();
      // And what boards sent has come before time goes on: once for what is being read, once for all there is.
      await turn();
      await turn();
      if (this.#paced) await this.#keepPace();
    }
  }

  async #keepPace(): Promise<void> {
    const lead = this.#now - (performance.now() - this.#origin);
    if (lead >= 1) await new Promise((resolve) => setTimeout(resolve, lead));
    else if (lead < -MAXIMUM_LAG) this.#origin -= lead + MAXIMUM_LAG;
  }

  async #allWait(): Promise<void> {
    while (this.#running && [...this.#members].some(({ until }) => until === undefined)) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
    this.#arrived = undefined;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
