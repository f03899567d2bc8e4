import type { Crypto, KeyValueStore } from "../../hal/hal.js";
import { equal, equalConstantTime } from "../bytes/compare.js";
import { Refusal } from "../bytes/refusal.js";
import { fingerprintOf, type Kind } from "../console/label.js";
import { checkConfig } from "../mesh/mesh-config.js";
import { StoredState } from "../oscore/state.js";
import { encodeSettings } from "../reading/settings.js";
import {
  encodeIdentity,
  type Identity,
  loadIdentity,
  type OscoreIdentity,
  SETTINGS_KEY,
  saveIdentity,
} from "./identity.js";
import { meshConfigOf } from "./mesh.js";
import { CLIENT_STATE_KEY, STATE_KEY } from "./server-link.js";

/**
 * {@link provision}, for an identity that came from outside: nothing is written that the device could not start with.
 * @returns the fingerprint of what is in storage then
 */
export function install(
  kind: Kind,
  storage: KeyValueStore,
  crypto: Crypto,
  identity: Identity,
): Uint8Array | Refusal<"unfit" | "not-written"> {
  const { mesh, oscore } = identity;
  if (kind !== "relay" && (mesh.appKey === undefined || oscore === undefined)) {
    return new Refusal("unfit", "no AppKey or no security context");
  }
  if (kind === "node" && mesh.publish === undefined) return new Refusal("unfit", "no publish address");
  try {
    checkConfig(meshConfigOf(mesh));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return new Refusal("unfit", error.message);
  }
  try {
    provision(storage, identity);
  } catch (error) {
    // A store that is full or fails keeps what it had.
    return new Refusal("not-written", String(error));
  }
  return storedFingerprint(storage, crypto) ?? new Refusal("not-written");
}

/** Of the identity in storage. */
export function storedFingerprint(storage: KeyValueStore, crypto: Crypto): Uint8Array | undefined {
  const identity = loadIdentity(storage);
  return identity instanceof Refusal ? undefined : fingerprintOf(crypto, encodeIdentity(identity));
}

/**
 * Writes an identity into a device's storage; what is there already stays as it is.
 *
 * A security context that is new to the device starts its Sender Sequence Numbers. A number that an older context left
 * behind is kept: to go on from there is as good as 0, and a power cut between the two writes cannot take an old
 * context back to numbers that it has used.
 */
export function provision(storage: KeyValueStore, identity: Identity): void {
  const before = loadIdentity(storage);
  const known = before instanceof Refusal ? undefined : before;
  startNumbers(storage, STATE_KEY, known?.oscore, identity.oscore);
  startNumbers(storage, CLIENT_STATE_KEY, known?.client, identity.client);
  if (sameIdentity(before, identity)) return;
  // What the node was told since gives way when somebody has decided anew; not when only its neighbourhood changed.
  if (storage.get(SETTINGS_KEY) !== undefined && !sameSettings(before, identity))
    storage.delete(SETTINGS_KEY);
  saveIdentity(storage, identity);
}

function sameSettings(before: Identity | Refusal, { settings }: Identity): boolean {
  return !(before instanceof Refusal) && equal(encodeSettings(before.settings), encodeSettings(settings));
}

function startNumbers(
  storage: KeyValueStore,
  key: string,
  known: OscoreIdentity | undefined,
  context: OscoreIdentity | undefined,
): void {
  if (context === undefined || storage.get(key) !== undefined || sameContext(known, context)) return;
  new StoredState(storage, key).initialize();
}

function sameContext(a: OscoreIdentity | undefined, b: OscoreIdentity): boolean {
  return (
    a !== undefined &&
    equalConstantTime(a.masterSecret, b.masterSecret) &&
    equal(a.masterSalt, b.masterSalt) &&
    equal(a.senderId, b.senderId) &&
    equal(a.recipientId, b.recipientId)
  );
}

/** Flash wears: nothing is written that is there already. */
function sameIdentity(before: Identity | Refusal, after: Identity): boolean {
  return !(before instanceof Refusal) && equal(encodeIdentity(before), encodeIdentity(after));
}
