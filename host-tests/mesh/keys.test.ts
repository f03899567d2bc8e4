import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import {
  ascii,
  beaconKey,
  floodingP,
  friendshipP,
  identityKey,
  k1,
  k2,
  k3,
  k4,
  privateBeaconKey,
  s1,
  virtualAddress,
} from "../../firmware/crypto/mesh-keys.js";
import { hostCrypto as crypto } from "../../hal/host/crypto.js";
import { APP_KEY, NET_KEY } from "./vectors.js";

describe("mesh key derivation: sample data of section 8.1 and 8.2", () => {
  it("8.1.1 s1", () => {
    assert.equal(toHex(s1(crypto, ascii("test"))), "b73cefbd641ef2ea598c2b6efb62f79c");
  });

  it("8.1.2 k1", () => {
    const key = k1(
      crypto,
      hex("3216d1509884b533248541792b877f98"),
      hex("2ba14ffa0df84a2831938d57d276cab4"),
      hex("5a09d60797eeb4478aada59db3352a0d"),
    );
    assert.equal(toHex(key), "f6ed15a8934afbe7d83e8dcb57fcf5d7");
  });

  const K2 = [
    {
      name: "8.1.3 k2, flooding",
      key: "f7a2a44f8e8a8029064f173ddc1e2b00",
      p: floodingP(),
      nid: 0x7f,
      encryption: "9f589181a0f50de73c8070c7a6d27f46",
      privacy: "4c715bd4a64b938f99b453351653124f",
    },
    {
      name: "8.1.4 k2, friendship",
      key: "f7a2a44f8e8a8029064f173ddc1e2b00",
      p: friendshipP(0x0203, 0x0405, 0x0607, 0x0809),
      nid: 0x73,
      encryption: "11efec0642774992510fb5929646df49",
      privacy: "d4d7cc0dfa772d836a8df9df5510d7a7",
    },
    {
      name: "8.2.2 flooding credentials",
      key: NET_KEY,
      p: floodingP(),
      nid: 0x68,
      encryption: "0953fa93e7caac9638f58820220a398e",
      privacy: "8b84eedec100067d670971dd2aa700cf",
    },
    {
      name: "8.2.3 friendship credentials",
      key: NET_KEY,
      p: friendshipP(0x1201, 0x2345, 0x0000, 0x072f),
      nid: 0x5e,
      encryption: "be635105434859f484fc798e043ce40e",
      privacy: "5d396d4b54d3cbafe943e051fe9a4eb8",
    },
  ];
  for (const { name, key, p, nid, encryption, privacy } of K2) {
    it(name, () => {
      const keys = k2(crypto, hex(key), p);
      assert.equal(keys.nid, nid);
      assert.equal(toHex(keys.encryptionKey), encryption);
      assert.equal(toHex(keys.privacyKey), privacy);
    });
  }

  it("8.1.5 k3 and 8.2.4 Network ID", () => {
    assert.equal(toHex(k3(crypto, hex("f7a2a44f8e8a8029064f173ddc1e2b00"))), "ff046958233db014");
    assert.equal(toHex(k3(crypto, hex(NET_KEY))), "3ecaff672f673370");
  });

  it("8.1.6 k4 and 8.2.1 AID", () => {
    assert.equal(k4(crypto, hex("3216d1509884b533248541792b877f98")), 0x38);
    assert.equal(k4(crypto, hex(APP_KEY)), 0x26);
  });

  it("8.2.5 IdentityKey and 8.2.6 BeaconKey", () => {
    assert.equal(toHex(identityKey(crypto, hex(NET_KEY))), "84396c435ac48560b5965385253e210c");
    assert.equal(toHex(beaconKey(crypto, hex(NET_KEY))), "5423d967da639a99cb02231a83f7d254");
  });

  it("8.4.6.1 and 8.4.6.2 PrivateBeaconKey", () => {
    const keys = [
      ["f7a2a44f8e8a8029064f173ddc1e2b00", "6be76842460b2d3a5850d4698409f1bb"],
      ["3bbb6f1fbd53e157417f308ce7aec58f", "ca478cdac626b7a8522d7272dd124f26"],
    ] as const;
    for (const [netKey, key] of keys) assert.equal(toHex(privateBeaconKey(crypto, hex(netKey))), key);
  });

  it("virtual addresses of the Label UUIDs in 8.3.22 and 8.3.23", () => {
    assert.equal(virtualAddress(crypto, hex("0073e7e4d8b9440faf8415df4c56c0e1")), 0xb529);
    assert.equal(virtualAddress(crypto, hex("f4a002c7fb1e4ca0a469a021de0db875")), 0x9736);
  });
});
