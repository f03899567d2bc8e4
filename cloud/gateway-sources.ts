import type { Device } from "./device.js";

/** Gateways by where their own reports come from ("host:port"): what comes from there came through them. */
export class GatewaySources {
  readonly #gateways = new Map<string, Device>();

  /** A gateway's report came from there; it has one source, the newest. */
  note(gateway: Device, source: string): void {
    if (this.#gateways.get(source) === gateway) return;
    this.forget(gateway);
    this.#gateways.set(source, gateway);
  }

  /** Who speaks from there. */
  at(source: string): Device | undefined {
    return this.#gateways.get(source);
  }

  forget(device: Device): void {
    for (const [source, gateway] of this.#gateways) if (gateway === device) this.#gateways.delete(source);
  }
}
