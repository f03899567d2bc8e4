/**
 * New keys for the whole mesh, over the air (Mesh Profile §3.10.4): first everybody gets them, then everybody sends with
 * them, then everybody forgets the old ones. Whoever is not told has the old keys only and is out. Each step is noted
 * in the file, so that it goes on where it was cut.
 */

import { hostCrypto } from "#hal/crypto.js";
import type { ConfigResult } from "../../firmware/mesh/config-client.js";
import {
  appKeyUpdate,
  type ConfigRequest,
  keyRefreshPhaseSet,
  netKeyUpdate,
} from "../../firmware/mesh/config-messages.js";
import { newCredentials } from "./allocation.js";
import { ProvisionError } from "./errors.js";
import { type Device, keysOf, members, type Network, note, type Refresh, touch } from "./network.js";
import type { NetworkFile } from "./network-file.js";

/** Our own place in the mesh, to ask others from. */
export interface MeshAccess {
  /** Asks a node, secured with its device key; repeats until it answers or is given up. */
  ask(address: number, deviceKey: Uint8Array, request: ConfigRequest): Promise<ConfigResult>;
  /** Our own stack follows: it has the new keys too, sends with them, forgets the old ones. */
  follow(phase: 1 | 2 | 3, keys: { netKey: Uint8Array; appKey: Uint8Array }): void;
  close(): Promise<void>;
}

export interface RefreshReport {
  readonly generation: number;
  readonly refreshed: string[];
  /** Not reached: without the new keys, to be written by cable. */
  readonly behind: string[];
}

/** Devices that are to get the new keys: all that have any of the network's, and that this file has the key of. */
export function toRefresh(network: Network): Device[] {
  return members(network).filter(({ current }) => current !== undefined);
}

/** Begins a refresh, in the file alone. */
export function beginRefresh(file: NetworkFile): Refresh {
  const { network } = file;
  const before = keysOf(network).number;
  network.keys.push({
    number: before + 1,
    netKey: hostCrypto.random(16),
    appKey: hostCrypto.random(16),
  });
  network.refresh = { to: before + 1, phase: 1, done: [], behind: [] };
  note(network, `key refresh begun, generation ${before + 1}`);
  file.save();
  return network.refresh;
}

/**
 * Goes on with a refresh to its end.
 * @param leaveBehind go on without those that do not answer
 * @throws ProvisionError when some do not, and none is to be left behind
 */
export async function runRefresh(
  file: NetworkFile,
  access: MeshAccess,
  leaveBehind: boolean,
  onStep: (message: string, done: number) => void,
): Promise<RefreshReport> {
  const { network } = file;
  const refresh = network.refresh ?? beginRefresh(file);
  const keys = keysOf(network, refresh.to);
  // A stack that was stopped in the middle is brought to where the network is.
  for (let phase: 1 | 2 = 1; phase <= Math.min(refresh.phase, 2); phase++)
    access.follow(phase as 1 | 2, keys);
  for (;;) {
    const { phase } = refresh;
    const devices = toRefresh(network).filter(({ id }) => !refresh.behind.includes(id));
    // Phases 2 and 3 pass by themselves to whoever hears a beacon with the new key; phase 1 does not.
    await Promise.all(
      devices.map(async (device) => {
        if (refresh.done.includes(device.id)) return;
        if (await tell(access, device, phase, keys)) {
          refresh.done.push(device.id);
          file.save();
          onStep(`phase ${phase}: ${device.name}`, (phase - 1 + refresh.done.length / devices.length) / 3);
        }
      }),
    );
    const missing = devices.filter(({ id }) => !refresh.done.includes(id));
    if (missing.length > 0 && phase === 1) {
      if (!leaveBehind) throw notReached(missing, phase);
      refresh.behind = missing.map(({ id }) => id);
    }
    if (phase === 3) return finish(file, refresh);
    access.follow((phase + 1) as 2 | 3, keys);
    refresh.phase = (phase + 1) as 2 | 3;
    refresh.done = [];
    file.save();
  }
}

async function tell(
  access: MeshAccess,
  device: Device,
  phase: Refresh["phase"],
  { netKey, appKey }: { netKey: Uint8Array; appKey: Uint8Array },
): Promise<boolean> {
  const { address, secrets } = device.current!;
  if (secrets === undefined) return false;
  const ask = async (request: ConfigRequest): Promise<boolean> => {
    const result = await access.ask(address, secrets.deviceKey, request);
    return result.kind === "answer" && (result.status ?? 0) === 0;
  };
  if (phase !== 1) return ask(keyRefreshPhaseSet(0, phase));
  return (
    (await ask(netKeyUpdate(0, netKey))) &&
    (device.kind === "relay" || (await ask(appKeyUpdate(0, 0, appKey))))
  );
}

function notReached(devices: readonly Device[], phase: number): ProvisionError {
  const names = devices.map(({ name }) => name).join(", ");
  return new ProvisionError(
    "wrong-state",
    `Phase ${phase} did not reach ${names}; the network goes on working with its old keys. Run \`rotate\` again when ` +
      "they are in reach, or with --leave-behind: then they are out until they are written by cable.",
  );
}

function finish(file: NetworkFile, refresh: Refresh): RefreshReport {
  const { network } = file;
  const refreshed: string[] = [];
  const behind: string[] = [];
  for (const device of toRefresh(network)) {
    if (!refresh.behind.includes(device.id)) {
      refreshed.push(device.name);
      continue;
    }
    // With new keys it is in another network, and counts from the beginning: so at another address.
    device.next = newCredentials(network, device);
    device.board = "planned";
    touch(device);
    behind.push(device.name);
  }
  delete network.refresh;
  delete network.refreshDue;
  // Our own numbers belong to the keys that are gone: from now on we are another provisioner.
  delete network.provisioner;
  note(network, `key refresh ended, generation ${refresh.to}; ${behind.length} left behind`);
  file.save();
  return { generation: refresh.to, refreshed, behind };
}
