import { type ChildProcess, fork } from "node:child_process";
import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { StartupError } from "./errors.js";
import { FrameWriter, type FromWorker, readFrame, type ToWorker } from "./frames.js";
import type { Metrics } from "./metrics.js";
import { Turns } from "./turns.js";
import { type Address, bindError, type DatagramHandler, type UdpPort } from "./udp.js";
import type { WorkerOptions } from "./udp-worker.js";

/** Beside this file, as it is written or as it is packed. */
const MODULE = fileURLToPath(new URL(`udp-worker${extname(import.meta.url)}`, import.meta.url));
/** A worker that ended is replaced after so long. */
const REPLACE_MS = 100;
/** One that ends at once, again and again, is not started more often than this. */
const SOONEST_MS = 2000;
/** Frames that a worker has not taken yet. */
const FRAMES_UNDER_WAY = 64;
const STOP_MS = 2000;

class UdpWorker {
  readonly process: ChildProcess;
  readonly started = performance.now();
  underWay = 0;

  constructor(process: ChildProcess) {
    this.process = process;
  }

  send(message: ToWorker): void {
    this.underWay++;
    // An error is the worker's end, which is heard of anyhow.
    this.process.send(message, () => this.underWay--);
  }
}

/**
 * Several processes with a socket each on one UDP port, under one endpoint: the system gives each remote address to one
 * of them, they hand everything on, and any of them sends an answer. Nothing is decided in them, so that there is one
 * replay state, and nothing is kept in them, so that one may be killed at any time.
 */
export class UdpWorkers implements UdpPort {
  readonly address: Address;
  readonly #options: WorkerOptions;
  readonly #metrics: Metrics;
  readonly #onEnded: (pid: number | undefined) => void;
  readonly #workers = new Set<UdpWorker>();
  readonly #frame = new FrameWriter();
  readonly #replacing = new Set<NodeJS.Timeout>();
  #endpoint: DatagramHandler | undefined;
  #turns: Turns | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    options: WorkerOptions,
    first: UdpWorker,
    metrics: Metrics,
    onEnded: (pid: number | undefined) => void,
  ) {
    this.#options = options;
    this.address = { host: options.host, port: options.port };
    this.#metrics = metrics;
    this.#onEnded = onEnded;
    this.#add(first);
  }

  /**
   * @param onEnded a worker has ended unasked; another takes its place
   * @throws StartupError
   */
  static async open(
    { host, port }: Address,
    count: number,
    metrics: Metrics,
    sourceLimit: number,
    onEnded: (pid: number | undefined) => void,
  ): Promise<UdpWorkers> {
    await checkFree(host, port);
    const wanted = { host, port, sourceLimit };
    const first = await startWorker(wanted);
    const workers = new UdpWorkers({ ...wanted, port: first.port }, first.worker, metrics, onEnded);
    try {
      const others = Array.from({ length: count - 1 }, () => startWorker(workers.#options));
      for (const { worker } of await Promise.all(others)) workers.#add(worker);
    } catch (error) {
      await workers.close();
      throw error;
    }
    return workers;
  }

  get pids(): number[] {
    return [...this.#workers].map(({ process }) => process.pid ?? 0);
  }

  start(endpoint: DatagramHandler): void {
    this.#endpoint = endpoint;
    const turns = new Turns(endpoint, () => this.#flush());
    this.#turns = turns;
    endpoint.onWake = () => turns.arm();
    turns.arm();
  }

  send(datagram: Uint8Array, destination: string): void {
    this.#frame.add(datagram, destination);
    this.#turns?.due();
  }

  #add(worker: UdpWorker): void {
    this.#workers.add(worker);
    worker.process.on("message", (message: FromWorker) => {
      if ("drops" in message) {
        for (const [reason, count] of message.drops) this.#metrics.drop("udp", reason, count);
      } else if (message instanceof Uint8Array) this.#take(message);
    });
    worker.process.once("exit", () => {
      this.#workers.delete(worker);
      if (this.#closing !== undefined) return;
      this.#onEnded(worker.process.pid);
      this.#replace(performance.now() - worker.started < SOONEST_MS ? SOONEST_MS : REPLACE_MS);
    });
  }

  #replace(wait: number): void {
    const timer = setTimeout(() => {
      this.#replacing.delete(timer);
      startWorker(this.#options).then(
        ({ worker }) => {
          if (this.#closing === undefined) this.#add(worker);
          else worker.process.kill("SIGKILL");
        },
        () => {
          if (this.#closing === undefined) this.#replace(SOONEST_MS);
        },
      );
    }, wait);
    this.#replacing.add(timer);
  }

  #take(frame: Uint8Array): void {
    const endpoint = this.#endpoint;
    if (endpoint === undefined || this.#closing !== undefined) return;
    const now = performance.now();
    readFrame(frame, (datagram, source) => endpoint.handle(datagram, source, now));
    this.#turns?.due();
  }

  /** What one turn has made leaves through one worker, and the next turn's through another. */
  #flush(): void {
    if (this.#frame.isEmpty) return;
    const frame = this.#frame.take();
    for (const worker of this.#workers) {
      if (!worker.process.connected || worker.underWay >= FRAMES_UNDER_WAY) continue;
      this.#workers.delete(worker);
      this.#workers.add(worker);
      worker.send(frame);
      return;
    }
    readFrame(frame, () => this.#metrics.drop("udp", "no-worker"));
  }

  /** Takes no further datagrams; what was sent already leaves. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#turns?.stop();
      for (const timer of this.#replacing) clearTimeout(timer);
      this.#flush();
      await Promise.all([...this.#workers].map((worker) => end(worker)));
    })();
    return this.#closing;
  }
}

async function end(worker: UdpWorker): Promise<void> {
  const { process } = worker;
  const ended = once(process, "exit");
  if (process.connected) worker.send("stop");
  const timer = setTimeout(() => process.kill("SIGKILL"), STOP_MS);
  if (process.exitCode === null && process.signalCode === null) await ended;
  clearTimeout(timer);
}

/** @throws StartupError */
async function startWorker(options: WorkerOptions): Promise<{ worker: UdpWorker; port: number }> {
  const child = fork(MODULE, [JSON.stringify(options)], { serialization: "advanced" });
  const port = await new Promise<number>((resolve, reject) => {
    const failed = () => reject(new StartupError("a UDP worker ended before it had begun"));
    child.once("error", failed);
    child.once("exit", failed);
    child.once("message", (message: FromWorker) => {
      child.off("exit", failed);
      if ("port" in message) resolve(message.port);
      else
        reject(
          new StartupError("failure" in message ? message.failure : "a UDP worker is of another version"),
        );
    });
  });
  return { worker: new UdpWorker(child), port };
}

/**
 * Among sockets that share a port nobody learns of another server on it, which would take its part of the datagrams: so
 * it is asked for alone first.
 */
async function checkFree(host: string, port: number): Promise<void> {
  let address: { address: string; family: number };
  try {
    address = await lookup(host);
  } catch {
    return; // The worker says it better.
  }
  const socket = createSocket(address.family === 6 ? "udp6" : "udp4");
  try {
    socket.bind(port, address.address);
    await once(socket, "listening");
  } catch (error) {
    throw new StartupError(bindError(error as NodeJS.ErrnoException, host, port));
  } finally {
    socket.close();
  }
}
