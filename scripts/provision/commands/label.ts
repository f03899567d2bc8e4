/** `label`: on the terminal, as PDF, as PNG. */

import { writeFileSync } from "node:fs";
import { toHex } from "../../../firmware/bytes/hex.js";
import { choosePort } from "../boards.js";
import { explainWay } from "../commission.js";
import { ProvisionError, UsageError } from "../errors.js";
import { labelOf, type NamedLabel, terminalLabel } from "../label.js";
import { type Device, deviceNamed, members } from "../network.js";
import type { Session } from "../session.js";
import { WayError } from "../way.js";

export interface LabelOptions {
  /** Of a board that has no identity yet: it tells its label itself. */
  readonly port?: string;
  /** A .pdf or .png. */
  readonly out?: string;
}

export async function label(
  session: Session,
  names: readonly string[],
  options: LabelOptions,
): Promise<void> {
  const { ui } = session;
  const { out } = options;
  if (out !== undefined && !/\.(pdf|png)$/i.test(out)) {
    throw new UsageError(`--out ${out}: a file that ends in .pdf or .png`);
  }
  const labels =
    options.port !== undefined ? [await fromBoard(session, options.port)] : await fromFile(session, names);
  const png = out?.toLowerCase().endsWith(".png") === true;
  if (png && labels.length > 1) throw new UsageError("A PNG holds one label; a PDF has a page for each.");
  const about = labels.map(({ name, kind, chipId }) => ({
    ...(name !== undefined && { name }),
    kind,
    chip: toHex(chipId),
  }));
  if (out === undefined) {
    for (const one of labels) ui.raw(await terminalLabel(one));
    ui.done({ labels: about });
    return;
  }
  if (session.dry) {
    ui.done({ dryRun: true, labels: about }, `Would write ${labels.length} label(s) to ${out}.`);
    return;
  }
  // Its libraries take longer to load than most commands to run.
  const { labelPdf, labelPng } = await import("../label-files.js");
  const bytes = png ? await labelPng(labels[0]) : await labelPdf(labels);
  try {
    // What is on a label lets somebody take the board over before it is in a network.
    writeFileSync(out, bytes, { mode: 0o600 });
  } catch (error) {
    throw new ProvisionError(
      "file-not-written",
      `${out} cannot be written (${(error as NodeJS.ErrnoException).code}).`,
    );
  }
  ui.done(
    { labels: about, file: out },
    `${out} has ${labels.length === 1 ? "the label" : `${labels.length} labels`}.`,
  );
}

async function fromBoard(session: Session, port: string): Promise<NamedLabel> {
  try {
    const way = await session.ways.openSerial(await choosePort(session, port), session.wayOptions);
    try {
      const { kind, chipId } = await way.inspect();
      return labelOf(kind, chipId, (await way.label()).oob);
    } finally {
      await way.close();
    }
  } catch (error) {
    throw error instanceof WayError ? new ProvisionError("board", explainWay(error)) : error;
  }
}

async function fromFile(session: Session, names: readonly string[]): Promise<NamedLabel[]> {
  const { network } = await session.read();
  const printable = ({ chipId, oob }: Device) => chipId !== undefined && oob !== undefined;
  const devices =
    names.length > 0 ? names.map((name) => deviceNamed(network, name)) : members(network).filter(printable);
  if (devices.length === 0)
    throw new ProvisionError("not-found", "No board was seen yet, so there is no label.");
  return devices.map((device) => {
    const { name, kind, chipId, oob } = device;
    if (chipId === undefined || oob === undefined) {
      throw new ProvisionError(
        "wrong-state",
        `The label of "${name}" is not known: ${chipId === undefined ? "its board was not seen yet" : "its board had an identity already when it was added"}.`,
      );
    }
    return labelOf(kind, chipId, oob, name);
  });
}
