/**
 * An XS machine in a process of its own that answers within the call, so that a device in it fits into one event of the
 * virtual clock. The worker of @agoric/xsnap speaks netstrings on file descriptors 3 and 4: here two named pipes, which
 * Node can read and write without its event loop.
 */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { XsError } from "./worker.js";

/** Bytecodes in one call after which a machine has lost itself, and is ended: some seconds. */
const RUNAWAY = 1_000_000_000;
const COLON = 0x3a;
const COMMA = 0x2c;
/** Behind the meter's figures in an answer. */
const METER_END = 1;

interface Pipes {
  /** Ours. */
  readonly write: number;
  readonly read: number;
  /** The child's. */
  readonly childRead: number;
  readonly childWrite: number;
}

/** Each end is open once: when one side goes, the other one is told by the end of the file. */
function openPipes(): Pipes {
  const directory = mkdtempSync(join(tmpdir(), "xs-"));
  try {
    const [down, up] = [join(directory, "down"), join(directory, "up")];
    execFileSync("mkfifo", ["-m", "600", down, up]);
    const open = (path: string) => {
      // A pipe's first end would wait for its second one.
      const both = openSync(path, constants.O_RDWR);
      const ends = { read: openSync(path, constants.O_RDONLY), write: openSync(path, constants.O_WRONLY) };
      closeSync(both);
      return ends;
    };
    const [toChild, fromChild] = [open(down), open(up)];
    return {
      write: toChild.write,
      read: fromChild.read,
      childRead: toChild.read,
      childWrite: fromChild.write,
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export class SyncMachine {
  /** Answers the machine's `issueCommand`. */
  onCommand: (command: Uint8Array) => Uint8Array = () => new Uint8Array(0);
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #write: number;
  readonly #read: number;
  #open = true;
  #input: Buffer = Buffer.alloc(65_536);
  #start = 0;
  #end = 0;

  /** @param worker see `xsWorker` */
  constructor(worker: string, name: string) {
    this.#name = name;
    const pipes = openPipes();
    this.#write = pipes.write;
    this.#read = pipes.read;
    // Not of our process group: Ctrl-C is for us, and the devices are switched off in order.
    this.#child = spawn(worker, ["-i", "10000", "-l", String(RUNAWAY), name], {
      stdio: ["ignore", "ignore", "inherit", pipes.childRead, pipes.childWrite],
      detached: true,
    });
    this.#child.on("error", () => {});
    this.#child.unref();
    closeSync(pipes.childRead);
    closeSync(pipes.childWrite);
  }

  /** Its process. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Runs a script. @throws XsError what it threw */
  evaluate(source: string): void {
    this.#send("e", Buffer.from(source));
    this.#answer();
  }

  /**
   * Calls the machine's `handleCommand` with the bytes.
   * @returns the ArrayBuffer that it returned, as a view that the next call changes
   * @throws XsError what it threw
   */
  command(bytes: Uint8Array): Uint8Array {
    this.#send("?", bytes);
    return this.#answer();
  }

  /** The power goes. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#write);
    closeSync(this.#read);
    this.#child.kill("SIGKILL");
  }

  /** What the machine asks meanwhile is answered. */
  #answer(): Uint8Array {
    for (;;) {
      const message = this.#receive();
      const body = message.subarray(1);
      switch (String.fromCharCode(message[0])) {
        case "?":
          this.#send("/", this.onCommand(body));
          break;
        case ".":
          return body.subarray(body.indexOf(METER_END) + 1);
        default:
          throw new XsError(`${this.#name}: ${new TextDecoder().decode(body)}`);
      }
    }
  }

  #send(kind: string, body: Uint8Array): void {
    if (!this.#open) throw new XsError(`${this.#name}: the XS machine is closed`);
    const message = Buffer.concat([Buffer.from(`${body.length + 1}:${kind}`), body, Buffer.of(COMMA)]);
    try {
      for (let at = 0; at < message.length; ) at += writeSync(this.#write, message, at);
    } catch {
      this.#fail();
    }
  }

  /** Not as a Buffer, whose `slice` is no copy: what is kept of it would change with the next message. */
  #receive(): Uint8Array {
    let colon = -1;
    while (colon < 0) {
      colon = this.#input.subarray(this.#start, this.#end).indexOf(COLON);
      if (colon < 0) this.#fill();
    }
    const body = colon + 1;
    const length = Number(this.#input.toString("latin1", this.#start, this.#start + colon));
    while (this.#end - this.#start <= body + length) this.#fill();
    const from = this.#start + body;
    this.#start = from + length + 1;
    return new Uint8Array(this.#input.buffer, this.#input.byteOffset + from, length);
  }

  #fill(): void {
    const kept = this.#end - this.#start;
    if (this.#start > 0) this.#input.copyWithin(0, this.#start, this.#end);
    this.#start = 0;
    this.#end = kept;
    if (kept === this.#input.length) {
      this.#input = Buffer.concat([this.#input, Buffer.alloc(this.#input.length)]);
    }
    let count = 0;
    try {
      count = readSync(this.#read, this.#input, kept, this.#input.length - kept, null);
    } catch {
      // As if it had ended.
    }
    if (count === 0) this.#fail();
    this.#end += count;
  }

  #fail(): never {
    this.close();
    throw new XsError(`${this.#name}: its XS machine has ended`);
  }
}
