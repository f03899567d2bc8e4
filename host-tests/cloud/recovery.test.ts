import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { hostCrypto } from "#hal/crypto.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { encodeMessage } from "../../firmware/coap/codec.js";
import { Type } from "../../firmware/coap/message.js";
import { Code } from "../../firmware/coap/numbers.js";
import { type ClientState, OscoreClient } from "../../firmware/oscore/client.js";
import type { ReplayWindow } from "../../firmware/oscore/replay.js";
import { encodeReadings } from "../../firmware/reading/codec.js";
import { Bench, decode, renumbered, TestNode } from "./helpers.js";

const KEY = new Uint8Array(32).fill(7);

/** The state of a node that may lose it. */
class FragileState implements ClientState {
  idContext: Uint8Array | undefined;
  #end: number | undefined = 0;

  reserve(count: number): number | Refusal<"sequence-lost"> {
    if (this.#end === undefined) return new Refusal("sequence-lost");
    this.#end += count;
    return this.#end - count;
  }
  renew(idContext: Uint8Array, end: number, _window: ReplayWindow): void {
    this.idContext = idContext;
    this.#end = end;
  }
  lose(): void {
    this.#end = undefined;
  }
}

/** A node with OSCORE's ways back (RFC 8613 App. B). */
class Client {
  readonly spec = new TestNode("node-1", 1).spec;
  readonly state = new FragileState();
  #client = this.#boot();
  #messageId = 100;

  #boot(): OscoreClient {
    const { masterSecret, masterSalt, nodeId, serverId } = this.spec.oscore!;
    const parameters = { masterSecret, masterSalt, senderId: nodeId, recipientId: serverId };
    return new OscoreClient({ crypto: hostCrypto, parameters, state: this.state, rederive: true });
  }

  restart(): void {
    this.#client = this.#boot();
  }

  /** Sends a reading, again as often as the server asks. @returns the datagrams that it took */
  report(bench: Bench, temperature: number): Uint8Array[] {
    const exchange = this.#client.request({
      type: Type.CON,
      code: Code.POST,
      messageId: 0,
      token: new Uint8Array(0),
      options: [],
      payload: encodeReadings([{ age: 0, temperature }]),
    });
    assert.ok(!(exchange instanceof Refusal));
    const sent: Uint8Array[] = [];
    for (let outer = exchange.outer; ; ) {
      sent.push(encodeMessage({ ...outer, messageId: this.#messageId++ }));
      const [answer] = bench.receive(sent[sent.length - 1]);
      const verdict = exchange.receive(decode(answer));
      assert.ok(!(verdict instanceof Refusal), `${verdict}`);
      if (verdict.kind === "response") {
        assert.equal(verdict.message.code, Code.CHANGED);
        return sent;
      }
      outer = verdict.outer;
    }
  }
}

describe("cloud recovery", () => {
  let directory: string;
  let file: string;
  let client: Client;
  let bench: Bench;

  const start = () => Bench.create({ store: openSqlite({ file }), storeKey: KEY });
  const restart = async () => {
    await bench.cloud.stop();
    bench = await start();
  };

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
    file = join(directory, "store.db");
    client = new Client();
    bench = await start();
    await bench.cloud.registry.upsert(client.spec);
  });
  afterEach(async () => {
    await bench.cloud.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const temperatures = async () =>
    (await bench.cloud.store.readings({ limit: 100 })).map(({ temperature }) => temperature);

  it("agrees on new keys with a node that lost its numbers, without a hole for replays", async () => {
    const [before] = client.report(bench, 2000);
    client.state.lose();
    client.restart();
    const sent = client.report(bench, 2100);
    assert.equal(sent.length, 2, "request #1 and #2 of App. B.2");
    assert.deepEqual(await temperatures(), [2000, 2100]);
    assert.ok(bench.live.event.some(({ reason, node }) => reason === "keys-renewed" && node === "node-1"));

    const refused = (datagrams: Uint8Array[]) => {
      const stored = bench.live.reading.length;
      for (const datagram of datagrams) bench.receive(renumbered(datagram, 7000 + stored));
      assert.equal(bench.live.reading.length, stored);
    };
    client.report(bench, 2200);
    refused([before, ...sent]);
    await restart();
    client.restart();
    assert.equal(client.report(bench, 2300).length, 1, "the new keys outlive both ends' restarts");
    refused([before, ...sent]);
    assert.deepEqual(await temperatures(), [2000, 2100, 2200, 2300]);
  });

  it("keeps the new keys when the old ones are registered once more", async () => {
    client.state.lose();
    client.restart();
    client.report(bench, 2000);
    await bench.cloud.registry.upsert(client.spec);
    await bench.cloud.registry.upsert({ name: "node-1", place: "Hall" });
    assert.equal(client.report(bench, 2100).length, 1);
    await restart();
    await bench.cloud.registry.upsert(client.spec);
    assert.equal(client.report(bench, 2200).length, 1);
  });

  it("finds back to a node that was removed and registered again", async () => {
    client.state.lose();
    client.restart();
    const old = client.report(bench, 2000);
    await bench.cloud.registry.remove("node-1");
    await bench.cloud.registry.upsert(client.spec);
    for (const datagram of old) bench.receive(renumbered(datagram, 9000));
    assert.equal(bench.live.reading.length, 1);
    client.state.lose();
    client.restart();
    client.report(bench, 2100);
    assert.deepEqual(await temperatures(), [2000, 2100]);
  });

  it("takes back a takeover that the store does not take", async () => {
    client.report(bench, 2000);
    client.state.lose();
    client.restart();
    const { store } = bench.cloud;
    const { commit } = store;
    let failed = 0;
    store.commit = (batch, done) => {
      if (batch.requests.length === 0) commit.call(store, batch, done);
      else {
        failed++;
        done(new Error("disk full"));
      }
    };
    assert.throws(() => client.report(bench, 2100));
    assert.equal(failed, 1);
    store.commit = commit;
    client.state.lose();
    client.restart();
    client.report(bench, 2200);
    assert.deepEqual(await temperatures(), [2000, 2200]);
  });

  it("asks for proof of freshness when its own replay window is lost", async () => {
    const [old] = client.report(bench, 2000);
    await bench.cloud.stop();
    const database = new Database(file);
    database.exec("UPDATE contexts SET replay_seen = NULL, last_request = NULL");
    database.close();
    bench = await start();
    bench.receive(renumbered(old, 9000));
    assert.equal(bench.live.reading.length, 0);
    assert.equal(client.report(bench, 2100).length, 2, "once more with Echo (App. B.1.2)");
    bench.receive(renumbered(old, 9001));
    assert.equal(client.report(bench, 2200).length, 1);
    assert.deepEqual(await temperatures(), [2000, 2100, 2200]);
    await restart();
    assert.equal(client.report(bench, 2300).length, 1);
  });

  it("makes new keys when its own numbers are lost as well", async () => {
    const [old] = client.report(bench, 2000);
    await bench.cloud.stop();
    const database = new Database(file);
    database.exec("UPDATE contexts SET replay_seen = NULL, last_request = NULL, sender_sequence = NULL");
    database.close();
    bench = await start();
    assert.equal(client.report(bench, 2100).length, 2);
    bench.receive(renumbered(old, 9000));
    assert.deepEqual(await temperatures(), [2000, 2100]);
  });
});
