/** `batch`: a list of devices, one board after another as they are plugged in, with nobody at the keyboard. */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { toHex } from "../../../firmware/bytes/hex.js";
import { openBoard } from "../boards.js";
import { explainWay } from "../commission.js";
import { type Row, readList } from "../csv.js";
import { ProvisionError } from "../errors.js";
import { type Device, findDevice, hex4, members, type Network, stateOf, target } from "../network.js";
import type { NetworkFile } from "../network-file.js";
import type { Session } from "../session.js";
import { type BoardInfo, type Way, WayError } from "../way.js";
import { boardHolder, commissionShown, newDevice, refuseDuringRefresh, summary } from "./add.js";

export interface BatchOptions {
  /** Paths of consoles; a star in the last part stands for anything. */
  readonly port?: string[];
  /** Rows with a label are reached over the air, through this gateway. */
  readonly bridge?: string;
  /** Give up when no board comes for so many seconds. */
  readonly timeout: number;
  readonly force?: boolean;
}

/** How often is looked for new boards, ms. */
const LOOK_MS = 300;
/** How long something that does not answer is waited for, ms: it may be a board that starts, or no board at all. */
const PATIENCE_MS = 2500;
/** A port where nothing answered, or a board was that is done, is asked again after so long, ms. */
const AGAIN_MS = 3000;
/** How often a board that fails is tried while it stays plugged in. */
const TRIES = 3;

interface Work {
  readonly session: Session;
  readonly file: NetworkFile;
  readonly options: BatchOptions;
  /** What is still to be done. */
  readonly open: Row[];
  readonly done: Device[];
  readonly failed: Map<string, string>;
  /** Boards that need nothing more, by their chip: done, or not on the list. */
  readonly seen: Set<string>;
  readonly tries: Map<string, number>;
  /** When a port may be asked again, ms. */
  readonly rest: Map<string, number>;
}

export async function batch(
  session: Session,
  list: string | undefined,
  options: BatchOptions,
): Promise<void> {
  const { ui } = session;
  ui.title("Boards, one after another");
  const file = await session.write();
  const { network } = file;
  refuseDuringRefresh(network);
  const rows = list === undefined ? plannedRows(network) : readList(readText(list));
  checkRows(network, rows);
  const open = rows.filter(({ name }) => {
    const device = findDevice(network, name);
    return device === undefined || !isDone(session, network, device);
  });
  if (session.dry) return showPlan(session, file, rows, open);
  const seen = new Set<string>();
  const work: Work = {
    session,
    file,
    options,
    open,
    seen,
    done: [],
    failed: new Map(),
    tries: new Map(),
    rest: new Map(),
  };
  if (rows.length > open.length) ui.info(`${rows.length - open.length} of ${rows.length} are done already.`);
  await overTheAir(work);
  await plugged(work, rows.length);
  const { registered, backup } = await session.afterwards(file);
  const left = open.map(({ name }) => ({ name, why: work.failed.get(name) ?? "its board did not come" }));
  const result = { done: work.done.map(summary), left, registered, backup };
  if (left.length > 0) {
    session.result = result;
    const names = left.map(({ name, why }) => `${name} (${why})`).join(", ");
    throw new ProvisionError(
      "board",
      `${work.done.length} of ${rows.length} are done. Left: ${names}. The same command goes on.`,
    );
  }
  ui.done(result, `All ${rows.length} are done.`);
}

function readText(list: string): string {
  try {
    return readFileSync(list === "-" ? 0 : list, "utf8");
  } catch (error) {
    throw new ProvisionError(
      "bad-list",
      `${list} cannot be read (${(error as NodeJS.ErrnoException).code}).`,
    );
  }
}

/** Without a list: everything that the file plans and no board has. */
function plannedRows(network: Network): Row[] {
  return members(network)
    .filter((device) => !["verified", "registered"].includes(stateOf(device)))
    .map(({ name, kind, chipId }) => ({ name, kind, ...(chipId !== undefined && { chipId }) }));
}

function checkRows(network: Network, rows: readonly Row[]): void {
  for (const { name, kind } of rows) {
    const known = findDevice(network, name);
    if (known === undefined || kind === undefined || known.kind === kind) continue;
    throw new ProvisionError(
      "bad-list",
      `"${name}" is a ${known.kind} in the network, and a ${kind} in the list.`,
    );
  }
}

function isDone(session: Session, network: Network, device: Device): boolean {
  const state = stateOf(device);
  return state === "registered" || (state === "verified" && session.server(network) === undefined);
}

function showPlan(session: Session, file: NetworkFile, rows: readonly Row[], open: readonly Row[]): void {
  const planned = open.map((row) => {
    const device =
      findDevice(file.network, row.name) ??
      newDevice(file.network, { name: row.name, kind: row.kind ?? "node", ...placeOf(row) });
    return { name: row.name, kind: device.kind, address: hex4(target(device).address) };
  });
  for (const { name, kind, address } of planned) session.ui.raw(`${address}  ${kind.padEnd(8)} ${name}`);
  session.ui.done(
    { dryRun: true, planned },
    `Would bring ${open.length} of ${rows.length} onto their boards. Nothing was changed.`,
  );
}

async function overTheAir(work: Work): Promise<void> {
  const { session, file, options, open } = work;
  if (options.bridge === undefined) return;
  for (const row of open.filter(({ label }) => label !== undefined)) {
    const device = deviceFor(file, row, row.label!.kind, row.label!.oob);
    let way: Way | undefined;
    try {
      way = await session.ui.during(`Looking for ${row.name}`, (meter) =>
        openBoard(session, file, { bridge: options.bridge! }, meter, device, row.label),
      );
      await bring(work, row, device, way);
    } catch (error) {
      failed(work, row, error);
    } finally {
      // The next one is reached by the same console.
      await way?.close();
    }
  }
}

/** Takes each board that is plugged in, until every row is done or no board comes any more. */
async function plugged(work: Work, total: number): Promise<void> {
  const { session, open, done, options } = work;
  const limit = options.timeout * 1000;
  let last = Date.now();
  let told = false;
  while (open.some(({ label }) => label === undefined || options.bridge === undefined)) {
    if (session.interrupted)
      throw new ProvisionError("cancelled", `${done.length} of ${total} are done. The same command goes on.`);
    const before = done.length;
    for (const port of await portsOf(work)) {
      if (open.length === 0 || session.interrupted) break;
      if ((work.rest.get(port) ?? 0) > Date.now()) continue;
      await serve(work, port);
    }
    if (done.length > before) {
      last = Date.now();
      told = false;
      continue;
    }
    if (Date.now() - last > limit) return;
    if (!told)
      session.ui.info(
        `Plug in the next board (${open.length} left: ${open[0].name}${open.length > 1 ? " …" : ""})`,
      );
    told = true;
    await sleep(LOOK_MS);
  }
}

async function portsOf({ session, options, rest }: Work): Promise<string[]> {
  const patterns = options.port;
  const ports =
    patterns === undefined || patterns.length === 0
      ? (await session.ways.listPorts()).map(({ path }) => path)
      : patterns.flatMap(matches);
  // A path that was away in between has another board on it.
  for (const port of rest.keys()) if (!ports.includes(port)) rest.delete(port);
  return ports;
}

/** Paths that a pattern with stars in its last part stands for. */
function matches(pattern: string): string[] {
  if (!pattern.includes("*")) return [pattern];
  const directory = dirname(pattern);
  const escaped = pattern
    .slice(directory === "/" ? 1 : directory.length + 1)
    .replace(/[.+?^${}()|[\]\\]/g, "\\$&");
  const shape = new RegExp(`^${escaped.replaceAll("*", ".*")}$`);
  try {
    return readdirSync(directory)
      .filter((name) => shape.test(name))
      .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
      .map((name) => join(directory, name));
  } catch {
    return [];
  }
}

async function serve(work: Work, port: string): Promise<void> {
  const { session, file, open, seen } = work;
  work.rest.set(port, Date.now() + AGAIN_MS);
  let way: Way;
  let info: BoardInfo;
  try {
    way = await session.ways.openSerial(port, { patience: PATIENCE_MS, onProgress: session.onProgress });
  } catch (error) {
    if (error instanceof WayError && error.reason !== "no-serial-library") return;
    throw error;
  }
  try {
    info = await way.inspect();
    const chip = toHex(info.chipId);
    const row = seen.has(chip) ? undefined : rowFor(file.network, open, info);
    if (row === undefined) {
      if (!seen.has(chip) && boardHolder(file.network, info.chipId) === undefined)
        session.ui.warn(`The ${info.kind} with chip ${chip} on ${port} is not on the list.`);
      seen.add(chip);
      return;
    }
    const tries = (work.tries.get(chip) ?? 0) + 1;
    work.tries.set(chip, tries);
    if (tries >= TRIES) seen.add(chip);
    try {
      await bring(work, row, deviceFor(file, row, info.kind), way);
      seen.add(chip);
    } catch (error) {
      failed(work, row, error);
    }
  } catch (error) {
    // The board went before it had said who it is.
    if (!(error instanceof WayError)) throw error;
  } finally {
    await way.close();
  }
}

/** The row of this very board, else the next one of its kind that waits for any board. */
function rowFor(network: Network, open: readonly Row[], { chipId, kind }: BoardInfo): Row | undefined {
  const chip = toHex(chipId);
  const boardOf = (row: Row) => findDevice(network, row.name)?.chipId ?? row.chipId;
  const own = open.find((row) => {
    const board = boardOf(row);
    return board !== undefined && toHex(board) === chip;
  });
  if (own !== undefined) return own;
  if (members(network).some((device) => device.chipId !== undefined && toHex(device.chipId) === chip))
    return undefined;
  return open.find((row) => {
    const wanted = findDevice(network, row.name)?.kind ?? row.kind ?? "node";
    return boardOf(row) === undefined && wanted === kind;
  });
}

function deviceFor(file: NetworkFile, row: Row, kind: Device["kind"], oob?: Uint8Array): Device {
  const known = findDevice(file.network, row.name);
  if (known !== undefined) return known;
  const { name, interval } = row;
  const device = newDevice(file.network, {
    name,
    kind,
    ...placeOf(row),
    ...(interval !== undefined && { interval }),
    ...(oob !== undefined && { oob }),
  });
  file.save();
  return device;
}

const placeOf = ({ place }: Row) => (place === undefined ? {} : { place });

async function bring(work: Work, row: Row, device: Device, way: Way): Promise<void> {
  const { session, file, open, done, failed: failures, options } = work;
  await commissionShown(session, file, device, way, options.force === true);
  open.splice(open.indexOf(row), 1);
  failures.delete(row.name);
  done.push(device);
}

/** One board's trouble is no reason to leave the others. */
function failed({ session, failed: failures }: Work, row: Row, error: unknown): void {
  if (!(error instanceof WayError) && !(error instanceof ProvisionError)) throw error;
  const why = error instanceof WayError ? explainWay(error) : error.message;
  if (error instanceof ProvisionError && error.reason === "file-not-written") throw error;
  failures.set(row.name, why);
  session.ui.warn(`${row.name}: ${why}`);
}
