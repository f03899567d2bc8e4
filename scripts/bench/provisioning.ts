/** What taking a device in costs: over the air (PB-ADV, in virtual time), and in the file that all of it is kept in. */

import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostCrypto } from "#hal/crypto.js";
import { Provisioner, type ProvisioningOutcome } from "../../firmware/mesh/provisioner.js";
import { ProvisioningDevice } from "../../firmware/mesh/provisioning-device.js";
import { Pump, type Timed } from "../../firmware/roles/pump.js";
import { Air } from "../../sim/air/air.js";
import { fixedRange } from "../../sim/air/propagation.js";
import type { SimulatedRadio } from "../../sim/air/radio.js";
import { VirtualClock } from "../../sim/clock.js";
import { Random } from "../../sim/random.js";
import { newDevice } from "../provision/commands/add.js";
import { newNetwork } from "../provision/network.js";
import { NetworkFile } from "../provision/network-file.js";
import { type BenchRow, repeat, rowOf, summarise } from "./measure.js";

const NET_KEY = new Uint8Array(16).fill(0x11);
const UUID = new Uint8Array(16).fill(0x33);
const OOB = new Uint8Array(16).fill(0x44);
const DEVICES = 1000;

/** One device is provisioned by one provisioner a few metres away. @returns ms of virtual time, and of a core */
function overTheAir(seed: number, loss: number): { virtual: number; cpu: number } {
  const clock = new VirtualClock();
  const random = new Random(seed);
  const air = new Air({ clock, random: random.fork("air"), propagation: fixedRange(60), loss });
  let outcome: ProvisioningOutcome | undefined;
  const common = (radio: SimulatedRadio) => ({
    crypto: hostCrypto,
    random: () => random.next(),
    now: () => clock.now(),
    transmit: (data: Uint8Array, count: number, interval: number) => radio.send(data, count, interval),
  });
  const connect = (radio: SimulatedRadio, core: Timed & Pick<Provisioner, "receive">) => {
    const pump = new Pump(clock, core);
    radio.onReceive = (data, _address, rssi) => {
      core.receive(data, rssi, clock.now());
      pump.settle();
    };
    return pump;
  };
  const [near, far] = [air.attach({ position: { x: 0, y: 0 } }), air.attach({ position: { x: 5, y: 0 } })];
  const provisioner = new Provisioner(common(near));
  const device = new ProvisioningDevice({
    ...common(far),
    uuid: UUID,
    staticOob: OOB,
    onProvisioned: () => {},
  });
  const pumps = [connect(near, provisioner), connect(far, device)];
  const before = process.cpuUsage();
  provisioner.provision({
    uuid: UUID,
    staticOob: OOB,
    assign: () => ({
      netKey: NET_KEY,
      netKeyIndex: 0,
      keyRefresh: false,
      ivUpdate: false,
      ivIndex: 0,
      unicastAddress: 2,
    }),
    done: (result) => {
      outcome = result;
    },
  });
  for (const pump of pumps) pump.settle();
  clock.run(120_000, () => outcome !== undefined);
  if (outcome === undefined || !("deviceKey" in outcome))
    throw new Error(`the benchmark's device was not provisioned: ${JSON.stringify(outcome)}`);
  const { user, system } = process.cpuUsage(before);
  return { virtual: clock.now(), cpu: (user + system) / 1000 };
}

function airRows(seeds: number): BenchRow[] {
  overTheAir(0, 0);
  const rows: BenchRow[] = [];
  const cpu: number[] = [];
  for (const loss of [0, 0.1, 0.3]) {
    const times: number[] = [];
    for (let seed = 1; seed <= seeds; seed++) {
      const run = overTheAir(seed, loss);
      times.push(run.virtual / 1000);
      if (loss === 0) cpu.push(run.cpu);
    }
    const name = `over the air, ${100 * loss} % of frames lost`;
    rows.push(
      rowOf(name, "s", summarise(times), "virtual: PB-ADV with static OOB, from invitation to device key"),
    );
  }
  rows.push(rowOf("… its processor time", "ms", summarise(cpu), "both sides, P-256 by @noble/curves"));
  return rows;
}

/** A file with many devices: what each command waits for. */
async function fileRows(devices: number, times: number): Promise<BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), "oscore-mesh-bench-"));
  const path = join(directory, "network");
  try {
    const network = newNetwork({ name: "bench", gateways: "one", ttl: 7, interval: 60, confirmable: true });
    const before = performance.now();
    for (let i = 0; i < devices; i++) newDevice(network, { name: `node-${i}`, kind: "node" });
    const each = (performance.now() - before) / devices;
    NetworkFile.create(path, "a passphrase of the bench", network).close();
    const elapsed = (work: () => void) => {
      const start = performance.now();
      work();
      return performance.now() - start;
    };
    const opened = await repeat(times, () =>
      elapsed(() => NetworkFile.open(path, "a passphrase of the bench", { write: false })),
    );
    const file = NetworkFile.open(path, "a passphrase of the bench", { write: true });
    const saved = await repeat(times, () => elapsed(() => file.save()));
    file.close();
    const size = `${devices} devices, ${Math.round(statSync(path).size / 1024)} KiB`;
    return [
      {
        name: "plan a device",
        value: each,
        unit: "ms",
        note: `keys, address, Sender ID; ${devices} in a row`,
      },
      rowOf(
        "open the network file",
        "ms",
        opened,
        `${size}; scrypt of the passphrase (128 MiB) is nearly all of it`,
      ),
      rowOf("save it", "ms", saved, `${size}; sealed, written beside, synced, renamed`),
    ];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The suite. */
export async function runProvisioningBench(scale = 1): Promise<BenchRow[]> {
  return [
    ...airRows(Math.max(3, Math.round(101 * scale))),
    ...(await fileRows(Math.max(50, DEVICES * scale), scale === 1 ? 9 : 2)),
  ];
}

export default runProvisioningBench;
