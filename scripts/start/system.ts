/** The composition behind `npm start`: server, world, and what is kept of both between starts. */

import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { hostCrypto } from "#hal/crypto.js";
import { StartupError } from "../../cloud/errors.js";
import { type RunningServer, startServer } from "../../cloud/server.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { DEFAULT_SETTINGS, type OscoreIdentity } from "../../firmware/roles/identity.js";
import { provision } from "../../firmware/roles/provisioning.js";
import { type LogStore, openFileStore } from "../../hal/host/storage.js";
import { CaptureFile } from "../../sim/capture/capture-file.js";
import { Tampering } from "../../sim/hostile/tampering.js";
import type { ModemNetwork } from "../../sim/modem/modem-network.js";
import { UdpNetwork } from "../../sim/modem/udp-network.js";
import {
  type Device,
  loadKeyRing,
  newKeyRing,
  planNetwork,
  renewKeys,
  saveKeyRing,
} from "../../sim/network.js";
import { PacedClock } from "../../sim/paced-clock.js";
import { type Measured, World } from "../../sim/world.js";
import { XsEngine } from "../../sim/xs/engine.js";
import { ClientFile } from "../oscore-http/client-file.js";

export interface SystemOptions {
  readonly nodes: number;
  readonly relays: number;
  readonly gateways: number;
  /** seconds */
  readonly interval: number;
  readonly loss: number;
  readonly seed: number;
  readonly tamper: boolean;
  readonly dataDir: string;
  readonly httpPort: number;
  readonly coapPort: number;
  readonly onMeasured?: (measured: Measured) => void;
  /** The XS worker that the devices run in; without it they run in this process. */
  readonly xsWorker?: string;
  /** A pcapng file to be made of the air and the modems' UDP. */
  readonly capture?: string;
}

export interface System {
  readonly server: RunningServer;
  readonly world: World;
  readonly clock: PacedClock;
  readonly tampering: Tampering | undefined;
  /** XS machines, where the devices run in XS. */
  readonly machines: number | undefined;
  stop(): Promise<void>;
}

/** One row of the recorded data stands for a minute. */
const RECORDED_SECONDS = 60;

/** @throws StartupError with one clear sentence */
export async function startSystem(options: SystemOptions): Promise<System> {
  const { dataDir } = options;
  const server = await startServer({
    dataDir,
    http: { port: options.httpPort },
    coap: { host: "127.0.0.1", port: options.coapPort },
  });
  try {
    return await startWorld(options, server);
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function startWorld(options: SystemOptions, server: RunningServer): Promise<System> {
  const clock = new PacedClock();
  const stores = new Map<string, LogStore>();
  const networks: UdpNetwork[] = [];
  const devices = await provisionAll(options, server, stores);
  const capture = options.capture === undefined ? undefined : openCapture(options.capture, clock);
  // The last gateway is the stolen one: it has all that a gateway has.
  const tampering = options.tamper
    ? new Tampering({ clock, seed: options.seed, gateway: `gateway-${options.gateways + 1}` })
    : undefined;
  const engine =
    options.xsWorker === undefined ? undefined : new XsEngine({ worker: options.xsWorker, clock });
  const world = new World({
    clock,
    devices,
    seed: options.seed,
    loss: options.loss,
    storage: (name) => stores.get(name)!,
    internet: (gateway) => {
      const network = new UdpNetwork();
      networks.push(network);
      // Datagrams come when the operating system says so; the world knows only its own time.
      const paced: ModemNetwork = enterAt(clock, network);
      const outer = capture?.tap(gateway, paced) ?? paced;
      return tampering?.wrapNetwork(gateway, outer) ?? outer;
    },
    server: { host: server.coapAddress.host, port: server.coapAddress.port },
    timeScale: RECORDED_SECONDS / options.interval,
    healthInterval: Math.min(60_000, Math.max(5000, options.interval * 2000)),
    ...(options.onMeasured !== undefined && { onMeasured: options.onMeasured }),
    ...(engine !== undefined && { engine }),
  });
  capture?.listen(world.air);
  clock.start();
  clock.enter(() => {
    world.start();
    tampering?.joinAir(world.air, devices);
  });
  return {
    server,
    world,
    clock,
    tampering,
    machines: engine?.machines,
    async stop() {
      clock.enter(() => {
        tampering?.stop();
        world.stop();
      });
      clock.stop();
      engine?.close();
      for (const network of networks) network.shutDown();
      await capture?.close();
      await server.stop();
      for (const store of stores.values()) store.close();
    },
  };
}

/**
 * Gives every device its identity and tells the server of it. A device whose storage is gone gets new keys: nobody
 * knows which numbers the old ones were used with.
 */
async function provisionAll(
  options: SystemOptions,
  server: RunningServer,
  stores: Map<string, LogStore>,
): Promise<Device[]> {
  const directory = join(options.dataDir, "devices");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(options.dataDir, "network.json");
  const random = (length: number) => hostCrypto.random(length);
  const ring = loadKeyRing(file) ?? newKeyRing(random);
  if (ring instanceof Refusal)
    throw new StartupError(`The network's key file cannot be used: ${ring.detail}`);
  const renewed = new Set<string>();
  for (const name of ring.devices.keys()) {
    if (existsSync(join(directory, `${name}.store`))) continue;
    renewKeys(ring, name, random);
    renewed.add(name);
  }
  const known = new Set(ring.devices.keys());
  const clients = new ClientFile(join(options.dataDir, "client.json"));
  const devices = planNetwork(ring, {
    nodes: options.nodes,
    relays: options.relays,
    gateways: options.gateways + (options.tamper ? 1 : 0),
    settings: { ...DEFAULT_SETTINGS, interval: options.interval },
    random,
    client: (name) => clientContext(clients, name, known.has(name) && !renewed.has(name), random),
  });
  saveKeyRing(file, ring);
  for (const { kind, name, identity } of devices) {
    const store = openFileStore(join(directory, `${name}.store`));
    stores.set(name, store);
    provision(store, identity);
    const { mesh, oscore } = identity;
    await server.registry.upsert({
      name,
      kind,
      meshAddress: mesh.address,
      ...(oscore !== undefined && {
        oscore: {
          // Only counts where the server does not know them: its store was thrown away, the devices' were not.
          used: known.has(name) && !renewed.has(name),
          masterSecret: oscore.masterSecret,
          masterSalt: oscore.masterSalt,
          nodeId: oscore.senderId,
          serverId: oscore.recipientId,
        },
      }),
    });
  }
  return devices;
}

/**
 * A node's context with the client of `npm run oscore-http`, as the node sees it. Both sides keep its numbers, so a node
 * whose storage is gone, or a client whose file is, gets new keys.
 */
function clientContext(
  clients: ClientFile,
  name: string,
  keepsNumbers: boolean,
  random: (length: number) => Uint8Array,
): OscoreIdentity {
  const known = clients.exists ? clients.contexts().find((context) => context.name === name) : undefined;
  let parameters = keepsNumbers ? known?.parameters : undefined;
  if (parameters === undefined) {
    // The client's ID differs from those that the server has with any node: the node tells the two by it.
    const [senderId, recipientId] = [Uint8Array.of(0x63), new Uint8Array(0)];
    parameters = { masterSecret: random(16), masterSalt: random(8), senderId, recipientId };
    clients.put(name, parameters);
  }
  const { masterSecret, masterSalt = new Uint8Array(0), senderId, recipientId } = parameters;
  return { masterSecret, masterSalt, senderId: recipientId, recipientId: senderId };
}

function openCapture(file: string, clock: PacedClock): CaptureFile {
  const wallOrigin = Date.now() - clock.now();
  try {
    return new CaptureFile(
      file,
      // What the clock has given up was wall time too.
      () => wallOrigin + clock.now() + clock.slipped,
      (message) => process.stderr.write(`\n${message}\n`),
    );
  } catch (error) {
    throw new StartupError(`${file} cannot be made: ${(error as NodeJS.ErrnoException).code ?? error}`);
  }
}

function enterAt(clock: PacedClock, network: UdpNetwork): ModemNetwork {
  const paced: ModemNetwork = {
    onDatagram: undefined,
    open: (socket, localPort) => network.open(socket, localPort),
    send: (socket, address, port, datagram) => network.send(socket, address, port, datagram),
    close: (socket) => network.close(socket),
    resolve: (name, done) => network.resolve(name, (address) => clock.enter(() => done(address))),
  };
  network.onDatagram = (socket, address, port, datagram) =>
    clock.enter(() => paced.onDatagram?.(socket, address, port, datagram));
  return paced;
}
