/**
 * What is printed on a board: who it is, and the secret that proves it (the static OOB value of mesh provisioning). No
 * key of the network or of the server is on it.
 */

import QRCode from "qrcode";
import { fromHex, toHex } from "../../firmware/bytes/hex.js";
import { deviceUuid, readDeviceUuid } from "../../firmware/console/label.js";
import type { DeviceKind } from "../../sim/network.js";
import { ProvisionError } from "./errors.js";
import type { Label } from "./way.js";

/** Begins the text of a QR code; its number is the version of the form. */
const BEGIN = "OM1";

export interface NamedLabel extends Label {
  readonly kind: DeviceKind;
  readonly chipId: Uint8Array;
  readonly name?: string;
}

export function labelOf(kind: DeviceKind, chipId: Uint8Array, oob: Uint8Array, name?: string): NamedLabel {
  return { kind, chipId, uuid: deviceUuid(kind, chipId), oob, ...(name !== undefined && { name }) };
}

/** Capital digits and colons: QR codes have a mode for them that takes half the room. */
export function labelText({ uuid, oob, name }: Label & { name?: string }): string {
  const fixed = `${BEGIN}:${toHex(uuid)}:${toHex(oob)}`.toUpperCase();
  return name === undefined ? fixed : `${fixed}:${name}`;
}

/** Reads what a scanner read, or a person typed: blanks and small letters do no harm. @throws ProvisionError */
export function parseLabel(text: string): NamedLabel {
  const parts = /^\s*om1\s*:\s*([0-9a-f\s-]+?)\s*:\s*([0-9a-f\s-]+?)\s*(?::(.*))?$/is.exec(text);
  const bytes = (digits: string | undefined) => fromHex((digits ?? "").replace(/[\s-]/g, ""));
  const [uuid, oob] = [bytes(parts?.[1]), bytes(parts?.[2])];
  if (
    !(uuid instanceof Uint8Array) ||
    !(oob instanceof Uint8Array) ||
    uuid.length !== 16 ||
    oob.length !== 16
  ) {
    throw new ProvisionError(
      "bad-label",
      `This is not the text of a label: it begins with ${BEGIN}: and has twice 32 digits.`,
    );
  }
  const known = readDeviceUuid(uuid);
  if (known === undefined) {
    throw new ProvisionError("bad-label", "This label is of a device that is not ours, or was misread.");
  }
  const name = parts?.[3]?.trim();
  return { ...known, uuid, oob, ...(name !== undefined && name !== "" && { name }) };
}

/** In groups of four, as people read and type them. */
export function grouped(bytes: Uint8Array): string {
  return toHex(bytes).replace(/(.{4})(?=.)/g, "$1 ");
}

/** The lines beside the QR code. */
export function labelLines({ name, kind, chipId, uuid, oob }: NamedLabel): {
  title: string;
  rows: [string, string][];
} {
  return {
    title: name ?? kind,
    rows: [
      ["kind", kind],
      ["chip", grouped(chipId)],
      ["UUID", grouped(uuid)],
      ["OOB", grouped(oob)],
    ],
  };
}

export async function terminalLabel(label: NamedLabel): Promise<string> {
  // A terminal may be dark: there the code brings its own white. A file or a pipe is paper.
  const text = labelText(label);
  const code = process.stdout.isTTY
    ? await QRCode.toString(text, { type: "terminal", small: true, errorCorrectionLevel: "M" })
    : await QRCode.toString(text, { type: "utf8", errorCorrectionLevel: "M" });
  const { title, rows } = labelLines(label);
  return [
    code.trimEnd(),
    "",
    `  ${title}`,
    ...rows.map(([field, value]) => `  ${field.padEnd(5)} ${value}`),
  ].join("\n");
}
