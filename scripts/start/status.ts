import type { System } from "./system.js";

/** ms between lines where nobody sees a line change. */
const LINE_INTERVAL = 10_000;
const REFRESH_INTERVAL = 1000;

/**
 * Says where the page is, then how the system is: one line that changes on a terminal, a line now and then elsewhere.
 * @returns what ends it
 */
export function showStatus(system: System, out: NodeJS.WriteStream): () => void {
  const { server, world, tampering, machines } = system;
  const count = (kind: string) =>
    [...world.devices.values()].filter(({ device }) => device.kind === kind).length;
  const gateways = [...world.devices.values()].filter(({ device }) => device.kind === "gateway");
  out.write(
    `oscore-mesh: ${count("node")} nodes, ${count("relay")} relays, ${count("gateway")} gateways; ` +
      `CoAP on ${server.coapAddress.host}:${server.coapAddress.port}\n` +
      (machines === undefined ? "" : `devices run in XS: ${machines} machines\n`) +
      (tampering === undefined ? "" : `hostile: a relay, and ${tampering.gateway}\n`) +
      `\n  Page: ${server.httpUrl}\n\n`,
  );

  let readings = 0;
  let refused = 0;
  const reporting = new Set<string>();
  const unsubscribe = [
    server.live.on("reading", ({ node }) => {
      readings++;
      reporting.add(node);
    }),
    server.live.on("event", ({ kind }) => {
      if (kind === "security") refused++;
    }),
  ];
  const started = Date.now();
  const line = () => {
    const { sent, received, lost, collided } = totals(system);
    const heard = received + lost + collided;
    const parts = [
      clockTime(Date.now() - started),
      `${readings} readings of ${reporting.size} nodes`,
      `mesh ${sent} frames, ${heard === 0 ? 0 : Math.round((100 * (lost + collided)) / heard)} % lost`,
      ...gateways.map(({ device, role }) => `${device.name} ${role.modem?.state ?? ""}`),
    ];
    if (tampering !== undefined) parts.push(`${tampering.attempts} tamperings`);
    if (refused > 0) parts.push(`${refused} security events`);
    return parts.join(" · ");
  };
  const show = out.isTTY
    ? () => out.write(`\r\x1b[K${line().slice(0, (out.columns ?? 80) - 1)}`)
    : () => out.write(`${line()}\n`);
  const timer = setInterval(show, out.isTTY ? REFRESH_INTERVAL : LINE_INTERVAL);
  return () => {
    clearInterval(timer);
    for (const end of unsubscribe) end();
    out.write(`${out.isTTY ? "\r\x1b[K" : ""}${line()}\n`);
  };
}

function totals({ world }: System): { sent: number; received: number; lost: number; collided: number } {
  const { events: sent, received, lost, collided } = world.air.counters;
  return { sent, received, lost, collided };
}

function clockTime(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
