/**
 * Runs the devices of a simulated network in XS, the engine of the board: each in a machine of its own, a process, as
 * long as there are not too many. What is below the HAL (radio, crypto, storage, sensor, modem) stays here.
 */

import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import type { CborMap } from "../../firmware/bytes/cbor.js";
import type { Identity } from "../../firmware/roles/identity.js";
import type { Cancel } from "../../hal/hal.js";
import type { VirtualClock } from "../clock.js";
import type { DeviceEngine, DeviceRole, Equipment } from "../engine.js";
import type { DeviceKind } from "../network.js";
import { FOR_XS } from "./bundle.js";
import { ANSWER, type DeviceCalls, decodeCall, encodeCall, type HalCalls } from "./calls.js";
import { halAnswers } from "./hal-answers.js";
import { SyncMachine } from "./sync-machine.js";

/** Machines at most; some 60 MB each. Further devices share them. */
const MACHINES = 16;

export interface XsEngineOptions {
  /** See `xsWorker`, or a program that speaks alike. */
  readonly worker: string;
  /** The worker has the devices' program already. */
  readonly preloaded?: boolean;
  readonly clock: VirtualClock;
  /** Default 16. */
  readonly machines?: number;
}

/** One XS machine and the devices in it. */
class Host {
  readonly devices = new Map<number, HalCalls>();
  readonly #machine: SyncMachine;

  constructor(worker: string, name: string, script: string | undefined) {
    this.#machine = new SyncMachine(worker, name);
    this.#machine.onCommand = (bytes) => this.#answer(bytes);
    if (script !== undefined) this.#machine.evaluate(script);
  }

  #answer(bytes: Uint8Array): Uint8Array {
    const [device, name, ...values] = decodeCall(bytes);
    try {
      const calls = this.devices.get(device as number);
      const call = calls?.[name as keyof HalCalls] as ((...values: unknown[]) => never) | undefined;
      if (call === undefined) throw new Error(`device ${device} calls ${name}`);
      return encodeCall([ANSWER.value, call(...values)]);
    } catch (error) {
      const kind = error instanceof RangeError ? ANSWER.range : ANSWER.error;
      return encodeCall([kind, (error as Error).message]);
    }
  }

  /** @returns when the device wants its alarm, and what it answered */
  call<N extends keyof DeviceCalls>(
    device: number,
    now: number,
    name: N,
    values: Parameters<DeviceCalls[N]>,
  ): [deadline: number, result: ReturnType<DeviceCalls[N]>] {
    const [deadline, result] = decodeCall(this.#machine.command(encodeCall([device, now, name, ...values])));
    return [(deadline as number | undefined) ?? Number.POSITIVE_INFINITY, result as never];
  }

  close(): void {
    this.#machine.close();
  }
}

/** A role that runs in XS, as the simulator sees it. */
class XsRole implements DeviceRole {
  readonly modem?: { readonly state: string };
  readonly #clock: VirtualClock;
  readonly #host: Host;
  readonly #number: number;
  readonly #equipment: Equipment;
  readonly #onHalt: () => void;
  #alarm: Cancel | undefined;
  #alarmTime = Number.POSITIVE_INFINITY;
  #on = true;

  constructor(
    clock: VirtualClock,
    host: Host,
    number: number,
    kind: DeviceKind,
    equipment: Equipment,
    onHalt: () => void,
  ) {
    this.#clock = clock;
    this.#host = host;
    this.#number = number;
    this.#equipment = equipment;
    this.#onHalt = onHalt;
    host.devices.set(number, halAnswers(equipment));
    const { gateway } = equipment;
    const setting: CborMap = new Map<string, string | number>(
      gateway === undefined
        ? []
        : [
            ["apn", gateway.apn],
            ["host", gateway.server.host],
            ["port", gateway.server.port],
            ["healthInterval", gateway.healthInterval ?? 0],
          ],
    );
    this.#call("create", kind, equipment.hal.board.chipId, setting);
    if (gateway !== undefined) {
      const state = () => (this.#on ? this.#call("modemState") : "off");
      this.modem = {
        get state() {
          return state();
        },
      };
    }
  }

  start(): void {
    const { hal, modem } = this.#equipment;
    hal.bearer.onReceive = (data, address, rssi) => this.#call("frame", data, address, rssi);
    if (modem !== undefined) {
      modem.serial.onReadable = (bytes) => this.#call("readable", bytes);
      modem.serial.onWritable = (bytes) => this.#call("writable", bytes);
    }
    this.#call("start");
  }

  stop(): void {
    this.#equipment.hal.bearer.onReceive = undefined;
    // A gateway goes on with its modem for some seconds.
    this.#call("stop");
  }

  halt(): void {
    if (!this.#on) return;
    this.#on = false;
    const { hal, modem } = this.#equipment;
    hal.bearer.onReceive = undefined;
    if (modem !== undefined) {
      modem.serial.onReadable = undefined;
      modem.serial.onWritable = undefined;
    }
    this.#alarm?.();
    this.#onHalt();
  }

  #call<N extends keyof DeviceCalls>(
    name: N,
    ...values: Parameters<DeviceCalls[N]>
  ): ReturnType<DeviceCalls[N]> {
    const [deadline, result] = this.#host.call(this.#number, this.#clock.now(), name, values);
    this.#arm(deadline);
    return result;
  }

  #arm(deadline: number): void {
    if (deadline === this.#alarmTime) return;
    this.#alarm?.();
    this.#alarmTime = deadline;
    this.#alarm = this.#clock.at(deadline, () => {
      this.#alarmTime = Number.POSITIVE_INFINITY;
      this.#call("alarm");
    });
  }
}

export class XsEngine implements DeviceEngine {
  readonly #options: XsEngineOptions;
  readonly #script: string | undefined;
  readonly #hosts: Host[] = [];
  readonly #roles = new Set<XsRole>();
  #count = 0;

  constructor(options: XsEngineOptions) {
    this.#options = options;
    if (options.preloaded) return;
    const entry = fileURLToPath(new URL("./device/main.ts", import.meta.url));
    this.#script = buildSync({ ...FOR_XS, entryPoints: [entry] }).outputFiles[0]!.text;
  }

  /** XS machines that run now. */
  get machines(): number {
    return this.#hosts.length;
  }

  run(kind: DeviceKind, identity: Identity, equipment: Equipment): DeviceRole {
    const host = this.#hostFor(identity.name);
    const number = this.#count++;
    const role: XsRole = new XsRole(this.#options.clock, host, number, kind, equipment, () => {
      this.#roles.delete(role);
      host.devices.delete(number);
      if (host.devices.size > 0) {
        host.call(number, this.#options.clock.now(), "forget", []);
        return;
      }
      host.close();
      this.#hosts.splice(this.#hosts.indexOf(host), 1);
    });
    this.#roles.add(role);
    return role;
  }

  /** Ends all machines, whatever their devices were doing. */
  close(): void {
    for (const role of [...this.#roles]) role.halt();
  }

  /** A new machine, or the one with the fewest devices. */
  #hostFor(name: string): Host {
    const { worker, machines = MACHINES } = this.#options;
    if (this.#hosts.length < machines) {
      const host = new Host(worker, name, this.#script);
      this.#hosts.push(host);
      return host;
    }
    return this.#hosts.reduce((least, host) => (host.devices.size < least.devices.size ? host : least));
  }
}
