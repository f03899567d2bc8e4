import type { Hal } from "../../hal/hal.js";
import { concat } from "../bytes/compare.js";
import { Refusal } from "../bytes/refusal.js";
import type { Kind } from "../console/label.js";
import { OPCODE_IDENTITY_GET, OPCODE_IDENTITY_SET, OPCODE_IDENTITY_STATUS } from "../mesh/numbers.js";
import type { MeshStack } from "../mesh/stack.js";
import { decodePersonal, type MeshIdentity } from "./identity.js";
import { install, storedFingerprint } from "./provisioning.js";

export interface IdentityServerOptions {
  readonly kind: Kind;
  readonly hal: Hal;
  readonly stack: MeshStack;
  /** What the device has been told by Configuration messages. */
  readonly configured: () => Omit<MeshIdentity, "deviceKey">;
  /** A message under the device key has come: the provisioner is there. */
  readonly onContact?: () => void;
  /** Another identity is in storage, and the answer that says so has arrived or is given up. */
  readonly onInstalled: () => void;
}

/** The vendor messages that bring a device its identity, and ask for its fingerprint, under the device key. */
export function serveIdentity(options: IdentityServerOptions): void {
  const { kind, hal, stack, configured, onContact, onInstalled } = options;
  const { storage, crypto } = hal;
  stack.onAccess = ({ ownDeviceKey, appKeyIndex, opcode, parameters, source }) => {
    if (!ownDeviceKey || appKeyIndex !== undefined) return;
    onContact?.();
    const set = opcode === OPCODE_IDENTITY_SET;
    if (!set && opcode !== OPCODE_IDENTITY_GET) return;
    const before = storedFingerprint(storage, crypto);
    let result: Uint8Array | Refusal<string> | undefined = before;
    if (set) {
      const identity = decodePersonal(parameters.slice(), configured());
      result = identity instanceof Refusal ? identity : install(kind, storage, crypto, identity);
    }
    const done = result instanceof Uint8Array;
    const answer = done ? concat(Uint8Array.of(0), result as Uint8Array) : Uint8Array.of(1);
    stack.send(source, OPCODE_IDENTITY_STATUS, answer, {
      deviceKeyOf: stack.address,
      ...(set && done && { done: onInstalled }),
    });
  };
}
