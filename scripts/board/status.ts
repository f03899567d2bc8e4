import type { EmulatedNetwork } from "./emulated-network.js";

const LINE_INTERVAL = 10_000;
const REFRESH_INTERVAL = 1000;
/** What a board says of its heap every second is in its row. */
const HEAP_LINE = /^heap /;

/** How emulated boards are: where the page is, then a row for each, which changes on a terminal. */
export class BoardStatus {
  readonly #out: NodeJS.WriteStream;
  readonly #lastLines = new Map<string, string>();
  readonly #arrived = new Map<string, number>();
  #network: EmulatedNetwork | undefined;
  #timer: NodeJS.Timeout | undefined;
  #unsubscribe: (() => void) | undefined;
  #started = 0;
  #rowsOnScreen = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** A line of a board's console. */
  take(device: string, line: string): void {
    if (HEAP_LINE.test(line)) return;
    this.#lastLines.set(device, line);
    if (!this.#out.isTTY) this.#out.write(`${device}> ${line}\n`);
  }

  show(network: EmulatedNetwork): void {
    this.#network = network;
    this.#started = Date.now();
    const { host, port } = network.server.coapAddress;
    this.#out.write(`CoAP on ${host}:${port}; air on UDP port ${network.airPort}\n`);
    this.#out.write(`\n  Page: ${network.server.httpUrl}\n\n`);
    this.#unsubscribe = network.server.live.on("reading", ({ node }) => {
      this.#arrived.set(node, (this.#arrived.get(node) ?? 0) + 1);
    });
    this.#timer = setInterval(() => this.#refresh(), this.#out.isTTY ? REFRESH_INTERVAL : LINE_INTERVAL);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#unsubscribe?.();
    this.#refresh();
  }

  #refresh(): void {
    if (this.#network === undefined) return;
    const width = this.#out.isTTY ? (this.#out.columns ?? 80) - 1 : Number.POSITIVE_INFINITY;
    const rows = this.#rows(this.#network).map((row) => row.slice(0, width));
    const back = this.#out.isTTY && this.#rowsOnScreen > 0 ? `\x1b[${this.#rowsOnScreen}A\x1b[J` : "";
    this.#out.write(`${back}${rows.join("\n")}\n`);
    this.#rowsOnScreen = rows.length;
  }

  #rows(network: EmulatedNetwork): string[] {
    const seconds = Math.floor((Date.now() - this.#started) / 1000);
    const { sent, lost } = airTotals(network);
    const rows = [
      `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} · ${sum(this.#arrived.values())} readings of ${this.#arrived.size} nodes · air ${sent} frames, ${lost} % lost`,
      `${"".padEnd(11)} ${"CPU".padStart(6)} ${"heap (most)".padStart(14)} ${"flash".padStart(9)} ${"sent".padStart(7)} ${"heard".padStart(7)} ${"missed".padStart(7)} ${"arrived".padStart(8)}  console`,
    ];
    for (const { name, kind } of network.devices) {
      const radio = network.radio(name);
      const state = network.boards.get(name)?.board.state;
      const heap = state?.heap ?? network.heap.get(name);
      const most = state?.heapPeak ?? network.heapPeak.get(name);
      const ended = network.boards.get(name)?.board.exitStatus;
      const console =
        ended === undefined ? (this.#lastLines.get(name) ?? "") : `has ended with status ${ended}`;
      rows.push(
        [
          name.padEnd(11),
          (state === undefined ? "" : `${(100 * state.cpu).toFixed(1)} %`).padStart(6),
          (heap === undefined ? "" : `${kilobytes(heap)} (${kilobytes(most ?? heap)}) KB`).padStart(14),
          // Words written and pages erased since it was switched on.
          (state === undefined ? "" : `${state.words}w ${state.erases}e`).padStart(9),
          String(radio?.counters.events ?? 0).padStart(7),
          String(radio?.counters.received ?? 0).padStart(7),
          (state === undefined ? "" : String(state.missed)).padStart(7),
          (kind === "node" ? String(this.#arrived.get(name) ?? 0) : "").padStart(8),
          ` ${network.boards.has(name) ? console : "simulated"}`,
        ].join(" "),
      );
    }
    for (const { device, line } of network.complaints.slice(-5)) rows.push(`! ${device}: ${line}`);
    return rows;
  }
}

function kilobytes(bytes: number): string {
  return (bytes / 1024).toFixed(0);
}

function airTotals({ world }: EmulatedNetwork): { sent: number; lost: number } {
  const { events, received, lost, collided } = world.air.counters;
  const heard = received + lost + collided;
  return { sent: events, lost: heard === 0 ? 0 : Math.round((100 * (lost + collided)) / heard) };
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
