/**
 * The server without HTTP, to be killed: `crash-child.ts STORE`, a file or the address of a database. Says its port when
 * it listens, and when asked how many requests it has stored.
 */

import { hostCrypto } from "#hal/crypto.js";
import { createCloud } from "../../cloud/cloud.js";
import { Metrics } from "../../cloud/metrics.js";
import { openPostgres } from "../../cloud/store/postgres.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import type { Store } from "../../cloud/store/store.js";
import { UdpDriver } from "../../cloud/udp.js";
import { TestNode } from "./helpers.js";

export const STORE_KEY = new Uint8Array(32).fill(3);
export const NODES = 20;

export function crashNode(index: number): TestNode {
  return new TestNode(`node-${index}`, index);
}

export async function openStore(place: string): Promise<Store> {
  return place.startsWith("postgres")
    ? openPostgres({ url: place })
    : openSqlite({ file: place, thread: true });
}

if (process.send !== undefined) {
  let driver: UdpDriver | undefined;
  const cloud = await createCloud({
    store: await openStore(process.argv[2]),
    storeKey: STORE_KEY,
    crypto: hostCrypto,
    clock: () => performance.now(),
    send: (datagram, destination) => driver?.send(datagram, destination),
  });
  for (let i = 0; i < NODES; i++) await cloud.registry.upsert(crashNode(i).spec);
  driver = await UdpDriver.open({ host: "127.0.0.1", port: 0 }, new Metrics());
  driver.start(cloud.endpoint);
  process.on("message", () => process.send?.(cloud.metrics.requests.get("stored")));
  process.send(driver.address.port);
}
