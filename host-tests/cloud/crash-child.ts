/** The server without HTTP, to be killed: `crash-child.ts FILE PORT`. Says its port when it listens. */

import { hostCrypto } from "#hal/crypto.js";
import { createCloud } from "../../cloud/cloud.js";
import { Metrics } from "../../cloud/metrics.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import { UdpDriver } from "../../cloud/udp.js";
import { TestNode } from "./helpers.js";

export const STORE_KEY = new Uint8Array(32).fill(3);
export const NODES = 20;

export function crashNode(index: number): TestNode {
  return new TestNode(`node-${index}`, index);
}

if (process.send !== undefined) {
  const [file, port] = process.argv.slice(2);
  let driver: UdpDriver | undefined;
  const cloud = await createCloud({
    store: openSqlite({ file }),
    storeKey: STORE_KEY,
    crypto: hostCrypto,
    send: (datagram, destination) => driver?.send(datagram, destination),
  });
  for (let i = 0; i < NODES; i++) await cloud.registry.upsert(crashNode(i).spec);
  driver = await UdpDriver.open({ host: "127.0.0.1", port: Number(port) }, new Metrics());
  driver.start(cloud.endpoint);
  process.send(driver.address.port);
}
