/** The parts of a node as its configuration describes them, before storage is asked. */

import type { Crypto } from "../../hal/hal.js";
import { ascii, k1, s1 } from "../crypto/mesh-keys.js";
import { KeyStore } from "./keys.js";
import type { MeshConfig } from "./mesh-config.js";
import type { ModelRegistry } from "./models.js";
import { NodeState } from "./node-state.js";
import { ModelId, VENDOR_MODEL_COAP } from "./numbers.js";

/** The keys of a configuration. */
export function makeKeys(crypto: Crypto, config: MeshConfig): KeyStore {
  const keys = new KeyStore(crypto);
  for (const { index, key } of config.netKeys) keys.addSubnet(index, key);
  for (const { index, key, netKeyIndex } of config.appKeys) {
    keys.addAppKey(index, netKeyIndex ?? config.netKeys[0].index, key);
  }
  keys.setDeviceKey(config.deviceKey);
  return keys;
}

/** The states of a configuration (§4.2). */
export function makeState(config: MeshConfig): NodeState {
  const state = new NodeState(
    config.unicastAddress,
    config.elements ?? 1,
    config.defaultTtl ?? 5,
    config.networkTransmit ?? { count: 2, intervalMs: 20 },
    config.relayRetransmit ?? { count: 2, intervalMs: 20 },
  );
  state.relay = config.relay ?? false;
  state.beacon = config.beacon ?? true;
  state.friendSupported = config.friend !== undefined;
  state.friend = config.friend ?? false;
  state.lowPowerSupported = config.lowPower !== undefined;
  return state;
}

/** The foundation models that every node has, and the application's, bound to all AppKeys and groups for a start. */
export function addModels(models: ModelRegistry, config: MeshConfig): void {
  models.add(0, ModelId.CONFIGURATION_SERVER, true);
  if (config.configurationClient === true) models.add(0, ModelId.CONFIGURATION_CLIENT, true);
  models.add(0, ModelId.HEALTH_SERVER);
  for (const { element, id } of config.models ?? [{ element: 0, id: VENDOR_MODEL_COAP }]) {
    models.add(element, id);
  }
  for (const model of models.models) {
    if (model.foundation) continue;
    model.bindings.push(...config.appKeys.map(({ index }) => index));
    if (model.id === ModelId.HEALTH_SERVER) continue;
    model.groups.push(...(config.subscriptions ?? []));
    model.labels.push(...(config.labels ?? []).map((uuid) => models.label(uuid)));
  }
}

/** Tells one provisioning of this device from another, without giving anything away: 8 bytes. */
export function lifeOf(crypto: Crypto, config: MeshConfig): Uint8Array {
  const address = Uint8Array.of(config.unicastAddress >> 8, config.unicastAddress);
  const key = config.deviceKey ?? config.netKeys[0].key;
  return k1(crypto, key, s1(crypto, ascii("life")), address).slice(0, 8);
}
