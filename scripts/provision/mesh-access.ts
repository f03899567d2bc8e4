/** Our own place in the mesh through a gateway's radio, to refresh keys from. */

import type { MeshStack } from "../../firmware/mesh/stack.js";
import type { Clock } from "../../hal/hal.js";
import { HostClock } from "../../hal/host/clock.js";
import { AirProvisioner } from "./air-provisioner.js";
import { airNetwork } from "./boards.js";
import { BridgedBearer } from "./bridged-bearer.js";
import { ConsoleLink } from "./console-link.js";
import type { MeshAccess } from "./key-refresh.js";
import { keysOf } from "./network.js";
import type { NetworkFile } from "./network-file.js";
import { type OpenPort, portOpener } from "./port.js";

/**
 * Opens the mesh with the keys that it has: those before a refresh that is under way.
 * @param patience how long the bridge's cable is waited for, and a device that does not answer, ms
 * @throws WayError when the bridge cannot be reached
 */
export async function openMesh(
  file: NetworkFile,
  bridge: string | OpenPort,
  patience: number,
  clock: Clock = new HostClock(),
): Promise<MeshAccess> {
  const { refresh } = file.network;
  const { netKey, appKey } = keysOf(file.network, refresh === undefined ? undefined : refresh.to - 1);
  let bearer: BridgedBearer | undefined;
  const link = await ConsoleLink.open({
    open: typeof bridge === "string" ? portOpener(bridge) : bridge,
    clock,
    patience,
    onEvent: (text) => bearer?.event(text),
    onCable: (there) => {
      if (there) bearer?.start().catch(() => {});
    },
  });
  bearer = new BridgedBearer(link, clock);
  const air = new AirProvisioner(bearer, clock, { ...airNetwork(file), netKey, appKey }, patience);
  const radio = bearer;
  const close = async () => {
    air.stop();
    await radio.stop();
    link.close();
  };
  try {
    await radio.start();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    ask: (address, deviceKey, request) => air.ask(address, deviceKey, request),
    follow: (phase, keys) => follow(air.stack, phase, keys),
    close,
  };
}

/** What the Configuration Server does with the same messages (§4.4.1.2), on our own side. */
function follow(
  { keys }: MeshStack,
  phase: 1 | 2 | 3,
  { netKey, appKey }: { netKey: Uint8Array; appKey: Uint8Array },
): void {
  const subnet = keys.subnet(0);
  if (subnet === undefined) return;
  if (phase === 1 && subnet.phase === 0) {
    keys.setNextNetKey(subnet, netKey);
    const own = keys.appKey(0);
    if (own !== undefined) keys.setNextAppKey(own, appKey);
    subnet.phase = 1;
  } else if (phase === 2) subnet.phase = 2;
  else if (phase === 3) keys.completeRefresh(subnet);
}
