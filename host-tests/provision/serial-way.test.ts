import assert from "node:assert/strict";
import { hostCrypto } from "#hal/crypto.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { deviceUuid } from "../../firmware/console/label.js";
import { GatewayRole } from "../../firmware/roles/gateway.js";
import { encodeIdentity, loadIdentity } from "../../firmware/roles/identity.js";
import { NodeRole } from "../../firmware/roles/node.js";
import { RelayRole } from "../../firmware/roles/relay.js";
import { MemoryStore } from "../../hal/host/storage.js";
import { type Progress, WayError } from "../../scripts/provision/way.js";
import { Random } from "../../sim/random.js";
import { CHIP, Desk, inTime, someIdentity } from "./cable.js";

const refusedWith = (reason: string) => (error: unknown) =>
  error instanceof WayError && error.reason === reason;

describe("provisioning through the console", () => {
  for (const [kind, role] of [
    ["node", NodeRole],
    ["relay", RelayRole],
    ["gateway", GatewayRole],
  ] as const) {
    it(`a ${kind} out of the box has its identity and its role`, async () => {
      const desk = new Desk({ kind });
      const steps: Progress[] = [];
      const way = await inTime(desk.clock, desk.open({ onProgress: (step) => steps.push(step) }));
      const before = await inTime(desk.clock, way.inspect());
      assert.deepEqual(before, {
        kind,
        chipId: CHIP,
        uuid: deviceUuid(kind, CHIP),
        version: "0.1.0-sim",
        proven: false,
      });
      const identity = someIdentity(kind, "Küche 3");
      assert.equal(await inTime(desk.clock, way.verify(identity)), "none");
      await inTime(desk.clock, way.write(identity));
      assert.equal(await inTime(desk.clock, way.verify(identity)), "same");
      assert.equal(await inTime(desk.clock, way.verify(someIdentity(kind))), "other");
      assert.equal((await inTime(desk.clock, way.inspect())).name, "Küche 3");
      assert.deepEqual(loadIdentity(desk.storage), identity);
      assert.ok(desk.board.device?.runs instanceof role);
      assert.ok(steps.some(({ step, done, of }) => step === "write" && done === of));
      await way.close();
    });
  }

  it("the secret of the label is proved before anything is written, and not told by a board that is somebody's", async () => {
    const desk = new Desk();
    const reader = await inTime(desk.clock, desk.open());
    const { uuid, oob } = await inTime(desk.clock, reader.label());
    assert.deepEqual(uuid, deviceUuid("node", CHIP));
    await reader.close();

    const wrong = await inTime(desk.clock, desk.open({ oob: hostCrypto.random(16) }));
    await assert.rejects(inTime(desk.clock, wrong.write(someIdentity("node"))), refusedWith("wrong-board"));
    await wrong.close();
    assert.ok(loadIdentity(desk.storage) instanceof Refusal);

    const right = await inTime(desk.clock, desk.open({ oob }));
    assert.equal((await inTime(desk.clock, right.inspect())).proven, true);
    await inTime(desk.clock, right.write(someIdentity("node")));
    await assert.rejects(inTime(desk.clock, right.label()), refusedWith("refused"));
    // The label stays true for the board's whole life.
    await inTime(desk.clock, right.erase());
    assert.deepEqual(await inTime(desk.clock, right.label()), { uuid, oob });
  });

  it("an identity that the board could not start with is refused, and the old one stays", async () => {
    const desk = new Desk();
    const way = await inTime(desk.clock, desk.open());
    const good = someIdentity("node");
    await inTime(desk.clock, way.write(good));
    const { mesh } = good;
    for (const bad of [
      someIdentity("relay"),
      { ...good, mesh: { ...mesh, address: 0xc000 } },
      { ...good, mesh: { ...mesh, ttl: 1 } },
      { ...good, mesh: { ...mesh, netKey: new Uint8Array(15) } },
      { ...good, oscore: { ...good.oscore!, senderId: new Uint8Array(8) } },
      { ...good, settings: { ...good.settings, batch: 0 } },
    ]) {
      await assert.rejects(inTime(desk.clock, way.write(bad)), refusedWith("refused"));
      assert.equal(await inTime(desk.clock, way.verify(good)), "same");
    }
  });

  it("another board on the cable is noticed", async () => {
    const desk = new Desk();
    const way = await inTime(desk.clock, desk.open());
    await inTime(desk.clock, way.inspect());
    desk.swap(CHIP.map((byte) => byte ^ 1));
    await assert.rejects(inTime(desk.clock, way.write(someIdentity("node"))), refusedWith("wrong-board"));
  });

  it("a cable that does not come back ends with a clear word", async () => {
    const desk = new Desk();
    const way = await inTime(desk.clock, desk.open({ patience: 5000 }));
    desk.pull(false, 60_000);
    await assert.rejects(inTime(desk.clock, way.inspect()), refusedWith("cable-gone"));
  });

  it("a port where nobody of ours is says so", async () => {
    const desk = new Desk();
    desk.board.powerOff();
    await assert.rejects(inTime(desk.clock, desk.open()), refusedWith("silent"));
  });
});

describe("provisioning through the console, with the cable pulled", () => {
  /** Lines that cross while a board with an old identity gets a new one. */
  async function writeWith(cut: { line: number; power: boolean } | undefined) {
    const storage = new MemoryStore();
    const desk = new Desk({ storage });
    const way = await inTime(desk.clock, desk.open());
    const [old, fresh] = [someIdentity("node", "old"), someIdentity("node", "new")];
    await inTime(desk.clock, way.write(old));
    desk.lines = 0;
    desk.cut = cut;
    const states = new Set<string>();
    const set = storage.set.bind(storage);
    storage.set = (key, value) => {
      set(key, value);
      const is = loadIdentity(storage);
      states.add(is instanceof Refusal ? is.reason : is.name);
    };
    await inTime(desk.clock, way.write(fresh));
    assert.equal(await inTime(desk.clock, way.verify(fresh)), "same");
    assert.deepEqual(loadIdentity(storage), fresh);
    assert.ok(
      [...states].every((name) => name === "old" || name === "new"),
      [...states].join(),
    );
    assert.equal(desk.pulls, cut === undefined ? 0 : 1);
    await way.close();
    return desk.lines;
  }

  for (const power of [false, true]) {
    it(`at every line${power ? ", and the power with it" : ""}: it goes on, and ends with the new identity`, async () => {
      const lines = await writeWith(undefined);
      assert.ok(lines > 12, `${lines} lines`);
      for (let line = 1; line <= lines; line++) await writeWith({ line, power });
    });
  }

  it("for good, at every line: the board has the old identity or the new one", async () => {
    const [old, fresh] = [someIdentity("node", "old"), someIdentity("node", "new")];
    const ends = new Set<string>();
    for (let line = 1; line < 30; line++) {
      const desk = new Desk();
      const way = await inTime(desk.clock, desk.open({ patience: 1000 }));
      await inTime(desk.clock, way.write(old));
      desk.lines = 0;
      desk.cut = { line, power: true };
      const written = await inTime(
        desk.clock,
        way.write(fresh).then(
          () => true,
          () => false,
        ),
      );
      await way.close();
      desk.clock.run(desk.clock.now() + 5000);
      const again = await inTime(desk.clock, desk.open());
      const is = await inTime(desk.clock, again.verify(fresh));
      if (written) assert.equal(is, "same");
      if (is !== "same") assert.equal(await inTime(desk.clock, again.verify(old)), "same");
      ends.add(`${written} ${is}`);
      await again.close();
    }
    assert.deepEqual([...ends].sort(), ["false other", "false same", "true same"]);
  });

  it("with a tenth of all lines spoilt", async () => {
    const random = new Random(8);
    let spoilt = 0;
    const desk = new Desk({
      noise: (bytes) => {
        if (random.chance(0.1)) {
          bytes[random.below(bytes.length)] ^= 1 << random.below(8);
          spoilt++;
        }
        return bytes;
      },
    });
    const way = await inTime(desk.clock, desk.open());
    for (let i = 0; i < 10; i++) {
      const identity = someIdentity("node", `n${i}`);
      await inTime(desk.clock, way.write(identity));
      assert.deepEqual(
        encodeIdentity(loadIdentity(desk.storage) as typeof identity),
        encodeIdentity(identity),
      );
    }
    assert.ok(spoilt > 20, `${spoilt} lines`);
  });
});
