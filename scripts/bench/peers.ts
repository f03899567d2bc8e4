/** Others' CoAP and OSCORE, from their registries, beside ours in the same run. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { install, Unavailable, writeContext } from "../interop/aiocoap.js";
import { type BenchRow, rowOf, summarise } from "./measure.js";

const BUILD = fileURLToPath(new URL("../../build", import.meta.url));
const PEERS = fileURLToPath(new URL("peers/", import.meta.url));

/** An implementation that runs as a program. */
export interface Peer {
  /** With its version. */
  readonly name: string;
  /** "serve", "codec" or "oscore", with what they need; `undefined` for what it does not do. */
  readonly command: (
    mode: "serve" | "codec" | "oscore",
    repetitions: number,
  ) => Promise<string[] | undefined>;
}

/** Ours, as a server process like the others. */
export const OURS: Peer = {
  name: "ours",
  command: async (mode) => (mode === "serve" ? typescript("own-server.ts") : undefined),
};

/** Those that this machine can run; why it cannot run one is said on stderr. */
export function findPeers(): Peer[] {
  const peers: Peer[] = [];
  for (const find of [npmCoap, californium, aiocoap]) {
    try {
      peers.push(find());
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      console.error(`  ${error.message}`);
    }
  }
  return peers;
}

function typescript(file: string): string[] {
  return [process.execPath, "--import", "tsx", join(PEERS, file)];
}

function npmCoap(): Peer {
  const { version } = JSON.parse(
    readFileSync(fileURLToPath(import.meta.resolve("coap/package.json")), "utf8"),
  ) as { version: string };
  return {
    name: `coap ${version} (npm)`,
    command: async (mode) => (mode === "serve" ? typescript("npm-coap.ts") : undefined),
  };
}

function aiocoap(): Peer {
  const directory = join(BUILD, "interop");
  const python = install(directory);
  const version = execFileSync(python, ["-c", "import aiocoap.meta; print(aiocoap.meta.version)"], {
    encoding: "utf8",
  }).trim();
  const context = (own: number[], other: number[]) =>
    writeContext(join(directory, `bench-${own.length}`), {
      masterSecret: Uint8Array.from({ length: 16 }, (_, i) => i + 1),
      senderId: Uint8Array.from(own),
      recipientId: Uint8Array.from(other),
    });
  return {
    name: `aiocoap ${version} (PyPI)`,
    command: async (mode, repetitions) => {
      const start = [python, join(PEERS, "aiocoap_peer.py"), mode];
      if (mode === "serve") return [...start, String(await freePort())];
      if (mode === "codec") return [...start, String(repetitions)];
      return [...start, String(repetitions), context([], [1]), context([1], [])];
    },
  };
}

/** Its libraries come with Maven, once; our program for it is one file that java compiles itself. */
function californium(): Peer {
  const directory = join(BUILD, "bench", "californium");
  const done = join(directory, "installed");
  const version = /<artifactId>cf-oscore<[\s\S]*?<version>([^<]+)</.exec(
    readFileSync(join(PEERS, "pom.xml"), "utf8"),
  )?.[1];
  if (!existsSync(done) || readFileSync(done, "utf8") !== version) {
    try {
      execFileSync("javac", ["-version"], { stdio: "pipe" });
      execFileSync("mvn", ["-version"], { stdio: "pipe" });
    } catch {
      throw new Unavailable(
        "Californium is not measured: it needs a JDK and Maven (Debian: default-jdk-headless maven)",
      );
    }
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
    copyFileSync(join(PEERS, "pom.xml"), join(directory, "pom.xml"));
    try {
      const goal = ["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"];
      execFileSync("mvn", goal, { cwd: directory, stdio: "pipe" });
    } catch {
      throw new Unavailable("Californium is not measured: Maven could not fetch it");
    }
    writeFileSync(done, version ?? "");
  }
  return {
    name: `Californium ${version} (Maven)`,
    command: async (mode, repetitions) => [
      "java",
      "-cp",
      join(directory, "lib", "*"),
      join(PEERS, "CaliforniumPeer.java"),
      mode,
      String(repetitions),
    ],
  };
}

/** A UDP port of the loopback that is free now. */
async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  socket.close();
  return port;
}

/** What a peer measures of itself, in µs. */
export async function rowsOf(peer: Peer, mode: "codec" | "oscore", repetitions: number): Promise<BenchRow[]> {
  const command = await peer.command(mode, repetitions);
  if (command === undefined) return [];
  const rows: BenchRow[] = [];
  const child = start(command);
  for await (const line of createInterface(child.stdout!)) {
    const { name, values } = JSON.parse(line) as { name: string; values: number[] };
    rows.push({ ...rowOf(name, "µs", summarise(values)), peer: peer.name });
  }
  await ended(child, peer);
  return rows;
}

/** Has a peer serve while `use` works with its port; `undefined` when it serves nothing. */
export async function withServer<T>(peer: Peer, use: (port: number) => Promise<T>): Promise<T | undefined> {
  const command = await peer.command("serve", 1);
  if (command === undefined) return undefined;
  const child = start(command);
  try {
    const port = await new Promise<number>((resolve, reject) => {
      createInterface(child.stdout!).once("line", (line) =>
        resolve((JSON.parse(line) as { port: number }).port),
      );
      child.once("exit", (code) => reject(new Error(`${peer.name} ended with ${code}`)));
    });
    return await use(port);
  } finally {
    child.stdin!.end();
    await ended(child, peer);
  }
}

function start([program, ...args]: string[]): ChildProcess {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  child.stderr!.resume();
  return child;
}

async function ended(child: ChildProcess, { name }: Peer): Promise<void> {
  if (child.exitCode === null) await new Promise((resolve) => child.once("exit", resolve));
  if (child.exitCode !== 0) throw new Error(`${name} ended with ${child.exitCode ?? child.signalCode}`);
}
