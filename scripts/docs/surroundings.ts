/** What documented commands speak to: a network that runs, a database, a broker, a certificate. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { Aedes } from "aedes";
import { findPostgres, PostgresCluster } from "../postgres-cluster.js";

export type Surrounding = "network" | "postgres" | "broker" | "certificate";

/** For the command's environment. */
export type Names = { readonly [name: string]: string };

/** ms until a network has named its page. */
const PATIENCE = 60_000;

/** Started when first asked for, and stopped together. */
export class Surroundings {
  readonly #repository: string;
  readonly #directory: string;
  readonly #made = new Map<Surrounding, Promise<Names | string>>();
  readonly #stops: (() => Promise<unknown> | unknown)[] = [];

  /** @param directory for what they write */
  constructor(repository: string, directory: string) {
    this.#repository = repository;
    this.#directory = directory;
  }

  /** @returns names of where it is; or why there is none here */
  get(what: Surrounding): Promise<Names | string> {
    let made = this.#made.get(what);
    if (made === undefined) {
      made = this.#make(what);
      this.#made.set(what, made);
    }
    return made;
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) await stop();
  }

  #make(what: Surrounding): Promise<Names | string> {
    switch (what) {
      case "network":
        return this.#network();
      case "postgres":
        return this.#postgres();
      case "broker":
        return this.#broker();
      case "certificate":
        return this.#certificate();
    }
  }

  /** `npm start`, which a token and a node can be asked of. */
  async #network(): Promise<Names | string> {
    const data = join(this.#directory, "network");
    const child = spawn("npm", ["start"], {
      cwd: this.#repository,
      detached: true,
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, DATA_DIR: data, HTTP_PORT: "0", COAP_PORT: "0" },
    });
    this.#stops.push(() => stopped(child));
    const page = await saidBy(child, /Page: (\S+)/);
    return page === undefined ? "npm start did not come up" : { NETWORK: page, NETWORK_DATA: data };
  }

  async #postgres(): Promise<Names | string> {
    const programs = findPostgres();
    if (programs === undefined) return "PostgreSQL is not installed";
    const cluster = new PostgresCluster(programs);
    this.#stops.push(() => cluster.destroy());
    await cluster.start();
    return { DATABASE_URL: cluster.url };
  }

  async #broker(): Promise<Names | string> {
    const broker = await Aedes.createBroker();
    const server = createServer(broker.handle);
    this.#stops.push(() => new Promise<void>((resolve) => broker.close(() => server.close(() => resolve()))));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    return { MQTT_URL: `mqtt://127.0.0.1:${port}` };
  }

  async #certificate(): Promise<Names | string> {
    const [certificate, key] = [join(this.#directory, "fullchain.pem"), join(this.#directory, "key.pem")];
    const options = ["-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1"];
    try {
      execFileSync("openssl", ["req", "-x509", ...options, "-keyout", key, "-out", certificate], {
        stdio: "pipe",
      });
    } catch {
      return "openssl is not installed";
    }
    return { CERTIFICATE: certificate, CERTIFICATE_KEY: key };
  }
}

/** What a child says that matches; `undefined` when it ends or takes too long before. */
function saidBy(child: ChildProcess, what: RegExp): Promise<string | undefined> {
  return new Promise((resolve) => {
    let output = "";
    const timer = setTimeout(() => resolve(undefined), PATIENCE);
    const end = (said: string | undefined) => {
      clearTimeout(timer);
      resolve(said);
    };
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk;
      const said = what.exec(output)?.[1];
      if (said !== undefined) end(said);
    });
    child.on("close", () => end(undefined));
  });
}

/** Told to stop, with all that it has started. */
function stopped(child: ChildProcess): Promise<unknown> {
  if (child.exitCode !== null || child.pid === undefined) return Promise.resolve();
  const closed = new Promise((resolve) => child.on("close", resolve));
  process.kill(-child.pid, "SIGINT");
  return closed;
}
