import type { Hal } from "../../hal/hal.js";
import { Refusal } from "../bytes/refusal.js";
import { deviceUuid, type Kind, staticOob } from "../console/label.js";
import { Terminal } from "../console/terminal.js";
import type { MeshStack } from "../mesh/stack.js";
import { addBridge } from "./bridge.js";
import type { CommissioningOptions } from "./commissioning.js";
import { forgetIdentity, type Identity, type IdentityRefusal, loadIdentity } from "./identity.js";
import { serveIdentity } from "./identity-server.js";
import { addProvisioning } from "./provisioning-console.js";

/** So that the answer to a command has left before the device restarts, ms. */
const FAREWELL = 100;

interface Runnable {
  start(): void;
  /** At once, as when the power goes. */
  halt(): void;
}

/** What all roles are, seen from the device that has one. */
export interface Role extends Runnable {
  readonly stack: MeshStack;
}

export interface DeviceOptions {
  readonly kind: Kind;
  /** Of the firmware, without blanks. */
  readonly version: string;
  readonly hal: Hal;
  /** Sends a line of the console, or returns false when there is no room for it now. */
  readonly print: (line: string) => boolean;
  readonly makeRole: (identity: Identity, terminal: Terminal) => Role;
  /** What a device without an identity does on the air (`new Commissioning`); absent: nothing, its console will do. */
  readonly commission?: (options: CommissioningOptions) => Runnable;
}

/**
 * A board from its start on: with an identity it has its role, without it waits for one, on the console and on the air.
 * Whenever the identity changes it restarts.
 */
export class Device {
  readonly terminal: Terminal;
  readonly identity: Identity | IdentityRefusal;
  /** What runs: the role, or what waits for an identity on the air. */
  readonly runs: Runnable | undefined;
  readonly #hal: Hal;
  #restarting = false;
  #halted = false;

  constructor({ kind, version, hal, print, makeRole, commission }: DeviceOptions) {
    const { board, storage, crypto } = hal;
    const terminal = new Terminal(print, (text) => board.crc16(text));
    const uuid = deviceUuid(kind, board.chipId);
    const oob = staticOob(storage, crypto);
    const restart = () => this.restart();
    const identity = loadIdentity(storage);
    this.terminal = terminal;
    this.identity = identity;
    this.#hal = hal;
    terminal.command("restart", () => {
      restart();
      return "restarting";
    });
    addProvisioning({ terminal, hal, kind, version, uuid, oob, onChanged: restart });
    addBridge(terminal, hal);
    if (identity instanceof Refusal) {
      this.runs = commission?.({ kind, hal, uuid, oob, onEnd: restart });
    } else {
      const role = makeRole(identity, terminal);
      this.runs = role;
      serveIdentity({
        kind,
        hal,
        stack: role.stack,
        // Its place in the mesh is not this message's affair: Configuration messages change it, and are remembered.
        configured: () => identity.mesh,
        onInstalled: restart,
      });
      // A Node Reset (Mesh Profile §3.10.7): it is nobody's again.
      role.stack.onReset = () => {
        forgetIdentity(storage);
        restart();
      };
    }
  }

  start(): void {
    this.runs?.start();
  }

  /** At once, as when the power goes. */
  halt(): void {
    this.#halted = true;
    this.runs?.halt();
  }

  restart(): void {
    if (this.#restarting) return;
    this.#restarting = true;
    const { clock, board } = this.#hal;
    clock.at(clock.now() + FAREWELL, () => {
      if (!this.#halted) board.restart();
    });
  }
}
