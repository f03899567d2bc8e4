/** The keys of a command line, as the stack's key store and what the layers need besides. */

import { hostCrypto } from "#hal/crypto.js";
import { virtualAddress } from "../../firmware/crypto/mesh-keys.js";
import { KeyStore } from "../../firmware/mesh/keys.js";
import type { Label } from "../../firmware/mesh/upper-transport.js";

export interface KeyOptions {
  readonly netkey: readonly Uint8Array[];
  readonly appkey: readonly Uint8Array[];
  readonly devkey: readonly Uint8Array[];
  readonly label: readonly Uint8Array[];
  readonly ivIndex: number;
  readonly friendship?: Friendship | undefined;
}

/** What a friendship's credentials are made of. */
export interface Friendship {
  readonly lowPowerNode: number;
  readonly friend: number;
  readonly lowPowerCounter: number;
  readonly friendCounter: number;
}

/** Key stores and labels to open PDUs with. Device keys are tried one after the other: one store for each. */
export interface Keys {
  readonly stores: readonly KeyStore[];
  readonly labels: readonly Label[];
  readonly ivIndex: number;
}

export function makeKeys(options: KeyOptions): Keys {
  const makeStore = (deviceKey: Uint8Array | undefined): KeyStore => {
    const store = new KeyStore(hostCrypto);
    options.netkey.forEach((key, index) => {
      const subnet = store.addSubnet(index, key);
      const { friendship } = options;
      if (friendship === undefined) return;
      store.addFriendship(
        subnet,
        friendship.friend,
        friendship.lowPowerNode,
        friendship.friend,
        friendship.lowPowerCounter,
        friendship.friendCounter,
      );
    });
    // Which NetKey an AppKey is bound to is not known, so each is tried with each.
    options.appkey.forEach((key, i) => {
      options.netkey.forEach((_, j) => {
        store.addAppKey(i * options.netkey.length + j, j, key);
      });
    });
    store.setDeviceKey(deviceKey);
    return store;
  };
  return {
    stores: options.devkey.length === 0 ? [makeStore(undefined)] : options.devkey.map(makeStore),
    labels: options.label.map((uuid) => ({ address: virtualAddress(hostCrypto, uuid), uuid })),
    ivIndex: options.ivIndex,
  };
}

/** Which of the `--appkey` options an index of the store stands for. */
export function appKeyNumber(options: KeyOptions, index: number): number {
  return Math.floor(index / options.netkey.length) + 1;
}
