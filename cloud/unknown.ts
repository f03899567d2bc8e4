import { toHex } from "../firmware/bytes/hex.js";
import { iso } from "./model.js";
import type { UnknownJson } from "./overview-json.js";

/** Senders told apart; whoever invents more of them raises the count of messages only. */
const MAXIMUM = 100;
/** Of them shown. */
const SHOWN = 5;

/** Devices that speak before they are registered: one thing to see, however many there are and however often they speak. */
export class UnknownSenders {
  #messages = 0;
  #last = 0;
  #gateway: string | undefined;
  /** The last one at the end. */
  readonly #kids = new Set<string>();

  /** @param kid of a request that found no context */
  add(kid: Uint8Array, gateway: string | undefined, wall: number): void {
    this.#messages++;
    this.#last = wall;
    this.#gateway = gateway;
    const name = toHex(kid);
    this.#kids.delete(name);
    if (this.#kids.size === MAXIMUM) {
      const [oldest] = this.#kids;
      this.#kids.delete(oldest);
    }
    this.#kids.add(name);
  }

  /** A device was registered: what spoke in its name is not unknown any more. */
  forget(kid: Uint8Array): void {
    if (this.#kids.delete(toHex(kid)) && this.#kids.size === 0) this.#messages = 0;
  }

  json(): UnknownJson | undefined {
    if (this.#messages === 0) return undefined;
    return {
      messages: this.#messages,
      senders: this.#kids.size,
      last: iso(this.#last),
      ...(this.#gateway !== undefined && { gateway: this.#gateway }),
      kids: [...this.#kids].slice(-SHOWN).reverse(),
    };
  }
}
