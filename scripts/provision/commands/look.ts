/** `list` and `show`: what is in the file. Keys are never shown. */

import { styleText } from "node:util";
import { toHex } from "../../../firmware/bytes/hex.js";
import { oscoreIds } from "../../../sim/network.js";
import { holderOf } from "../allocation.js";
import {
  type Device,
  deviceNamed,
  hex4,
  keysOf,
  members,
  type Network,
  OFFICE,
  stateOf,
  target,
} from "../network.js";
import { type Session, unfinished } from "../session.js";
import { summary } from "./add.js";

export async function list(session: Session, { all }: { all?: boolean }): Promise<void> {
  const { ui } = session;
  const { network } = await session.read();
  const devices = all === true ? network.devices : members(network);
  for (const line of unfinished(network)) ui.warn(line);
  ui.raw(networkLine(network));
  if (devices.length > 0) ui.raw(table(devices));
  ui.done({ network: network.name, id: network.id, devices: devices.map(summary) });
}

export const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`;

function networkLine(network: Network): string {
  const { server, publish, ttl } = network.config;
  const whose = network.holder === OFFICE ? "" : `, copy of ${holderOf(network).name}`;
  const lines = [
    `${network.name}${whose}: ${count(members(network).length, "device")}, keys of generation ${keysOf(network).number}, ` +
      `to ${hex4(publish)}, TTL ${ttl}, ${server === undefined ? "no server" : server.url}`,
  ];
  if (network.refreshDue !== undefined)
    lines.push(`Key refresh due: ${network.refreshDue}. \`rotate\` does it.`);
  return lines.join("\n");
}

const COLORS = {
  planned: "yellow",
  written: "yellow",
  verified: "cyan",
  registered: "green",
  removed: "gray",
} as const;

function table(devices: readonly Device[]): string {
  const head = ["NAME", "KIND", "ADDR", "CHIP", "STATE", "PLACE"];
  const rows = devices.map((device) => [
    device.name,
    device.kind,
    hex4(target(device).address),
    device.chipId === undefined ? "-" : toHex(device.chipId),
    stateOf(device),
    device.place ?? "",
  ]);
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  const line = (row: string[], paint: (text: string) => string = (text) => text) =>
    row
      .map((text, i) => (i === 4 ? paint(text) : text) + " ".repeat(widths[i] - text.length))
      .join("  ")
      .trimEnd();
  return [
    line(head),
    ...rows.map((row) => line(row, (text) => color(COLORS[text as keyof typeof COLORS], text))),
  ].join("\n");
}

/** Where colours are seen. */
export function color(name: Parameters<typeof styleText>[0], text: string): string {
  return process.stdout.isTTY === true && !process.env.NO_COLOR ? styleText(name, text) : text;
}

export async function show(session: Session, name: string | undefined): Promise<void> {
  const { ui } = session;
  const { network } = await session.read();
  if (name === undefined) return showNetwork(session, network);
  const device = deviceNamed(network, name);
  const credentials = target(device);
  const { sender } = credentials;
  const history = network.history.filter((entry) => entry.device === device.id);
  const fields: [string, string][] = [
    ["kind", device.kind],
    ["place", device.place ?? "-"],
    ["state", stateOf(device)],
    ["address", hex4(credentials.address)],
    ["chip", device.chipId === undefined ? "not seen yet" : toHex(device.chipId)],
    [
      "Sender ID",
      sender === undefined ? "none, it is blind" : toHex(oscoreIds(sender).senderId) || "(empty)",
    ],
    ["keys", credentials.secrets === undefined ? "at the office" : `in this file, life ${credentials.life}`],
    ["server", device.registered === undefined ? "not told yet" : `knows ${hex4(device.registered.address)}`],
    ["interval", `${device.interval ?? network.config.settings.interval} s`],
  ];
  ui.raw(`${device.name}\n${fields.map(([field, value]) => `  ${field.padEnd(10)} ${value}`).join("\n")}`);
  for (const { time, who, what } of history)
    ui.raw(`  ${time.slice(0, 16).replace("T", " ")}  ${what} (${who})`);
  ui.done({
    ...summary(device),
    life: credentials.life,
    registered: device.registered !== undefined,
    history,
  });
}

function showNetwork({ ui }: Session, network: Network): void {
  const { config, holders, history } = network;
  ui.raw(networkLine(network));
  for (const { name, ranges, id } of holders) {
    if (id === OFFICE || ranges === undefined) continue;
    const nodes = ranges.node.map(([first, last]) => `${hex4(first)}-${hex4(last)}`).join(", ");
    ui.raw(`  copy of ${name}: nodes ${nodes}`);
  }
  for (const { time, who, what } of history.slice(-20)) {
    ui.raw(`  ${time.slice(0, 16).replace("T", " ")}  ${what} (${who})`);
  }
  const { server, ...open } = config;
  ui.done({
    network: network.name,
    id: network.id,
    holder: holderOf(network).name,
    config: { ...open, ...(server !== undefined && { server: server.url }) },
    keys: keysOf(network).number,
    ...(network.refreshDue !== undefined && { refreshDue: network.refreshDue }),
    holders: holders.map(({ name, ranges }) => ({ name, ...(ranges !== undefined && { ranges }) })),
    history,
  });
}
