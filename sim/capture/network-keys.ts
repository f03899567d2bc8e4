import { Counters } from "../../firmware/bytes/counters.js";
import { IvIndex } from "../../firmware/mesh/iv-index.js";
import { MeshStorage } from "../../firmware/mesh/mesh-storage.js";
import type { KeyValueStore } from "../../hal/hal.js";
import type { KeyRing } from "../network.js";
import type { ProfileKeys } from "./wireshark-profile.js";

/** Every network of the simulator begins with it. */
const FIRST_IV_INDEX = 0;

/**
 * The keys that decrypt what the network of `ring` sends now, and sent at its first IV Index.
 *
 * The ID Context of a context that was derived anew (RFC 8613 App. B.2) is left out: Wireshark finds a context by the
 * ID Context in the message, and after the derivation messages have none.
 *
 * @param storage what a device has stored, by its name: it says how far the IV Index is. `undefined` for a device of
 * which nothing is stored
 */
export function networkKeys(
  { netKey, appKey, devices }: KeyRing,
  storage: (name: string) => KeyValueStore | undefined,
): ProfileKeys {
  const ivIndexes = new Set([FIRST_IV_INDEX]);
  for (const name of devices.keys()) {
    const stored = storage(name);
    if (stored === undefined) continue;
    const ivIndex = storedIvIndex(stored);
    // PDUs come under a node's IV Index and under the one before (Mesh Profile §3.10.5).
    for (const used of [ivIndex, ivIndex - 1]) if (used > FIRST_IV_INDEX) ivIndexes.add(used);
  }
  return {
    networks: [...ivIndexes].sort((a, b) => b - a).map((ivIndex) => ({ netKey, appKey, ivIndex })),
    devices: [...devices.values()],
    contexts: [...devices.values()].flatMap(({ oscore }) => oscore ?? []),
  };
}

function storedIvIndex(storage: KeyValueStore): number {
  return new IvIndex({
    storage: new MeshStorage(storage, new Counters()),
    ivIndex: FIRST_IV_INDEX,
    updating: false,
    testMode: false,
    now: 0,
    changed: () => {},
    busy: () => false,
  }).current;
}
