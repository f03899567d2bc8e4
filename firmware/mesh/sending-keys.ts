import type { AppKeyMaterial, KeyStore, NetworkCredentials } from "./keys.js";
import type { MeshSendOptions } from "./mesh-config.js";
import type { NodeState } from "./node-state.js";

/** What an access message is secured with. */
export interface SendingKeys {
  readonly key: AppKeyMaterial;
  /** `undefined` for a device key. */
  readonly appKeyIndex: number | undefined;
  readonly netKeyIndex: number;
  readonly credentials: NetworkCredentials;
}

/**
 * The keys that a message's options ask for: an AppKey and the subnet that it is bound to, or a device key.
 * @param friend the Low Power node's friend, if it has one
 * @returns `undefined` when the node has not got them
 */
export function sendingKeys(
  keys: KeyStore,
  state: NodeState,
  options: MeshSendOptions,
  friend: number | undefined,
): SendingKeys | undefined {
  let key: AppKeyMaterial | undefined;
  let appKeyIndex: number | undefined;
  let netKeyIndex = options.netKeyIndex;
  if (options.deviceKeyOf === undefined) {
    const appKey =
      options.appKeyIndex === undefined ? keys.appKeys().next().value : keys.appKey(options.appKeyIndex);
    if (appKey === undefined) return undefined;
    key = keys.transmitKey(appKey);
    appKeyIndex = appKey.index;
    netKeyIndex = appKey.netKeyIndex;
  } else if (state.isOwn(options.deviceKeyOf)) {
    key = keys.deviceKey;
  } else {
    key = keys.remoteDeviceKey(options.deviceKeyOf);
  }
  const subnet = netKeyIndex === undefined ? keys.subnets().next().value : keys.subnet(netKeyIndex);
  if (key === undefined || subnet === undefined) return undefined;
  // Those of the friendship where they are asked for and there is one (Mesh Profile §4.2.2.4).
  const special =
    options.friendshipCredentials === true && friend !== undefined
      ? keys.friendshipCredentials(friend)
      : undefined;
  const credentials = special ?? subnet.transmit.credentials;
  return { key, appKeyIndex, netKeyIndex: subnet.index, credentials };
}
