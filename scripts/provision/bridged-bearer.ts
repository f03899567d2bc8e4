import { fromHex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import type { AdvertisingBearer, Cancel, Clock } from "../../hal/hal.js";
import type { ConsoleLink } from "./console-link.js";
import { WayError } from "./way.js";

/** Frames that may be on their way to the bridge at a time. */
const WINDOW = 4;
/** When the bridge's radio had no room, ms. */
const FULL_RETRY = 40;
/** The bridge ends by itself a minute after the last word, ms. */
const KEEP_ALIVE = 20_000;
/** ms */
const FAREWELL = 500;

/** The radio of a board that is a bridge (firmware/roles/bridge.ts), as our own mesh stack wants it. */
export class BridgedBearer implements AdvertisingBearer {
  onReceive: AdvertisingBearer["onReceive"];
  /** Frames that the bridge did not take. */
  lost = 0;
  readonly #link: ConsoleLink;
  readonly #clock: Clock;
  #outstanding = 0;
  #timer: Cancel | undefined;
  #closed = false;

  constructor(link: ConsoleLink, clock: Clock) {
    this.#link = link;
    this.#clock = clock;
  }

  /** @throws {WayError} refused, when the board cannot be a bridge */
  async start(): Promise<void> {
    await this.#link.request("adv on");
    if (this.#closed) return;
    this.#timer?.();
    this.#timer = this.#clock.at(this.#clock.now() + KEEP_ALIVE, () => {
      // A bridge that has restarted knows nothing of it. What is wrong with the link, others are told.
      this.start().catch(() => {});
    });
  }

  async stop(): Promise<void> {
    this.#closed = true;
    this.#timer?.();
    const off = this.#link.request("adv off").then(
      () => {},
      () => {},
    );
    // Where the cable is out, the bridge ends by itself.
    const enough = new Promise<void>((resolve) => this.#clock.at(this.#clock.now() + FAREWELL, resolve));
    await Promise.race([off, enough]);
  }

  /** Takes a frame of the board that answers nothing. */
  event(text: string): void {
    const said = /^adv (-?\d+) ([0-9a-f]+)$/.exec(text);
    const data = fromHex(said?.[2] ?? "");
    if (said === null || data instanceof Refusal) return;
    this.onReceive?.(data, new Uint8Array(6), Number(said[1]));
  }

  get free(): number {
    return WINDOW - this.#outstanding;
  }

  send(data: Uint8Array, count: number, interval: number): boolean {
    if (this.free <= 0 || this.#closed) return false;
    this.#outstanding++;
    this.#carry(`adv send ${count} ${interval} ${toHex(data)}`).finally(() => {
      this.#outstanding--;
    });
    return true;
  }

  async #carry(line: string): Promise<void> {
    for (;;) {
      try {
        await this.#link.request(line);
        return;
      } catch (error) {
        const full = error instanceof WayError && error.reason === "refused" && error.detail === "full";
        if (!full || this.#closed) {
          this.lost++;
          return;
        }
        await new Promise<void>((resolve) => this.#clock.at(this.#clock.now() + FULL_RETRY, resolve));
      }
    }
  }
}
