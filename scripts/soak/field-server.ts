/** The real server on a virtual clock, with a clock of its own that may be wrong, and a process that may be killed. */

import { type Cloud, createCloud } from "../../cloud/cloud.js";
import type { EventJson, ReadingJson } from "../../cloud/model.js";
import type { Store } from "../../cloud/store/store.js";
import type { Crypto } from "../../hal/hal.js";
import type { VirtualClock } from "../../sim/clock.js";
import type { VirtualInternet } from "../../sim/modem/virtual-network.js";
import type { Device } from "../../sim/network.js";

/** 2026-01-01T00:00:00Z, as virtual time 0. */
export const EPOCH = Date.UTC(2026, 0, 1);
/** What the server's store seals keys under. */
export const STORE_KEY = new Uint8Array(32).fill(7);
export const SERVER = { host: "192.0.2.1", port: 5683 } as const;

export interface FieldServerOptions {
  readonly clock: VirtualClock;
  readonly internet: VirtualInternet;
  readonly crypto: Crypto;
  readonly onReading: (reading: ReadingJson) => void;
  readonly onEvent: (event: EventJson) => void;
}

export class FieldServer {
  readonly #options: FieldServerOptions;
  /** The hands of its clock, virtual ms → ms since 1970 − EPOCH: what to add, from which moment on. */
  readonly #wallSteps: { readonly at: number; readonly offset: number }[] = [{ at: 0, offset: 0 }];
  #cloud: Cloud | undefined;
  #armed = Number.POSITIVE_INFINITY;

  constructor(options: FieldServerOptions) {
    this.#options = options;
  }

  get cloud(): Cloud {
    if (this.#cloud === undefined) throw new Error("the cloud is not started");
    return this.#cloud;
  }

  /** @param devices which it does not know yet */
  async start(store: Store, devices: readonly Device[] = []): Promise<void> {
    const { clock, internet, crypto, onReading, onEvent } = this.#options;
    const cloud = await createCloud({
      store,
      crypto,
      storeKey: STORE_KEY,
      send: (datagram, destination) => {
        const [address, port] = destination.split(":");
        internet.sendTo(
          { address: SERVER.host, port: SERVER.port },
          { address, port: Number(port) },
          datagram,
        );
      },
      wallTime: () => this.wallTime,
    });
    this.#cloud = cloud;
    for (const { name, kind, identity } of devices) {
      const { oscore, mesh } = identity;
      await cloud.registry.upsert({
        name,
        kind,
        meshAddress: mesh.address,
        ...(oscore !== undefined && {
          oscore: {
            masterSecret: oscore.masterSecret,
            masterSalt: oscore.masterSalt,
            nodeId: oscore.senderId,
            serverId: oscore.recipientId,
          },
        }),
      });
    }
    cloud.live.on("reading", onReading);
    cloud.live.on("event", onEvent);
    internet.listen(SERVER.host, SERVER.port, (datagram, from) => {
      cloud.endpoint.handle(datagram, `${from.address}:${from.port}`, clock.now());
      this.#arm(cloud);
    });
  }

  /** The process is killed, and starts again on the same store: what it had in memory is gone. */
  async restart(): Promise<void> {
    const { store } = this.cloud;
    // Nothing of the old one runs any more: its timers are ours, and are not armed again.
    this.#cloud = undefined;
    this.#armed = Number.POSITIVE_INFINITY;
    await this.start(store);
  }

  /** What its clock says, ms since 1970. */
  get wallTime(): number {
    return EPOCH + Math.floor(this.#options.clock.now()) + this.#wallSteps[this.#wallSteps.length - 1].offset;
  }

  /** Its clock is set: from now on it is wrong by so much, ms. */
  stepWallClock(offset: number): void {
    this.#wallSteps.push({ at: this.#options.clock.now(), offset });
  }

  /** When a reading was taken, virtual ms, of what this clock has made of it: ms since 1970. */
  measuredAt(time: number, received: number): number {
    return time - EPOCH - this.#offsetAt(received - EPOCH);
  }

  /** By how much the clock was wrong when it showed this. */
  #offsetAt(shown: number): number {
    const steps = this.#wallSteps;
    for (let i = steps.length - 1; i > 0; i--) {
      const { at, offset } = steps[i];
      const until = steps[i + 1]?.at ?? Number.POSITIVE_INFINITY;
      if (shown - offset >= Math.floor(at) && shown - offset <= until) return offset;
    }
    return 0;
  }

  /** The endpoint's own timer, as the UDP driver would keep it. */
  #arm(cloud: Cloud): void {
    const { clock } = this.#options;
    const { deadline } = cloud.endpoint;
    if (deadline >= this.#armed) return;
    this.#armed = deadline;
    clock.post(Math.max(deadline, clock.now()), () => {
      this.#armed = Number.POSITIVE_INFINITY;
      if (cloud !== this.#cloud) return;
      cloud.endpoint.tick(clock.now());
      this.#arm(cloud);
    });
  }
}
