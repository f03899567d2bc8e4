/** `doctor`: what is wrong with this board, this network, this server, and what to do about it. */

import { toHex } from "../../../firmware/bytes/hex.js";
import { Taken } from "../allocation.js";
import { explainWay } from "../commission.js";
import { ProvisionError } from "../errors.js";
import { identityLength, identityOf } from "../identities.js";
import { sharedNumbers } from "../merge.js";
import { type Device, hex4, members, type Network, stateOf, target } from "../network.js";
import { isOpenToOthers, type NetworkFile } from "../network-file.js";
import { isExposed } from "../server-client.js";
import { type Session, unfinished } from "../session.js";
import { type BoardInfo, type Way, WayError } from "../way.js";
import { color, count } from "./look.js";

export interface DoctorOptions {
  /** Look at the board on this console too. */
  readonly port?: string;
}

type Verdict = "ok" | "hint" | "wrong";

interface Finding {
  readonly about: "file" | "network" | "server" | "board";
  readonly verdict: Verdict;
  readonly what: string;
}

/** Longest value that a board can keep (hal.ts). */
const LONGEST_IDENTITY = 512;
/** A node that is silent for so long, in its own intervals, has something. */
const SILENT_INTERVALS = 10;
const LONGEST_SILENCE_MS = 3_600_000;

export async function doctor(session: Session, options: DoctorOptions): Promise<void> {
  const { ui } = session;
  ui.title("What is wrong?");
  const findings: Finding[] = [];
  const file = await session.read();
  checkFile(file, findings);
  checkNetwork(file.network, findings);
  await checkServer(session, file, findings);
  if (options.port !== undefined) await checkBoard(session, file.network, options.port, findings);
  const signs = {
    ok: color("green", "ok   "),
    hint: color("yellow", "hint "),
    wrong: color("red", "wrong"),
  };
  for (const { about, verdict, what } of findings) ui.raw(`${signs[verdict]} ${about.padEnd(8)} ${what}`);
  const wrong = findings.filter(({ verdict }) => verdict === "wrong").length;
  if (wrong === 0) return ui.done({ findings }, "Nothing is wrong.");
  session.result = { findings };
  throw new ProvisionError("findings", `${wrong === 1 ? "One thing is" : `${wrong} things are`} wrong.`);
}

function checkFile(file: NetworkFile, findings: Finding[]): void {
  const open = isOpenToOthers(file.path);
  findings.push({
    about: "file",
    verdict: open ? "wrong" : "ok",
    what: open
      ? `others may read ${file.path}: chmod 600 ${file.path}`
      : `opens, and only its owner may read it (${file.path})`,
  });
  if (file.weak) {
    findings.push({
      about: "file",
      verdict: "wrong",
      what: "its key derivation is weak: `rotate --passphrase`",
    });
  }
}

function checkNetwork(network: Network, findings: Finding[]): void {
  const add = (verdict: Verdict, what: string) => findings.push({ about: "network", verdict, what });
  for (const line of unfinished(network)) add("wrong", line);
  const { addresses, senders } = sharedNumbers(network);
  if (addresses.length > 0)
    add("wrong", `addresses that two devices have: ${addresses.map(hex4).join(", ")}`);
  if (senders.length > 0) add("wrong", `Sender IDs that two devices have: ${senders.join(", ")}`);
  const devices = members(network);
  const gateways = devices.filter(({ kind }) => kind === "gateway");
  const { publish, server, uplink } = network.config;
  const listens = gateways.some((device) => publish >= 0xc000 || target(device).address === publish);
  if (devices.length > 0 && !listens) {
    add("hint", `nodes send to ${hex4(publish)}, and no gateway listens there yet`);
  }
  if (publish < 0x8000 && gateways.length > 1) {
    add(
      "hint",
      "there are several gateways, and nodes send to the first one only (`init --gateways several`)",
    );
  }
  if (gateways.length > 0 && uplink === undefined) {
    add("hint", "gateways send where their image was built for: the network has no --uplink");
  }
  if (network.refreshDue !== undefined) add("wrong", `${network.refreshDue}: \`rotate --bridge PORT\``);
  if (server === undefined) add("hint", "there is no server: nobody is told of the devices");
  for (const device of devices) checkDevice(network, device, add);
  const used = new Taken(network).addresses.size;
  add("ok", `${count(devices.length, "device")}, ${used} of 32767 addresses given out`);
}

function checkDevice(network: Network, device: Device, add: (verdict: Verdict, what: string) => void): void {
  const state = stateOf(device);
  const { name } = device;
  if (state === "planned" && device.writing === undefined) {
    add("hint", `"${name}" is planned and on no board: \`add ${name}\``);
  } else if (state === "written") add("wrong", `"${name}" was written and not read back: \`add ${name}\``);
  else if (state === "verified" && network.config.server !== undefined) {
    add("hint", `"${name}" works and the server is not told of it yet`);
  }
  const credentials = target(device);
  if (credentials.secrets === undefined) return;
  const length = identityLength(identityOf(network, device, credentials));
  if (length > LONGEST_IDENTITY) {
    add(
      "wrong",
      `"${name}": its identity has ${length} bytes, and a board keeps ${LONGEST_IDENTITY}: a shorter name helps`,
    );
  }
}

async function checkServer(session: Session, { network }: NetworkFile, findings: Finding[]): Promise<void> {
  const add = (verdict: Verdict, what: string) => findings.push({ about: "server", verdict, what });
  const server = session.server(network);
  if (server === undefined) return;
  if (isExposed(server.url))
    add("wrong", `${server.url} is not encrypted: keys and token are open on the way`);
  try {
    const nodes = new Map((await server.nodes()).map((node) => [node.name, node]));
    add("ok", `${server.url} answers and knows ${count(nodes.size, "device")}`);
    for (const device of members(network)) {
      const node = nodes.get(device.name);
      const address = device.current?.address;
      if (node === undefined) {
        if (device.registered !== undefined) add("wrong", `it does not know "${device.name}" any more`);
        continue;
      }
      if (address !== undefined && node.meshAddress !== hex4(address)) {
        add(
          "wrong",
          `it knows "${device.name}" at ${node.meshAddress ?? "no address"}, and here it is at ${hex4(address)}`,
        );
      }
      const seconds = device.interval ?? network.config.settings.interval;
      const silence = Date.now() - Date.parse(node.lastSeen ?? "");
      const patience = Math.max(LONGEST_SILENCE_MS, seconds * 1000 * SILENT_INTERVALS);
      if (device.kind === "relay") continue;
      if (node.lastSeen === undefined) add("hint", `it has heard nothing of "${device.name}" yet`);
      else if (silence > patience)
        add("wrong", `"${device.name}" is silent since ${node.lastSeen.slice(0, 16)}`);
    }
    const names = new Set(members(network).map(({ name }) => name));
    for (const name of nodes.keys()) {
      if (!names.has(name)) add("hint", `it knows "${name}", which is not in this file`);
    }
    const { id, holder } = network;
    const backup = (await server.backups()).find((one) => one.network === id && one.holder === holder);
    add(
      backup === undefined ? "hint" : "ok",
      backup === undefined
        ? "it has no backup of this file"
        : `it has a backup of ${backup.saved.slice(0, 16)}`,
    );
  } catch (error) {
    if (!(error instanceof ProvisionError)) throw error;
    add("wrong", error.message);
  }
}

async function checkBoard(
  session: Session,
  network: Network,
  port: string,
  findings: Finding[],
): Promise<void> {
  const add = (verdict: Verdict, what: string) => findings.push({ about: "board", verdict, what });
  let way: Way | undefined;
  try {
    way = await session.ways.openSerial(port, { patience: 5000 });
    const info = await way.inspect();
    const chip = toHex(info.chipId);
    add("ok", `a ${info.kind} with chip ${chip}, firmware ${info.version ?? "unknown"}`);
    const device = members(network).find(({ chipId }) => chipId !== undefined && toHex(chipId) === chip);
    if (device === undefined) {
      if (info.fingerprint === undefined)
        add("ok", "it has no identity and is of no network: `add` brings it in");
      else add("wrong", `it has an identity (${info.name ?? "without a name"}) that is not of this network`);
      return;
    }
    await compare(network, device, info, way, add);
  } catch (error) {
    if (!(error instanceof WayError)) throw error;
    add("wrong", explainWay(error));
  } finally {
    await way?.close();
  }
}

async function compare(
  network: Network,
  device: Device,
  info: BoardInfo,
  way: Way,
  add: (verdict: Verdict, what: string) => void,
): Promise<void> {
  const { name, kind } = device;
  if (info.kind !== kind) add("wrong", `"${name}" is to be a ${kind}: \`npm run flash -- ${kind}\``);
  for (const [credentials, which] of [
    [device.next, "new"],
    [device.current, "known"],
  ] as const) {
    if (credentials === undefined) continue;
    if (credentials.secrets === undefined) {
      add("hint", `it is "${name}"; its keys are at the office, so they were not compared`);
      return;
    }
    if ((await way.verify(identityOf(network, device, credentials))) !== "same") continue;
    add(
      which === "new" ? "hint" : "ok",
      which === "new"
        ? `it is "${name}" and has its new identity: \`add ${name}\` notes that`
        : `it is "${name}" and has proved it`,
    );
    return;
  }
  add(
    "wrong",
    info.fingerprint === undefined
      ? `it was "${name}" and has lost its identity: \`replace ${name}\` gives it a new one`
      : `it was "${name}" and has another identity now: \`add ${name}\` writes it again`,
  );
}
