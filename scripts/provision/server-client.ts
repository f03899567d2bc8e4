/** The server's API as provisioning needs it. Keys go only into the bodies of requests. */

import { createHash } from "node:crypto";
import type { NodeInfo } from "../../cloud/model.js";
import type { BackupJson } from "../../cloud/network-backups.js";
import { toHex } from "../../firmware/bytes/hex.js";
import type { Identity } from "../../firmware/roles/identity.js";
import { ProvisionError } from "./errors.js";
import type { Device } from "./network.js";

const TIMEOUT_MS = 15_000;

/** What is told to the server of a device: the body of `POST /api/nodes`. */
export interface Registration {
  readonly name: string;
  readonly kind: Device["kind"];
  readonly meshAddress: number;
  readonly place?: string;
  readonly oscore?: {
    readonly masterSecret: string;
    readonly masterSalt: string;
    readonly nodeId: string;
    readonly serverId: string;
  };
}

export function registrationOf(device: Device, { name, mesh, oscore }: Identity): Registration {
  return {
    name,
    kind: device.kind,
    meshAddress: mesh.address,
    ...(device.place !== undefined && { place: device.place }),
    ...(oscore !== undefined && {
      oscore: {
        masterSecret: toHex(oscore.masterSecret),
        masterSalt: toHex(oscore.masterSalt),
        nodeId: toHex(oscore.senderId),
        serverId: toHex(oscore.recipientId),
      },
    }),
  };
}

/** Whether a token would travel unencrypted over a network. */
export function isExposed(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol !== "https:" && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

/** A network file's backup, by whose it is. */
export interface BackupKey {
  readonly network: string;
  readonly holder: string;
}

export class ServerClient {
  readonly url: string;
  readonly #token: string | undefined;

  /** @param url of the page, "http://host:8080" */
  constructor(url: string, token?: string) {
    this.url = url.replace(/\/+$/, "");
    this.#token = token;
  }

  async healthy(): Promise<void> {
    await this.#ask("GET", "/healthz");
  }

  async nodes(): Promise<NodeInfo[]> {
    return (await this.#ask("GET", "/api/nodes")).json() as Promise<NodeInfo[]>;
  }

  async node(name: string): Promise<NodeInfo | undefined> {
    const answer = await this.#ask("GET", `/api/nodes/${encodeURIComponent(name)}`, { accept: [404] });
    return answer.status === 404 ? undefined : ((await answer.json()) as NodeInfo);
  }

  /**
   * Makes the device known, with its keys. The same registration again changes nothing.
   * @param mine mesh addresses under which the server may know this very device already
   * @throws ProvisionError "conflict" when the name is another device's there
   */
  async register(registration: Registration, mine: readonly number[]): Promise<void> {
    const body = JSON.stringify(registration);
    const first = await this.#ask("POST", "/api/nodes", {
      body,
      headers: { "if-none-match": "*" },
      accept: [412],
    });
    if (first.status !== 412) return;
    const known = await this.node(registration.name);
    const address = known?.meshAddress === undefined ? undefined : Number.parseInt(known.meshAddress, 16);
    if (address !== undefined && !mine.includes(address)) {
      throw new ProvisionError(
        "conflict",
        `The server knows another device called "${registration.name}", at mesh address ${known?.meshAddress}. Give one of them another name.`,
      );
    }
    await this.#ask("POST", "/api/nodes", { body });
  }

  /** Takes its keys away. @returns false when the server did not know it */
  async revoke(name: string): Promise<boolean> {
    const answer = await this.#ask("DELETE", `/api/nodes/${encodeURIComponent(name)}`, { accept: [404] });
    return answer.status !== 404;
  }

  async backUp(key: BackupKey, file: Uint8Array, proof: string): Promise<void> {
    await this.#ask("PUT", `/api/network-backup?${query(key)}`, {
      body: file,
      headers: { "x-proof-hash": createHash("sha256").update(proof).digest("hex") },
    });
  }

  async backups(): Promise<BackupJson[]> {
    return (await this.#ask("GET", "/api/network-backups")).json() as Promise<BackupJson[]>;
  }

  async backup(key: BackupKey, proof: string): Promise<Uint8Array> {
    const answer = await this.#ask("GET", `/api/network-backup/recovery?${query(key)}`, {
      headers: { authorization: `Proof ${proof}` },
    });
    return new Uint8Array(await answer.arrayBuffer());
  }

  async #ask(
    method: string,
    path: string,
    options: {
      body?: string | Uint8Array;
      headers?: Record<string, string>;
      /** Besides success. */
      accept?: readonly number[];
    } = {},
  ): Promise<Response> {
    const { body, headers, accept = [] } = options;
    let answer: Response;
    try {
      answer = await fetch(`${this.url}${path}`, {
        method,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: {
          ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
          ...(body !== undefined && {
            "content-type": typeof body === "string" ? "application/json" : "application/octet-stream",
          }),
          ...headers,
        },
        ...(body !== undefined && { body: typeof body === "string" ? body : Buffer.from(body) }),
      });
    } catch (error) {
      throw new ProvisionError("no-server", `The server at ${this.url} cannot be reached: ${whyNot(error)}.`);
    }
    if (answer.ok || accept.includes(answer.status)) return answer;
    throw await refusal(this.url, answer);
  }
}

function query({ network, holder }: BackupKey): string {
  return new URLSearchParams({ network, holder }).toString();
}

async function refusal(url: string, answer: Response): Promise<ProvisionError> {
  let message = answer.statusText;
  try {
    message = ((await answer.json()) as { message?: string }).message ?? message;
  } catch {
    // Not ours, then: a proxy's page.
  }
  const sentence = `The server at ${url} refuses (${answer.status}): ${message}.`;
  if (answer.status === 401) {
    return new ProvisionError("unauthorized", `${sentence} OSCORE_MESH_TOKEN gives the token of its API.`);
  }
  return new ProvisionError(answer.status === 409 ? "conflict" : "server", sentence);
}

function whyNot(error: unknown): string {
  const { name, cause } = error as { name: string; cause?: NodeJS.ErrnoException };
  if (name === "TimeoutError") return `no answer within ${TIMEOUT_MS / 1000} s`;
  return cause?.code ?? cause?.message ?? (error as Error).message;
}
