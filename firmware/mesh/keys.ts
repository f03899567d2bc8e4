import type { Aead, BlockCipher, Crypto } from "../../hal/hal.js";
import { equal } from "../bytes/compare.js";
import { beaconKey, floodingP, friendshipP, k2, k3, k4, privateBeaconKey } from "../crypto/mesh-keys.js";

/** Longest key index (Mesh Profile §4.3.1.1): 12 bits. */
export const KEY_INDEX_MAX = 0xfff;

/** Key refresh phases (§3.10.4); 3 only exists as a request and is phase 0 again once it has been done. */
export type KeyRefreshPhase = 0 | 1 | 2;

/** What network PDUs of one NetKey, or of one friendship under it, are secured with: its schedules are kept. */
export class NetworkCredentials {
  readonly nid: number;
  /** Access PDUs carry a MIC of 4 bytes, control PDUs one of 8 (§3.4.4.7). */
  readonly access: Aead;
  readonly control: Aead;
  readonly privacy: BlockCipher;
  readonly subnet: Subnet;
  /** The other end of the friendship when these are friendship credentials. */
  readonly friendshipWith: number | undefined;

  constructor(crypto: Crypto, subnet: Subnet, netKey: Uint8Array, p: Uint8Array, friendshipWith?: number) {
    const keys = k2(crypto, netKey, p);
    this.nid = keys.nid;
    this.access = crypto.ccm(keys.encryptionKey, 4);
    this.control = crypto.ccm(keys.encryptionKey, 8);
    this.privacy = crypto.aesBlock(keys.privacyKey);
    this.subnet = subnet;
    this.friendshipWith = friendshipWith;
  }
}

/** A NetKey and what follows from it alone. */
export class NetKeyMaterial {
  readonly key: Uint8Array;
  readonly credentials: NetworkCredentials;
  /** Public name of the subnet in beacons, 8 bytes. */
  readonly networkId: Uint8Array;
  readonly beaconKey: Uint8Array;
  /** Opens private beacons. */
  readonly privateBeacon: Aead;

  constructor(crypto: Crypto, subnet: Subnet, key: Uint8Array) {
    this.key = key.slice();
    this.credentials = new NetworkCredentials(crypto, subnet, key, floodingP());
    this.networkId = k3(crypto, key);
    this.beaconKey = beaconKey(crypto, key);
    this.privateBeacon = crypto.ccm(privateBeaconKey(crypto, key), 8);
  }
}

/** A subnet: a NetKey by its index, two of them while it is being refreshed. */
export class Subnet {
  readonly index: number;
  phase: KeyRefreshPhase = 0;
  current: NetKeyMaterial;
  next: NetKeyMaterial | undefined;

  constructor(crypto: Crypto, index: number, key: Uint8Array) {
    this.index = index;
    this.current = new NetKeyMaterial(crypto, this, key);
  }

  /** Old key in phase 1, new key in phase 2 (§3.10.4.2). */
  get transmit(): NetKeyMaterial {
    return this.phase === 2 && this.next !== undefined ? this.next : this.current;
  }
}

/** An AppKey (or a device key, whose AID is never used) with its schedules. */
export class AppKeyMaterial {
  readonly key: Uint8Array;
  readonly aid: number;
  readonly mic4: Aead;
  readonly mic8: Aead;

  constructor(crypto: Crypto, key: Uint8Array) {
    this.key = key.slice();
    this.aid = k4(crypto, key);
    this.mic4 = crypto.ccm(key, 4);
    this.mic8 = crypto.ccm(key, 8);
  }
}

/** An AppKey by its index, bound to one subnet; two keys while it is being refreshed. */
export class AppKey {
  readonly index: number;
  readonly netKeyIndex: number;
  current: AppKeyMaterial;
  next: AppKeyMaterial | undefined;

  constructor(index: number, netKeyIndex: number, current: AppKeyMaterial) {
    this.index = index;
    this.netKeyIndex = netKeyIndex;
    this.current = current;
  }
}

/** A friendship's credentials: derived again for each NetKey that the subnet has. */
interface Friendship {
  readonly subnet: Subnet;
  readonly peer: number;
  readonly p: Uint8Array;
}

const NO_CREDENTIALS: readonly NetworkCredentials[] = [];

/** All keys of a node. */
export class KeyStore {
  readonly #crypto: Crypto;
  readonly #subnets = new Map<number, Subnet>();
  readonly #appKeys = new Map<number, AppKey>();
  readonly #friendships: Friendship[] = [];
  readonly #byNid = new Map<number, NetworkCredentials[]>();
  /** Device keys of other nodes, for whoever configures them. */
  readonly #remoteDeviceKeys = new Map<number, AppKeyMaterial>();
  #deviceKey: AppKeyMaterial | undefined;

  constructor(crypto: Crypto) {
    this.#crypto = crypto;
  }

  get deviceKey(): AppKeyMaterial | undefined {
    return this.#deviceKey;
  }

  /** This node's own device key; `undefined` takes it away. */
  setDeviceKey(key: Uint8Array | undefined): void {
    this.#deviceKey = key === undefined ? undefined : new AppKeyMaterial(this.#crypto, key);
  }

  /** Forgets all NetKeys and AppKeys, but no device key. */
  clear(): void {
    this.#subnets.clear();
    this.#appKeys.clear();
    this.#friendships.length = 0;
    this.refreshCredentials();
  }

  /** The subnet of a NetKey Index. */
  subnet(index: number): Subnet | undefined {
    return this.#subnets.get(index);
  }

  /** All subnets, in the order of adding. */
  subnets(): IterableIterator<Subnet> {
    return this.#subnets.values();
  }

  get subnetCount(): number {
    return this.#subnets.size;
  }

  /**
   * A NetKey, with everything that is derived from it.
   * @param key 16 bytes
   */
  addSubnet(index: number, key: Uint8Array): Subnet {
    const subnet = new Subnet(this.#crypto, index, key);
    this.#subnets.set(index, subnet);
    this.refreshCredentials();
    return subnet;
  }

  /** Also forgets the AppKeys bound to it (§4.4.1.2.2). */
  removeSubnet(index: number): void {
    this.#subnets.delete(index);
    for (const key of [...this.#appKeys.values()])
      if (key.netKeyIndex === index) this.#appKeys.delete(key.index);
    for (let i = this.#friendships.length - 1; i >= 0; i--) {
      if (this.#friendships[i].subnet.index === index) this.#friendships.splice(i, 1);
    }
    this.refreshCredentials();
  }

  /** Stores the key that a refresh will bring (phase 1). */
  setNextNetKey(subnet: Subnet, key: Uint8Array): void {
    subnet.next = new NetKeyMaterial(this.#crypto, subnet, key);
    this.refreshCredentials();
  }

  /** Ends a refresh: the new keys are the only ones (§3.10.4.3). */
  completeRefresh(subnet: Subnet): void {
    if (subnet.next !== undefined) subnet.current = subnet.next;
    subnet.next = undefined;
    subnet.phase = 0;
    for (const key of this.#appKeys.values()) {
      if (key.netKeyIndex === subnet.index && key.next !== undefined) {
        key.current = key.next;
        key.next = undefined;
      }
    }
    this.refreshCredentials();
  }

  /** The AppKey of an AppKey Index. */
  appKey(index: number): AppKey | undefined {
    return this.#appKeys.get(index);
  }

  /** All AppKeys, in the order of adding. */
  appKeys(): IterableIterator<AppKey> {
    return this.#appKeys.values();
  }

  get appKeyCount(): number {
    return this.#appKeys.size;
  }

  /**
   * An AppKey, bound to a NetKey.
   * @param key 16 bytes
   */
  addAppKey(index: number, netKeyIndex: number, key: Uint8Array): AppKey {
    const appKey = new AppKey(index, netKeyIndex, new AppKeyMaterial(this.#crypto, key));
    this.#appKeys.set(index, appKey);
    return appKey;
  }

  /** The key that replaces it at the end of the Key Refresh (§3.10.4). */
  setNextAppKey(appKey: AppKey, key: Uint8Array): void {
    appKey.next = new AppKeyMaterial(this.#crypto, key);
  }

  /** Forgets an AppKey. */
  removeAppKey(index: number): void {
    this.#appKeys.delete(index);
  }

  /** Which of an AppKey's two keys to send with: it follows its subnet's phase (§3.10.4.2). */
  transmitKey(appKey: AppKey): AppKeyMaterial {
    const phase = this.#subnets.get(appKey.netKeyIndex)?.phase;
    return phase === 2 && appKey.next !== undefined ? appKey.next : appKey.current;
  }

  /** Another node's device key, for the Configuration Client; `undefined` takes it away. */
  setRemoteDeviceKey(address: number, key: Uint8Array | undefined): void {
    if (key === undefined) this.#remoteDeviceKeys.delete(address);
    else this.#remoteDeviceKeys.set(address, new AppKeyMaterial(this.#crypto, key));
  }

  /** Another node's device key by its address. */
  remoteDeviceKey(address: number): AppKeyMaterial | undefined {
    return this.#remoteDeviceKeys.get(address);
  }

  /**
   * Credentials for a friendship.
   * @param peer the other end of it, whichever end we are
   */
  addFriendship(
    subnet: Subnet,
    peer: number,
    lowPowerNode: number,
    friend: number,
    lowPowerCounter: number,
    friendCounter: number,
  ): void {
    this.removeFriendship(peer);
    const p = friendshipP(lowPowerNode, friend, lowPowerCounter, friendCounter);
    this.#friendships.push({ subnet, peer, p });
    this.refreshCredentials();
  }

  /** Forgets the friendship credentials with a node (§3.6.6.3.1). */
  removeFriendship(peer: number): void {
    const at = this.#friendships.findIndex((friendship) => friendship.peer === peer);
    if (at < 0) return;
    this.#friendships.splice(at, 1);
    this.refreshCredentials();
  }

  /** What to send to a friend, or to a low power node that one is friend of, with. */
  friendshipCredentials(peer: number): NetworkCredentials | undefined {
    for (const friendship of this.#friendships) {
      if (friendship.peer !== peer) continue;
      const key = friendship.subnet.transmit;
      return this.#friendCredentials.get(key)?.get(peer);
    }
    return undefined;
  }

  /** Whether credentials come of the key that a refresh brings. */
  ofNextKey(credentials: NetworkCredentials): boolean {
    const { next } = credentials.subnet;
    if (next === undefined) return false;
    if (credentials.friendshipWith === undefined) return credentials === next.credentials;
    return this.#friendCredentials.get(next)?.get(credentials.friendshipWith) === credentials;
  }

  readonly #friendCredentials = new Map<NetKeyMaterial, Map<number, NetworkCredentials>>();

  /** All credentials with this NID: several subnets, or the old and the new key, may share one. */
  credentials(nid: number): readonly NetworkCredentials[] {
    return this.#byNid.get(nid) ?? NO_CREDENTIALS;
  }

  /** The subnet, and which of its keys, that a Network ID of a beacon names. */
  byNetworkId(networkId: Uint8Array): { subnet: Subnet; material: NetKeyMaterial } | undefined {
    return this.findMaterial((material) => equal(material.networkId, networkId));
  }

  /** The subnet, and which of its keys, that something says yes to. */
  findMaterial(
    is: (material: NetKeyMaterial) => boolean,
  ): { subnet: Subnet; material: NetKeyMaterial } | undefined {
    for (const subnet of this.#subnets.values()) {
      if (is(subnet.current)) return { subnet, material: subnet.current };
      if (subnet.next !== undefined && is(subnet.next)) return { subnet, material: subnet.next };
    }
    return undefined;
  }

  /** To be called when a subnet's keys have changed. */
  refreshCredentials(): void {
    this.#byNid.clear();
    this.#friendCredentials.clear();
    for (const subnet of this.#subnets.values()) {
      this.#index(subnet.current);
      if (subnet.next !== undefined) this.#index(subnet.next);
    }
  }

  #index(material: NetKeyMaterial): void {
    this.#list(material.credentials);
    for (const friendship of this.#friendships) {
      if (friendship.subnet !== material.credentials.subnet) continue;
      const credentials = new NetworkCredentials(
        this.#crypto,
        friendship.subnet,
        material.key,
        friendship.p,
        friendship.peer,
      );
      let byPeer = this.#friendCredentials.get(material);
      if (byPeer === undefined) {
        byPeer = new Map();
        this.#friendCredentials.set(material, byPeer);
      }
      byPeer.set(friendship.peer, credentials);
      this.#list(credentials);
    }
  }

  #list(credentials: NetworkCredentials): void {
    const sameNid = this.#byNid.get(credentials.nid);
    if (sameNid === undefined) this.#byNid.set(credentials.nid, [credentials]);
    else sameNid.push(credentials);
  }
}
