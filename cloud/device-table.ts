import type { Device } from "./device.js";

/**
 * The devices that a server knows, by what they are asked for: none of these questions may cost more with a million
 * devices than with ten.
 */
export class DeviceTable {
  readonly #byId = new Map<number, Device>();
  readonly #byName = new Map<string, Device>();
  readonly #byMeshAddress = new Map<number, Device>();
  readonly #gateways = new Map<number, Device>();

  get size(): number {
    return this.#byId.size;
  }

  has(id: number): boolean {
    return this.#byId.has(id);
  }

  get(id: number): Device | undefined {
    return this.#byId.get(id);
  }

  named(name: string): Device | undefined {
    return this.#byName.get(name);
  }

  atMeshAddress(address: number): Device | undefined {
    return this.#byMeshAddress.get(address);
  }

  ids(): IterableIterator<number> {
    return this.#byId.keys();
  }

  all(): IterableIterator<Device> {
    return this.#byId.values();
  }

  gateways(): IterableIterator<Device> {
    return this.#gateways.values();
  }

  /** A device, also one that is in here already, with what is now said of it. */
  put(device: Device, record: Device["record"] = device.record): void {
    if (this.#byId.get(record.id) === device) this.#unlink(device);
    device.record = record;
    const { id, name, kind, meshAddress } = record;
    this.#byId.set(id, device);
    this.#byName.set(name, device);
    if (meshAddress !== undefined) this.#byMeshAddress.set(meshAddress, device);
    if (kind === "gateway") this.#gateways.set(id, device);
  }

  delete(device: Device): void {
    this.#byId.delete(device.record.id);
    this.#unlink(device);
  }

  /** Entries of another device that has taken a name or an address over stay. */
  #unlink(device: Device): void {
    const { id, name, meshAddress } = device.record;
    if (this.#byName.get(name) === device) this.#byName.delete(name);
    if (meshAddress !== undefined && this.#byMeshAddress.get(meshAddress) === device) {
      this.#byMeshAddress.delete(meshAddress);
    }
    this.#gateways.delete(id);
  }
}
