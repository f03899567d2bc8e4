import assert from "node:assert/strict";
import * as fc from "fast-check";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { KeyStore } from "../../firmware/mesh/keys.js";
import { MessageCache } from "../../firmware/mesh/message-cache.js";
import { NetworkCodec, type NetworkPdu } from "../../firmware/mesh/network.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { ad } from "./medium.js";
import { FRIENDSHIP, MESSAGE_11, MESSAGES, NET_KEY } from "./vectors.js";

function setUp() {
  const keys = new KeyStore(hostCrypto);
  const subnet = keys.addSubnet(0, hex(NET_KEY));
  keys.addFriendship(
    subnet,
    FRIENDSHIP.friend,
    FRIENDSHIP.lowPowerNode,
    FRIENDSHIP.friend,
    FRIENDSHIP.lowPowerCounter,
    FRIENDSHIP.friendCounter,
  );
  return { keys, subnet, codec: new NetworkCodec(keys, new MessageCache(64)) };
}

function accepted(result: NetworkPdu | Refusal): NetworkPdu {
  assert.ok(!(result instanceof Refusal), String(result));
  return result;
}

function reason(result: NetworkPdu | Refusal): string {
  assert.ok(result instanceof Refusal, "was taken");
  return result.reason;
}

describe("mesh network layer: sample data of section 8.3", () => {
  for (const vector of [...MESSAGES, MESSAGE_11]) {
    vector.network.forEach((network, i) => {
      it(`${vector.name}, PDU ${i}: decodes`, () => {
        const { codec } = setUp();
        const pdu = accepted(codec.decode(ad(hex(network)), vector.ivIndex));
        assert.equal(pdu.ctl, vector.ctl);
        assert.equal(pdu.ttl, vector.ttl);
        assert.equal(pdu.seq, vector.seq[i]);
        assert.equal(pdu.src, vector.src);
        assert.equal(pdu.dst, vector.dst);
        assert.equal(pdu.ivIndex, vector.ivIndex);
        assert.equal(toHex(pdu.transport), vector.transport[i]);
        assert.equal(pdu.credentials.friendshipWith !== undefined, vector.friendship === true);
      });

      it(`${vector.name}, PDU ${i}: encodes`, () => {
        const { codec, keys, subnet } = setUp();
        const credentials = vector.friendship
          ? keys.friendshipCredentials(FRIENDSHIP.friend)!
          : subnet.transmit.credentials;
        const encoded = codec.encode(
          credentials,
          vector.ivIndex,
          vector.ctl,
          vector.ttl,
          vector.seq[i],
          vector.src,
          vector.dst,
          hex(vector.transport[i]),
        );
        assert.equal(toHex(encoded), toHex(ad(hex(network))));
      });
    });
  }

  it("#16 relayed is #17", () => {
    const { codec } = setUp();
    const from = MESSAGES.find(({ name }) => name.startsWith("#16"))!;
    const to = MESSAGES.find(({ name }) => name.startsWith("#17"))!;
    const pdu = accepted(codec.decode(ad(hex(from.network[0])), from.ivIndex));
    assert.equal(toHex(codec.relay(pdu, pdu.ttl - 1)), toHex(ad(hex(to.network[0]))));
  });
});

describe("mesh network layer", () => {
  const PDU = ad(hex("68eca487516765b5e5bfdacbaf6cb7fb6bff871f035444ce83a670df"));

  it("takes the IV Index before the current one by the IVI bit, and none older", () => {
    const { codec } = setUp();
    assert.equal(accepted(codec.decode(PDU, 0x12345679)).ivIndex, 0x12345678);
    // Deobfuscated with another IV Index the header is noise: no unicast source, or a MIC that does not fit.
    assert.match(reason(setUp().codec.decode(PDU, 0x1234567a)), /^(mic|source)$/);
  });

  it("has no IV Index before zero", () => {
    const { codec, subnet } = setUp();
    const sent = codec.encode(subnet.transmit.credentials, 1, false, 3, 9, 5, 6, hex("0011223344")).slice();
    assert.equal(reason(setUp().codec.decode(sent, 0)), "iv-index");
  });

  it("takes a PDU once", () => {
    const { codec } = setUp();
    accepted(codec.decode(PDU, 0x12345678));
    assert.equal(reason(codec.decode(PDU, 0x12345678)), "duplicate");
  });

  it("remembers what it sent itself", () => {
    const { codec, subnet } = setUp();
    const sent = codec.encode(subnet.transmit.credentials, 7, false, 3, 9, 5, 6, hex("0011223344")).slice();
    assert.equal(reason(codec.decode(sent, 7)), "duplicate");
  });

  it("does not let a forged PDU into the cache", () => {
    const { codec } = setUp();
    const forged = PDU.slice();
    forged[forged.length - 1] ^= 1;
    assert.equal(reason(codec.decode(forged, 0x12345678)), "mic");
    accepted(codec.decode(PDU, 0x12345678));
  });

  it("refuses the unassigned address, and control messages to virtual ones", () => {
    for (const [ctl, dst] of [
      [false, 0x0000],
      [true, 0x8001],
    ] as const) {
      const { codec, subnet } = setUp();
      const sent = codec.encode(subnet.transmit.credentials, 7, ctl, 3, 9, 5, dst, hex("0011223344")).slice();
      assert.equal(reason(setUp().codec.decode(sent, 7)), "destination");
    }
  });

  it("refuses a source that is no unicast address", () => {
    const { codec, subnet } = setUp();
    const sent = codec.encode(subnet.transmit.credentials, 7, false, 3, 9, 0xc000, 5, hex("001122")).slice();
    assert.equal(reason(setUp().codec.decode(sent, 7)), "source");
  });

  it("tells two subnets of one NID apart", () => {
    // Keys are drawn until two share a NID, which is one of 128.
    const keys = new KeyStore(hostCrypto);
    const first = keys.addSubnet(
      0,
      Uint8Array.from({ length: 16 }, () => 1),
    );
    let second = keys.addSubnet(1, new Uint8Array(16).fill(2));
    for (let i = 3; second.transmit.credentials.nid !== first.transmit.credentials.nid; i++) {
      const key = new Uint8Array(16);
      key[0] = i;
      key[1] = i >> 8;
      second = keys.addSubnet(1, key);
    }
    for (const subnet of [first, second]) {
      const sender = new NetworkCodec(keys, new MessageCache(4));
      const receiver = new NetworkCodec(keys, new MessageCache(4));
      const sent = sender.encode(subnet.transmit.credentials, 1, false, 3, 1, 5, 6, hex("001122"));
      assert.equal(accepted(receiver.decode(sent, 1)).credentials.subnet.index, subnet.index);
      sent[sent.length - 1] ^= 1;
      assert.equal(reason(new NetworkCodec(keys, new MessageCache(4)).decode(sent, 1)), "mic");
    }
  });

  it("gives back what was encoded, whatever it was", () => {
    const { codec, subnet, keys } = setUp();
    fc.assert(
      fc.property(
        fc.nat(0xffffffff),
        fc.boolean(),
        fc.integer({ min: 0, max: 127 }),
        fc.nat(0xffffff),
        fc.integer({ min: 1, max: 0x7fff }),
        fc.integer({ min: 1, max: 0xffff }),
        fc.uint8Array({ minLength: 1, maxLength: 12 }),
        (ivIndex, ctl, ttl, seq, src, dst, transport) => {
          fc.pre(!(ctl && (dst & 0xc000) === 0x8000));
          const receiver = new NetworkCodec(keys, new MessageCache(4));
          const sent = codec.encode(subnet.transmit.credentials, ivIndex, ctl, ttl, seq, src, dst, transport);
          const pdu = accepted(receiver.decode(sent, ivIndex));
          assert.deepEqual(
            [pdu.ctl, pdu.ttl, pdu.seq, pdu.src, pdu.dst, pdu.ivIndex, toHex(pdu.transport)],
            [ctl, ttl, seq, src, dst, ivIndex, toHex(transport)],
          );
        },
      ),
    );
  });

  it("refuses any other bytes, and any flipped bit, without an exception", () => {
    const { codec } = setUp();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        assert.ok(codec.decode(bytes, 5) instanceof Refusal);
      }),
    );
    for (let bit = 16; bit < PDU.length * 8; bit++) {
      const flipped = PDU.slice();
      flipped[bit >> 3] ^= 0x80 >> (bit & 7);
      const result = setUp().codec.decode(flipped, 0x12345678);
      assert.ok(result instanceof Refusal, `bit ${bit}`);
    }
  });
});
