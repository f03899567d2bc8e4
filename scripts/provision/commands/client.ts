/** `export --client`: the contexts of a client that asks nodes end to end, for `npm run oscore-http`. */

import { ContextsFileError } from "../../oscore/contexts.js";
import { ClientFile } from "../../oscore-http/client-file.js";
import { holderOf } from "../allocation.js";
import { ProvisionError } from "../errors.js";
import { clientContext } from "../identities.js";
import { type Device, members, note, now, OFFICE, touch } from "../network.js";
import type { Session } from "../session.js";

/**
 * Each context once: a client that had it twice, in two files, would use its Sender Sequence Numbers twice. A node that
 * needs another client gets new keys (`rotate NAME`), and its context is given out then.
 */
export async function exportClient(session: Session, out: string): Promise<void> {
  const { ui } = session;
  ui.title("Contexts of a client that asks the nodes end to end");
  const file = await session.write();
  const { network } = file;
  if (network.holder !== OFFICE) {
    throw new ProvisionError(
      "field-copy",
      `This is the copy of ${holderOf(network).name}: a client's keys are given out at the office.`,
    );
  }
  const begun = network.config.client === true;
  network.config.client = true;
  const nodes = members(network).filter(({ kind }) => kind === "node");
  const without = nodes.filter(({ current }) => current?.secrets?.client === undefined);
  const fresh = nodes.filter((device) => !without.includes(device) && !isGiven(device));
  const names = fresh.map(({ name }) => name);
  const rest =
    without.length === 0
      ? ""
      : ` ${without.map(({ name }) => name).join(", ")}: none yet, \`rotate NAME\` gives them one.`;
  if (session.dry) {
    ui.done(
      { dryRun: true, nodes: names, without: without.map(({ name }) => name) },
      `Would write ${names.length} contexts.${rest} Nothing was changed.`,
    );
    return;
  }
  if (!begun) {
    network.config.changed = now();
    network.config.revision++;
    note(network, "nodes get a context with a client from now on");
  }
  if (names.length === 0) {
    file.save();
    throw new ProvisionError(
      "not-found",
      `No node has a context that was not given out already.${rest} A lost one is not given out again: \`rotate NAME\` makes another.`,
    );
  }
  // Given out before they are written: a cut in between costs new keys, and never a number that is used twice.
  for (const device of fresh) {
    device.client = device.current!.life;
    touch(device);
    note(network, `context of the client of "${device.name}" given out`, device);
  }
  file.save();
  try {
    const clients = new ClientFile(out);
    for (const { name, current } of fresh) clients.put(name, clientContext(current!.secrets!.client!));
  } catch (error) {
    const why = error instanceof ContextsFileError ? error.message : (error as NodeJS.ErrnoException).code;
    throw new ProvisionError(
      "file-not-written",
      `${out} could not be written (${why}). The contexts count as given out: \`rotate NAME\` makes others.`,
    );
  }
  const { backup } = await session.afterwards(file);
  ui.done(
    { file: out, nodes: names, without: without.map(({ name }) => name), backup },
    `${out} has the contexts of ${names.length} nodes, open to its owner: move it to where \`npm run oscore-http -- --contexts ${out}\` runs, and keep no copy.${rest}`,
  );
}

function isGiven({ client, current }: Device): boolean {
  return client !== undefined && client >= (current?.life ?? 0);
}
