import assert from "node:assert/strict";
import * as fc from "fast-check";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import {
  decodeUnprovisionedBeacon,
  encodeUnprovisionedBeacon,
  networkIdOf,
  openPrivateBeacon,
  openSecureNetworkBeacon,
  type SecureNetworkBeacon,
  sealSecureNetworkBeacon,
} from "../../firmware/mesh/beacon.js";
import { IvIndex, type IvVerdict } from "../../firmware/mesh/iv-index.js";
import { KeyStore } from "../../firmware/mesh/keys.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { MemoryStore, meshStorage } from "./medium.js";
import { NET_KEY } from "./vectors.js";

function material() {
  return new KeyStore(hostCrypto).addSubnet(0, hex(NET_KEY)).current;
}

describe("mesh beacons: sample data of section 8.4", () => {
  const VECTORS: readonly [name: string, beacon: SecureNetworkBeacon, bytes: string][] = [
    [
      "8.4.3",
      { keyRefresh: false, ivUpdate: false, ivIndex: 0x12345678 },
      "01003ecaff672f673370123456788ea261582f364f6f",
    ],
    [
      "8.4.4 IV update in progress",
      { keyRefresh: false, ivUpdate: true, ivIndex: 0x12345679 },
      "01023ecaff672f67337012345679c2af80ad072a135c",
    ],
    [
      "8.4.5 IV update complete",
      { keyRefresh: false, ivUpdate: false, ivIndex: 0x12345679 },
      "01003ecaff672f67337012345679c62f09e4c957f59d",
    ],
  ];
  for (const [name, beacon, bytes] of VECTORS) {
    it(`secure network beacon ${name}`, () => {
      const key = material();
      assert.equal(toHex(sealSecureNetworkBeacon(hostCrypto, key, beacon)), `172b${bytes}`);
      assert.equal(toHex(networkIdOf(hex(bytes)) as Uint8Array), toHex(key.networkId));
      assert.deepEqual(openSecureNetworkBeacon(hostCrypto, key, hex(bytes)), beacon);
      for (let bit = 8; bit < 8 * hex(bytes).length; bit++) {
        const flipped = hex(bytes);
        flipped[bit >> 3] ^= 0x80 >> (bit & 7);
        assert.ok(openSecureNetworkBeacon(hostCrypto, key, flipped) instanceof Refusal || bit >> 3 < 10);
      }
    });
  }

  const PRIVATE: readonly [name: string, netKey: string, beacon: SecureNetworkBeacon, bytes: string][] = [
    [
      "8.4.6.1 IV update in progress",
      "f7a2a44f8e8a8029064f173ddc1e2b00",
      { keyRefresh: false, ivUpdate: true, ivIndex: 0x1010abcd },
      "02435f18f85cf78a3121f58478a561e488e7cbf3174f022a514741",
    ],
    [
      "8.4.6.2 IV update complete",
      "3bbb6f1fbd53e157417f308ce7aec58f",
      { keyRefresh: false, ivUpdate: false, ivIndex: 0 },
      "021b998f82927535ea6f3076f422ce827408ab2f0ffb94cf97f881",
    ],
  ];
  for (const [name, netKey, beacon, bytes] of PRIVATE) {
    it(`private beacon ${name}`, () => {
      const key = new KeyStore(hostCrypto).addSubnet(0, hex(netKey)).current;
      assert.deepEqual(openPrivateBeacon(key, hex(bytes)), beacon);
      for (let bit = 8; bit < 8 * hex(bytes).length; bit++) {
        const flipped = hex(bytes);
        flipped[bit >> 3] ^= 0x80 >> (bit & 7);
        assert.ok(openPrivateBeacon(key, flipped) instanceof Refusal);
      }
      assert.ok(openPrivateBeacon(material(), hex(bytes)) instanceof Refusal);
      assert.ok(openPrivateBeacon(key, hex(bytes).subarray(1)) instanceof Refusal);
    });
  }

  it("unprovisioned device beacon, with and without a URI hash", () => {
    const uuid = hex("70cf7c9732a345b691494810d2e9cbf4");
    const short = encodeUnprovisionedBeacon({ uuid, oobInformation: 0x4020 });
    assert.equal(toHex(short), `142b00${toHex(uuid)}4020`);
    assert.deepEqual(decodeUnprovisionedBeacon(short.subarray(2)), { uuid, oobInformation: 0x4020 });
    const uriHash = hex("d97478b3");
    const long = encodeUnprovisionedBeacon({ uuid, oobInformation: 0, uriHash });
    assert.deepEqual(decodeUnprovisionedBeacon(long.subarray(2)), { uuid, oobInformation: 0, uriHash });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        decodeUnprovisionedBeacon(bytes);
        networkIdOf(bytes);
      }),
    );
  });
});

describe("mesh IV Index", () => {
  const HOUR = 3_600_000;

  function setUp(store = new MemoryStore(), ivIndex = 100, updating = false, testMode = false, now = 0) {
    const changes: boolean[] = [];
    const busy = { now: false };
    const iv = new IvIndex({
      storage: meshStorage(store),
      ivIndex,
      updating,
      testMode,
      now,
      changed: (transmitChanged) => changes.push(transmitChanged),
      busy: () => busy.now,
    });
    return { iv, store, changes, busy };
  }

  function runUntil(iv: IvIndex, time: number): void {
    while (iv.deadline <= time) iv.tick(iv.deadline);
  }

  it("goes through an update: sends under the old index while it is in progress", () => {
    const { iv, changes } = setUp();
    runUntil(iv, 96 * HOUR);
    assert.ok(iv.start(96 * HOUR));
    assert.deepEqual([iv.current, iv.transmit, iv.updating], [101, 100, true]);
    runUntil(iv, 192 * HOUR - 1);
    assert.ok(iv.updating);
    runUntil(iv, 192 * HOUR);
    assert.deepEqual([iv.current, iv.transmit, iv.updating], [101, 101, false]);
    assert.deepEqual(changes, [false, true]);
  });

  it("is not started within 96 hours, nor while one is in progress", () => {
    const { iv } = setUp();
    assert.equal(iv.start(95 * HOUR), false);
    assert.ok(iv.start(96 * HOUR));
    assert.equal(iv.start(96 * HOUR), false);
    runUntil(iv, 192 * HOUR);
    assert.equal(iv.start(287 * HOUR), false);
    assert.ok(iv.start(288 * HOUR));
  });

  it("waits for own messages with the end of an update, but not beyond 144 hours", () => {
    const { iv, busy } = setUp(new MemoryStore(), 100, true);
    busy.now = true;
    runUntil(iv, 100 * HOUR);
    assert.ok(iv.updating);
    busy.now = false;
    runUntil(iv, 100 * HOUR + 1000);
    assert.equal(iv.updating, false);

    const other = setUp(new MemoryStore(), 100, true);
    other.busy.now = true;
    runUntil(other.iv, 144 * HOUR + 1000);
    assert.equal(other.iv.updating, false);
  });

  it("follows beacons as §3.10.5 says", () => {
    type Beacon = readonly [ivIndex: number, updating: boolean, hours: number, verdict: IvVerdict];
    const scenes: readonly (readonly [
      name: string,
      beacons: readonly Beacon[],
      end: readonly [number, boolean],
    ])[] = [
      ["nothing new", [[100, false, 1, "same"]], [100, false]],
      [
        "older ones",
        [
          [99, false, 1, "ignored-old"],
          [99, true, 1, "ignored-old"],
        ],
        [100, false],
      ],
      ["an update at once after joining", [[101, true, 1, "changed"]], [101, true]],
      [
        "an update and its end, each after 96 hours",
        [
          [101, true, 1, "changed"],
          [101, false, 96, "ignored-early"],
          [101, false, 97, "changed"],
          [102, true, 192, "ignored-early"],
          [102, true, 193, "changed"],
        ],
        [102, true],
      ],
      [
        "a neighbour that is still updating does not bring it back",
        [
          [101, true, 1, "changed"],
          [101, false, 97, "changed"],
          [101, true, 98, "ignored-old"],
        ],
        [101, false],
      ],
      ["a missed update", [[101, false, 1, "changed"]], [101, false]],
      ["42 missed", [[142, true, 1, "changed"]], [142, true]],
      ["43 are too many", [[143, false, 1, "ignored-far"]], [100, false]],
      [
        "one recovery in 192 hours",
        [
          [105, false, 1, "changed"],
          [110, false, 192, "ignored-early"],
          [110, false, 193, "changed"],
        ],
        [110, false],
      ],
    ];
    for (const [name, beacons, [ivIndex, updating]] of scenes) {
      const { iv } = setUp();
      for (const [heard, flag, hours, verdict] of beacons) {
        assert.equal(iv.heard(heard, flag, hours * HOUR), verdict, `${name}: ${heard} at ${hours} h`);
      }
      assert.deepEqual([iv.current, iv.updating], [ivIndex, updating], name);
    }
  });

  it("keeps index, state and hours over a restart", () => {
    const store = new MemoryStore();
    const { iv } = setUp(store);
    iv.heard(101, true, 0);
    runUntil(iv, 50 * HOUR);
    // Off for an unknown time, on again with what provisioning said long ago.
    const restarted = setUp(store, 100, false, false, 0).iv;
    assert.deepEqual([restarted.current, restarted.updating], [101, true]);
    // 48 hours were stored, so the node goes back by itself 48 hours later …
    runUntil(restarted, 48 * HOUR - 1);
    assert.ok(restarted.updating);
    runUntil(restarted, 48 * HOUR);
    assert.equal(restarted.updating, false);
    // … or as soon as the network says so, because it may have been off for long.
    const follower = setUp(new MemoryStore(), 101, true).iv;
    assert.equal(follower.heard(101, false, 1), "changed");
  });

  it("never goes back, wherever the power is cut", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            ivIndex: fc.integer({ min: 90, max: 200 }),
            updating: fc.boolean(),
            hours: fc.nat(300),
            restart: fc.boolean(),
          }),
          { maxLength: 20 },
        ),
        (events) => {
          const store = new MemoryStore();
          let { iv } = setUp(store);
          let time = 0;
          let highest = iv.transmit;
          for (const { ivIndex, updating, hours, restart } of events) {
            time += hours * HOUR;
            runUntil(iv, time);
            iv.heard(ivIndex, updating, time);
            if (restart) iv = setUp(store, 100, false, false, time).iv;
            assert.ok(iv.transmit >= highest, `${iv.transmit} after ${highest}`);
            highest = iv.transmit;
          }
        },
      ),
    );
  });
});
