import type { Hal } from "../../hal/hal.js";
import { fromHex, toHex } from "../bytes/hex.js";
import { Refusal } from "../bytes/refusal.js";
import { encodeUtf8 } from "../bytes/utf8.js";
import { fingerprintOf, type Kind, proofOf } from "../console/label.js";
import type { Terminal } from "../console/terminal.js";
import { Transfer } from "../console/transfer.js";
import { decodeIdentity, encodeIdentity, forgetIdentity, loadIdentity } from "./identity.js";
import { install } from "./provisioning.js";

export interface ProvisioningConsoleOptions {
  readonly terminal: Terminal;
  readonly hal: Hal;
  readonly kind: Kind;
  readonly version: string;
  readonly uuid: Uint8Array;
  readonly oob: Uint8Array;
  /** The identity has changed: the board restarts, once the answer has left. */
  readonly onChanged: () => void;
}

/**
 * Provisioning through the console, in frames (docs/CONSOLE.md):
 *
 *     hello                          → KIND CHIP-ID UUID VERSION FINGERPRINT NAME, in hex; "-" for what is not there
 *     label                          → UUID OOB, of a board without an identity
 *     prove CHALLENGE                → proofs of the OOB value (about the UUID) and the device key (about the fingerprint)
 *     write LENGTH FINGERPRINT       → OFFSET to go on from
 *     data OFFSET HEX                → OFFSET of the next piece
 *     commit FINGERPRINT CHALLENGE   → proof of the device key that is in storage now
 *     erase                          → the identity is gone
 */
export function addProvisioning(options: ProvisioningConsoleOptions): void {
  const { terminal, hal, kind, version, uuid, oob, onChanged } = options;
  const { storage, crypto, board } = hal;
  const transfer = new Transfer();

  const stored = () => {
    const identity = loadIdentity(storage);
    if (identity instanceof Refusal) return undefined;
    return { identity, fingerprint: fingerprintOf(crypto, encodeIdentity(identity)) };
  };
  /** Of the identity in storage, or nothing. */
  const proof = (challenge: Uint8Array) => {
    const is = stored();
    return is && toHex(proofOf(crypto, is.identity.mesh.deviceKey, challenge, is.fingerprint));
  };

  terminal.framed("hello", () => {
    const is = stored();
    const who = `${kind} ${toHex(board.chipId)} ${toHex(uuid)} ${version}`;
    return is === undefined
      ? `${who} - -`
      : `${who} ${toHex(is.fingerprint)} ${toHex(encodeUtf8(is.identity.name))}`;
  });
  terminal.framed("label", () =>
    stored() === undefined ? `${toHex(uuid)} ${toHex(oob)}` : new Refusal("provisioned"),
  );
  terminal.framed("prove", (rest) => {
    const challenge = fromHex(rest);
    if (challenge instanceof Refusal) return challenge;
    return `${toHex(proofOf(crypto, oob, challenge, uuid))} ${proof(challenge) ?? "-"}`;
  });
  terminal.framed("write", (rest) => {
    const [length, name] = rest.split(" ");
    const at = transfer.begin(Number(length), name);
    return at instanceof Refusal ? at : String(at);
  });
  terminal.framed("data", (rest) => {
    const [offset, hex] = rest.split(" ");
    const piece = fromHex(hex ?? "");
    if (piece instanceof Refusal) return piece;
    const at = transfer.add(Number(offset), piece);
    return at instanceof Refusal ? at : String(at);
  });
  terminal.framed("commit", (rest) => {
    const [name, hex] = rest.split(" ");
    const challenge = fromHex(hex ?? "");
    if (challenge instanceof Refusal) return challenge;
    const bytes = transfer.take(name);
    if (bytes !== undefined) {
      const identity = decodeIdentity(bytes);
      if (identity instanceof Refusal) return identity;
      // What this firmware does not know of an identity it would drop.
      if (toHex(fingerprintOf(crypto, encodeIdentity(identity))) !== name) return new Refusal("fingerprint");
      const done = install(kind, storage, crypto, identity);
      if (done instanceof Refusal) return done;
      onChanged();
    }
    // The same again, when the first answer was lost.
    const is = stored();
    if (is === undefined || toHex(is.fingerprint) !== name) return new Refusal("incomplete");
    return proof(challenge)!;
  });
  terminal.framed("erase", () => {
    transfer.clear();
    forgetIdentity(storage);
    onChanged();
    return "";
  });
}
