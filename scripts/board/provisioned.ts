/**
 * Emulated boards out of the box that are provisioned as a technician does it: a gateway through its console, a node
 * over the air with the gateway as bridge. In wall time.
 */

import { connect } from "node:net";
import { join } from "node:path";
import { hostCrypto } from "#hal/crypto.js";
import { DEFAULT_SETTINGS } from "../../firmware/roles/identity.js";
import { MemoryStore } from "../../hal/host/storage.js";
import { Air } from "../../sim/air/air.js";
import { listenAirHub } from "../../sim/air/hub.js";
import { fixedRange } from "../../sim/air/propagation.js";
import { type Device, newKeyRing, planNetwork } from "../../sim/network.js";
import { PacedClock } from "../../sim/paced-clock.js";
import { Random } from "../../sim/random.js";
import { openOverTheAir } from "../provision/air-way.js";
import { openSerial } from "../provision/serial-way.js";
import type { Label, Way } from "../provision/way.js";
import { EmulatedBoard, freePort } from "./emulator.js";
import { Lockstep } from "./lockstep.js";

export interface ProvisionedOptions {
  readonly emulator: string;
  /** The images. */
  readonly elf: Readonly<Record<"node" | "gateway", string>>;
  /** Where flash files are kept. */
  readonly directory: string;
  /** Probability that a frame is lost. */
  readonly loss: number;
}

export interface ProvisionedResult {
  /** Seconds of wall time until the board ran with its identity. */
  readonly serial: number;
  readonly air: number;
  readonly failures: readonly string[];
}

/** The unicast address of the technician's computer. */
const PROVISIONER = 0x7f00;

export async function provisionEmulated(options: ProvisionedOptions): Promise<ProvisionedResult> {
  const { emulator, elf, directory, loss } = options;
  const random = (length: number) => hostCrypto.random(length);
  const settings = { ...DEFAULT_SETTINGS, interval: 5 };
  const devices = planNetwork(newKeyRing(random), { nodes: 1, relays: 0, gateways: 1, settings, random });
  const device = (kind: Device["kind"]) => devices.find((candidate) => candidate.kind === kind)!;
  const [gateway, node] = [device("gateway").identity, device("node").identity];
  const failures: string[] = [];
  const lockstep = Lockstep.library() === undefined ? undefined : new Lockstep(true);
  const clock = new PacedClock(lockstep && { wall: lockstep });
  clock.start();
  lockstep?.start();
  const air = new Air({ clock, random: new Random(1), propagation: fixedRange(1000), loss });
  const hub = await listenAirHub(0, { air, clock });
  const boards: EmulatedBoard[] = [];
  const ways: Way[] = [];

  /** @returns the port of its console */
  const switchOn = async (name: "gateway" | "node", seed: number): Promise<string> => {
    const port = await freePort();
    const board = new EmulatedBoard(emulator, elf[name], {
      seed,
      air: hub.port,
      flash: join(directory, `provisioned-${name}.flash`),
      uart: [port, undefined],
      ...(lockstep !== undefined && { lockstep }),
      ...(name === "node" && { sensor: "21.5,47" }),
    });
    // Provisioning ends with a restart.
    board.onComplaint = ({ kind, line }) => {
      if (kind !== "reset") failures.push(`${name}: ${line}`);
    };
    boards.push(board);
    await listening(port);
    return `tcp:127.0.0.1:${port}`;
  };
  const opened = async <T extends Way>(way: Promise<T>): Promise<T> => {
    const is = await way;
    ways.push(is);
    return is;
  };

  try {
    const bridge = await switchOn("gateway", 71);
    const began = performance.now();
    const serial = await opened(openSerial(bridge));
    const { oob } = await serial.label();
    await serial.close();
    const proved = await opened(openSerial(bridge, { oob }));
    await proved.write(gateway);
    const serialSeconds = (performance.now() - began) / 1000;
    await proved.close();

    const console = await opened(openSerial(await switchOn("node", 72)));
    const label: Label = await console.label();
    const { netKey, appKey, ivIndex, ttl } = gateway.mesh;
    const network = {
      netKey,
      appKey: appKey!,
      ivIndex,
      ttl,
      address: PROVISIONER,
      storage: new MemoryStore(),
    };
    const airBegan = performance.now();
    const overTheAir = await opened(openOverTheAir({ bridge, network, ...label }));
    await overTheAir.write(node);
    const airSeconds = (performance.now() - airBegan) / 1000;
    if ((await console.verify(node)) !== "same") failures.push("the node's console names another identity");
    await overTheAir.erase(node);
    if ((await console.verify(node)) !== "none") failures.push("a Node Reset left the node its identity");
    return { serial: serialSeconds, air: airSeconds, failures };
  } catch (error) {
    return { serial: Number.NaN, air: Number.NaN, failures: [...failures, String(error)] };
  } finally {
    for (const way of ways) await way.close();
    for (const board of boards) board.kill();
    await Promise.all(boards.map(({ ended }) => ended));
    await hub.close();
    clock.stop();
    await lockstep?.stop();
  }
}

/** The emulator listens at a port some moments after it was started. */
async function listening(port: number): Promise<void> {
  for (let look = 0; look < 100; look++) {
    const there = await new Promise<boolean>((resolve) => {
      const socket = connect({ port, host: "127.0.0.1" });
      socket.on("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.on("error", () => resolve(false));
    });
    if (there) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
