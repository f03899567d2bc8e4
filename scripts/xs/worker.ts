/**
 * One XS machine in a process of its own: the worker of the npm package @agoric/xsnap, whose JavaScript side we do
 * without. It speaks netstrings on file descriptors 3 and 4.
 */

import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { XsError } from "../../sim/xs/worker.js";

interface Waiting {
  readonly resolve: (meter: number) => void;
  readonly reject: (error: XsError) => void;
}

const COLON = 0x3a;
const COMMA = 0x2c;

export class XsMachine {
  /** Answers the machine's `issueCommand`. */
  onCommand: (command: Uint8Array) => Uint8Array = () => new Uint8Array(0);
  readonly #child: ChildProcess;
  readonly #toMachine: Writable;
  #input: Buffer = Buffer.alloc(0);
  #waiting: Waiting | undefined;
  #ended: string | undefined;

  constructor(worker: string, name = "xs") {
    // -i: compute limit per evaluation; 0 is none.
    const child = spawn(worker, [name], { stdio: ["ignore", "ignore", "inherit", "pipe", "pipe"] });
    this.#child = child;
    this.#toMachine = child.stdio[3] as Writable;
    (child.stdio[4] as Readable).on("data", (data: Buffer) => this.#take(data));
    this.#toMachine.on("error", () => {});
    child.on("error", (error) => this.#end(error.message));
    child.on("exit", (code, signal) => this.#end(`ended with ${signal ?? code}`));
  }

  /**
   * Runs a script and the promise jobs that it leaves.
   * @returns bytecodes that it took: a figure that does not depend on the machine underneath
   * @throws XsError what it threw
   */
  evaluate(source: string): Promise<number> {
    if (this.#ended !== undefined) return Promise.reject(new XsError(this.#ended));
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#send("e", Buffer.from(source));
    });
  }

  close(): void {
    this.#child.kill("SIGKILL");
  }

  #send(kind: string, body: Uint8Array): void {
    this.#toMachine.write(`${body.length + 1}:${kind}`);
    this.#toMachine.write(body);
    this.#toMachine.write(",");
  }

  #take(data: Buffer): void {
    this.#input = this.#input.length === 0 ? data : Buffer.concat([this.#input, data]);
    for (;;) {
      const colon = this.#input.indexOf(COLON);
      if (colon < 0) return;
      const length = Number(this.#input.subarray(0, colon).toString("latin1"));
      const end = colon + 1 + length;
      if (this.#input.length <= end) return;
      if (this.#input[end] !== COMMA) {
        this.#end("the worker said what is no netstring");
        return;
      }
      const message = this.#input.subarray(colon + 1, end);
      this.#input = this.#input.subarray(end + 1);
      this.#message(String.fromCharCode(message[0]!), message.subarray(1));
    }
  }

  #message(kind: string, body: Buffer): void {
    if (kind === "?") {
      this.#send("/", this.onCommand(body));
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (kind === ".") waiting?.resolve(meterOf(body));
    else waiting?.reject(new XsError(body.toString("utf8")));
  }

  #end(reason: string): void {
    this.#ended ??= reason;
    this.#waiting?.reject(new XsError(this.#ended));
    this.#waiting = undefined;
    this.#child.kill("SIGKILL");
  }
}

/** `{"compute":123,…}\u0001…` */
function meterOf(body: Buffer): number {
  return Number(/"compute":(\d+)/.exec(body.toString("latin1"))?.[1] ?? 0);
}
