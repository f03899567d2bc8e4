import type { Crypto, Hal } from "../../hal/hal.js";
import type { MeshConfig } from "../mesh/mesh-config.js";
import { MeshStack } from "../mesh/stack.js";
import type { MeshIdentity } from "./identity.js";

/**
 * The mesh stack of a provisioned device, over its HAL. A device without an AppKey is blind.
 * @param features what a role has beyond what its identity says
 */
export function makeMeshStack(
  hal: Hal,
  mesh: MeshIdentity,
  features: Pick<MeshConfig, "limits" | "friend" | "lowPower"> = {},
): MeshStack {
  const { clock, crypto, bearer, storage } = hal;
  return new MeshStack({
    crypto,
    storage,
    random: jitterOf(crypto),
    now: () => clock.now(),
    transmit: (data, count, interval) => bearer.send(data, count, interval),
    config: { ...meshConfigOf(mesh), ...features },
  });
}

export function meshConfigOf(mesh: MeshIdentity): MeshConfig {
  return {
    unicastAddress: mesh.address,
    netKeys: [{ index: 0, key: mesh.netKey }],
    appKeys: mesh.appKey === undefined ? [] : [{ index: 0, key: mesh.appKey }],
    deviceKey: mesh.deviceKey,
    ivIndex: mesh.ivIndex,
    defaultTtl: mesh.ttl,
    relay: mesh.relay,
    subscriptions: mesh.subscriptions,
  };
}

/** [0, 1) */
export function jitterOf(crypto: Crypto): () => number {
  return () => {
    const [a, b, c] = crypto.random(3);
    return (a * 65536 + b * 256 + c) / 2 ** 24;
  };
}
