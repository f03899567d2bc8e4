import { encodeIdentity, type Identity, type OscoreIdentity } from "../../firmware/roles/identity.js";
import { deviceIdentity, oscoreIds } from "../../sim/network.js";
import { ProvisionError } from "./errors.js";
import { type Credentials, type Device, keysOf, type Network, type Secrets } from "./network.js";

/** Whether this copy of the file has the device's keys. */
export function hasSecrets(credentials: Credentials): boolean {
  return credentials.secrets !== undefined;
}

/**
 * What is written into a board.
 * @param keys generation of the mesh's keys, default: the one that the credentials were made for
 * @throws ProvisionError when this copy of the file does not have the device's keys
 */
export function identityOf(
  network: Network,
  device: Device,
  credentials: Credentials,
  keys = credentials.keys,
): Identity {
  const { secrets, address, sender } = credentials;
  if (secrets === undefined) {
    throw new ProvisionError(
      "field-copy",
      `The keys of "${device.name}" are at the office, not in this copy.`,
    );
  }
  const { ivIndex, ttl, publish, settings, uplink } = network.config;
  const { netKey, appKey } = keysOf(network, keys);
  const { deviceKey, masterSecret, masterSalt } = secrets;
  const oscore =
    masterSecret === undefined || masterSalt === undefined || sender === undefined
      ? undefined
      : { masterSecret, masterSalt, ...oscoreIds(sender) };
  const identity = deviceIdentity(
    device.kind,
    device.name,
    { address, netKey, appKey, deviceKey, ivIndex, ttl, publish },
    oscore,
    { ...settings, ...(device.interval !== undefined && { interval: device.interval }) },
  );
  if (secrets.client !== undefined) {
    const { senderId, recipientId, ...keys } = clientContext(secrets.client);
    return { ...identity, client: { ...keys, senderId: recipientId, recipientId: senderId } };
  }
  return device.kind === "gateway" && uplink !== undefined ? { ...identity, uplink } : identity;
}

/** A client's ID with every node. It differs from those that the server has: the node tells the two by it. */
const CLIENT_ID = Uint8Array.of(0x63);

/** A client's context with a node, as the client sees it. */
export function clientContext({ masterSecret, masterSalt }: NonNullable<Secrets["client"]>): OscoreIdentity {
  return { masterSecret, masterSalt, senderId: CLIENT_ID, recipientId: new Uint8Array(0) };
}

/** A board keeps a value of 512 bytes at most (hal.ts); what is said of a name is said before it is on its way. */
export function checkName(name: string): string | undefined {
  const bytes = new TextEncoder().encode(name).length;
  if (bytes < 1 || bytes > 64) return "A name has 1 to 64 bytes.";
  if (/\p{Cc}|\p{Cs}|\p{Zl}|\p{Zp}/u.test(name) || name !== name.trim()) {
    return "A name has no control characters, and no blanks at its ends.";
  }
  return undefined;
}

export function identityLength(identity: Identity): number {
  return encodeIdentity(identity).length;
}
