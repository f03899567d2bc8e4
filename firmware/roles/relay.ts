import type { Hal } from "../../hal/hal.js";
import type { MeshStack } from "../mesh/stack.js";
import type { Identity } from "./identity.js";
import { makeMeshStack } from "./mesh.js";
import { Pump } from "./pump.js";

/**
 * A blind relay: it holds the NetKey, so that it can pass PDUs on, and no AppKey, so that it can read none. It is a
 * friend of battery nodes, for which it keeps PDUs as unread (Mesh Profile §3.6.6).
 */
export class RelayRole {
  readonly stack: MeshStack;
  readonly #hal: Hal;
  readonly #pump: Pump;

  constructor(hal: Hal, identity: Identity) {
    this.#hal = hal;
    this.stack = makeMeshStack(hal, identity.mesh, { friend: true });
    this.#pump = new Pump(hal.clock, this.stack);
  }

  start(): void {
    this.#hal.bearer.onReceive = (data, _address, rssi) => {
      this.stack.receive(data, rssi, this.#hal.clock.now());
      this.#pump.settle();
    };
    this.#pump.settle();
  }

  /** Orderly: what was reserved and not used is given back. */
  stop(): void {
    this.halt();
    this.stack.flush();
  }

  /** At once, as when the power goes: nothing is stored. */
  halt(): void {
    this.#hal.bearer.onReceive = undefined;
    this.#pump.stop();
  }
}
