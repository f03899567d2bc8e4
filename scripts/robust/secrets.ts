/** A whole run of the system, and a search for every key of it in everything that it puts out. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { toHex } from "../../firmware/bytes/hex.js";
import { floodingP, k2 } from "../../firmware/crypto/mesh-keys.js";
import { deriveContext } from "../../firmware/oscore/context.js";
import type { Crypto } from "../../hal/hal.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { startSystem } from "../start/system.js";
import type { AttackSuite } from "./result.js";

/** A key under the name that a person knows it by. */
export interface Secret {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The forms in which a key could leave: as it is, hex of both cases, base64 of every alignment, a list of numbers. */
function needles({ bytes }: Secret): Buffer[] {
  const hex = toHex(bytes);
  const forms = [
    Buffer.from(bytes),
    Buffer.from(hex),
    Buffer.from(hex.toUpperCase()),
    Buffer.from(bytes.join(",")),
  ];
  for (let shift = 0; shift < 3; shift++) {
    // What surrounds the key is not known: the characters that only the key decides.
    const padded = Buffer.concat([Buffer.alloc(shift), Buffer.from(bytes)]).toString("base64");
    const inner = padded.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6));
    forms.push(Buffer.from(inner), Buffer.from(inner.replaceAll("+", "-").replaceAll("/", "_")));
  }
  return forms.filter((form) => form.length >= 8);
}

/** @returns the names of the secrets that stand in `output` */
export function secretsIn(output: Buffer, secrets: readonly Secret[]): string[] {
  return secrets
    .filter((secret) => needles(secret).some((needle) => output.includes(needle)))
    .map(({ name }) => name);
}

/** All files below a folder. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

const PATHS = [
  "/",
  "/api/nodes",
  "/api/nodes/node-1",
  "/api/readings?limit=1000",
  "/api/events?limit=1000",
  "/api/openapi.json",
  "/api/map",
  "/api/export?format=csv",
  "/metrics",
  "/healthz",
  "/readyz",
  "/no/such/path",
  "/api/nodes/%ff",
];

async function firstEvents(url: string): Promise<Buffer> {
  const abort = new AbortController();
  const response = await fetch(`${url}/api/stream`, { signal: abort.signal });
  const reader = response.body!.getReader();
  const parts: Uint8Array[] = [];
  const until = Date.now() + 4000;
  const timer = setTimeout(() => abort.abort(), 4000);
  try {
    while (Date.now() < until) {
      const { value, done } = await reader.read();
      if (done) break;
      parts.push(value);
    }
  } catch {
    // The time is over.
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(parts);
}

export const secretsSuite: AttackSuite = async ({ seed }, onResult) => {
  const dataDir = mkdtempSync(join(tmpdir(), "robust-secrets-"));
  const capture = join(dataDir, "capture.pcapng");
  const written: string[] = [];
  const originals = { out: process.stdout.write, error: process.stderr.write };
  const listen = (chunk: string | Uint8Array): boolean => {
    written.push(Buffer.from(chunk as Uint8Array).toString("latin1"));
    return true;
  };
  const outputs = new Map<string, Buffer>();
  const secrets: Secret[] = [];
  const effects: string[] = [];
  try {
    process.stdout.write = listen;
    process.stderr.write = listen;
    const system = await startSystem({
      nodes: 3,
      relays: 1,
      gateways: 1,
      interval: 1,
      loss: 0.05,
      seed,
      tamper: true,
      dataDir,
      httpPort: 0,
      coapPort: 0,
      capture,
    });
    const url = system.server.httpUrl!;
    secrets.push(...secretsOf(system), {
      name: "the API's token",
      bytes: Buffer.from(system.server.apiToken),
    });
    outputs.set("GET /api/stream", await firstEvents(url));
    for (const path of PATHS) {
      const response = await fetch(url + path);
      outputs.set(`GET ${path}`, Buffer.from(await response.arrayBuffer()));
      outputs.set(`headers of ${path}`, Buffer.from(JSON.stringify([...response.headers])));
    }
    const wrong = await fetch(`${url}/api/nodes`, {
      method: "POST",
      headers: { authorization: `Bearer ${system.server.apiToken}`, "content-type": "application/json" },
      body: JSON.stringify({
        name: "node-1",
        kind: "node",
        oscore: { masterSecret: toHex(secrets[0].bytes), nodeId: "zz" },
      }),
    });
    outputs.set("the answer to keys that do not fit", Buffer.from(await wrong.arrayBuffer()));
    await system.stop();
  } finally {
    process.stdout.write = originals.out;
    process.stderr.write = originals.error;
  }
  outputs.set("standard output and error", Buffer.from(written.join(""), "latin1"));
  outputs.set("the capture of air and UDP", readFileSync(capture));
  for (const [name, output] of outputs) {
    for (const secret of secretsIn(output, secrets)) effects.push(`${secret} stands in ${name}`);
  }
  for (const file of filesBelow(dataDir)) {
    if (file === capture) continue;
    const mode = statSync(file).mode & 0o777;
    if (mode !== 0o600 && secretsIn(readFileSync(file), secrets).length > 0) {
      effects.push(`${relative(dataDir, file)} holds keys and has mode ${mode.toString(8)}`);
    }
  }
  rmSync(dataDir, { recursive: true });
  onResult({
    layer: "somebody who reads all that the system puts out",
    attack: "a search for every key in answers, headers, events, metrics, errors, logs and captures",
    attempts: secrets.length * outputs.size,
    refusedBy: new Map([[`${secrets.length} keys in ${outputs.size} outputs`, 1]]),
    effects,
  });
};

function secretsOf(system: Awaited<ReturnType<typeof startSystem>>): Secret[] {
  const secrets = new Map<string, Uint8Array>();
  for (const { device } of system.world.devices.values()) {
    const { name, identity } = device;
    const { mesh, oscore } = identity;
    secrets.set("the NetKey", mesh.netKey);
    const network = k2(hostCrypto, mesh.netKey, floodingP());
    secrets.set("the network's encryption key", network.encryptionKey);
    secrets.set("the network's privacy key", network.privacyKey);
    if (mesh.appKey !== undefined) secrets.set("the AppKey", mesh.appKey);
    secrets.set(`the device key of ${name}`, mesh.deviceKey);
    if (oscore === undefined) continue;
    secrets.set(`the Master Secret of ${name}`, oscore.masterSecret);
    deriveContext(listening(`what is derived for ${name}`, secrets), oscore);
  }
  return [...secrets].map(([name, bytes]) => ({ name, bytes }));
}

/** The host's primitives, which note the keys that they are given. */
function listening(name: string, secrets: Map<string, Uint8Array>): Crypto {
  return {
    ...hostCrypto,
    ccm: (key, tagLength) => {
      secrets.set(`${name}, key ${secrets.size}`, key.slice());
      return hostCrypto.ccm(key, tagLength);
    },
  };
}
