import assert from "node:assert/strict";
import fc from "fast-check";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { udpPacket } from "../../sim/capture/ipv4-udp.js";
import { advertisingCrc, linkLayerPacket } from "../../sim/capture/link-layer.js";
import {
  enhancedPacket,
  interfaceDescription,
  interfaceStatistics,
  LinkType,
  sectionHeader,
} from "../../sim/capture/pcapng.js";
import { readBlocks, readOptions, readPacket } from "./read-pcapng.js";

const utf8 = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });

describe("pcapng blocks", () => {
  it("a section begins with its magic numbers, version 1.0 and an unknown length", () => {
    assert.equal(toHex(sectionHeader()), "0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1c000000");
    const [{ type, body }] = readBlocks(sectionHeader({ application: "test", comment: "why" }));
    assert.equal(type, 0x0a0d0d0a);
    const options = readOptions(body.subarray(16));
    assert.equal(utf8(options.get(4)), "test");
    assert.equal(utf8(options.get(1)), "why");
  });

  it("an interface says its link type, its name and that it counts microseconds", () => {
    const [{ type, body }] = readBlocks(
      interfaceDescription({ linkType: LinkType.RAW_IP, name: "gateway-1", description: "a modem" }),
    );
    assert.equal(type, 1);
    assert.equal(toHex(body.subarray(0, 8)), "6500000000000000");
    const options = readOptions(body.subarray(8));
    assert.equal(utf8(options.get(2)), "gateway-1");
    assert.equal(utf8(options.get(3)), "a modem");
    assert.deepEqual(options.get(9), Uint8Array.of(6));
  });

  it("packets come back as they were written, whatever they hold", () => {
    const packet = fc.record({
      interface: fc.nat(0xffff),
      // To the microsecond as far as a number of milliseconds has one: until the year 2255.
      time: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }).map((us) => us / 1000),
      data: bytes(300),
      comment: fc.option(fc.string({ unit: "grapheme", maxLength: 30 }), { nil: undefined }),
      direction: fc.constantFrom("inbound" as const, "outbound" as const, undefined),
    });
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 5 }), (packets) => {
        const blocks = [
          sectionHeader(),
          ...packets.map(({ comment, direction, ...rest }) =>
            enhancedPacket({
              ...rest,
              ...(comment !== undefined && { comment }),
              ...(direction !== undefined && { direction }),
            }),
          ),
        ];
        const read = readBlocks(Uint8Array.from(Buffer.concat(blocks)))
          .slice(1)
          .map(readPacket);
        assert.equal(read.length, packets.length);
        for (const [i, { time, data, comment, direction, ...rest }] of packets.entries()) {
          assert.equal(read[i].interface, rest.interface);
          assert.equal(read[i].time, BigInt(Math.round(time * 1000)));
          assert.equal(read[i].originalLength, data.length);
          assert.deepEqual(read[i].data, data);
          assert.equal(utf8(read[i].options.get(1)), comment);
          const flags = { inbound: "01000000", outbound: "02000000" };
          const written = read[i].options.get(2);
          assert.equal(written && toHex(written), direction && flags[direction]);
        }
      }),
    );
  });

  it("statistics count what was seen and what is missing", () => {
    const [{ type, body }] = readBlocks(
      interfaceStatistics({ interface: 3, time: 1, received: 5_000_000_000, dropped: 7 }),
    );
    assert.equal(type, 5);
    assert.equal(toHex(body.subarray(0, 12)), "0300000000000000e8030000");
    const options = readOptions(body.subarray(12));
    assert.equal(toHex(options.get(4)!), "00f2052a01000000");
    assert.equal(toHex(options.get(5)!), "0700000000000000");
  });
});

describe("Link Layer packets", () => {
  // Core 5.3 vol 6 part C §4.2.1: ADV_NONCONN_IND from the static address C1:A2:A3:A4:A5:A6 with data 01 02 03.
  const address = hex("a6a5a4a3a2c1");
  const data = hex("010203");

  it("have the CRC of the specification's sample", () => {
    // The specification writes 0xB52DD7 with the bit first that is sent first.
    const crc = advertisingCrc(hex("4209 a6a5a4a3a2c1 010203"));
    const asSent = Number.parseInt([...crc.toString(2).padStart(24, "0")].reverse().join(""), 2);
    assert.equal(asSent, 0xb52dd7);
  });

  it("are written from the access address to the CRC, behind the radio's pseudo-header", () => {
    assert.equal(
      toHex(linkLayerPacket({ channel: 37, pduType: 2, address, data })),
      "00000000d6be898e1100" + "d6be898e" + "4209a6a5a4a3a2c1010203" + "adb4eb",
    );
  });

  it("name the channel by its frequency", () => {
    const rf = [37, 38, 39].map((channel) => linkLayerPacket({ channel, pduType: 2, address, data })[0]);
    assert.deepEqual(rf, [0, 12, 39]);
  });

  it("have a CRC that finds every burst of up to 24 bits", () => {
    const burst = fc.record({
      pdu: fc.uint8Array({ minLength: 8, maxLength: 39 }),
      at: fc.nat(),
      pattern: fc.integer({ min: 1, max: 0xffffff }),
    });
    fc.assert(
      fc.property(burst, ({ pdu, at, pattern }) => {
        const start = at % (pdu.length * 8);
        const changed = Uint8Array.from(pdu);
        for (let i = 0; i < 24 && start + i < pdu.length * 8; i++) {
          changed[(start + i) >> 3] ^= ((pattern >> i) & 1) << ((start + i) & 7);
        }
        fc.pre(toHex(changed) !== toHex(pdu));
        assert.notEqual(advertisingCrc(changed), advertisingCrc(pdu));
      }),
    );
  });
});

describe("UDP packets", () => {
  /** The Internet checksum of bytes that have their own in them is 0. */
  const sum = (...parts: Uint8Array[]) => {
    let total = 0;
    for (const part of parts) {
      for (let i = 0; i < part.length; i += 2) total += part[i] * 256 + (part[i + 1] ?? 0);
    }
    while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
    return total;
  };
  const endpoint = fc.record({
    address: fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).map((octets) => octets.join(".")),
    port: fc.nat(65_535),
  });

  it("carry addresses, ports and payload, under checksums that fit", () => {
    fc.assert(
      fc.property(endpoint, endpoint, bytes(600), fc.nat(65_535), (from, to, payload, id) => {
        const packet = udpPacket(from, to, payload, id);
        const view = new DataView(packet.buffer);
        assert.equal(packet[0], 0x45);
        assert.equal(view.getUint16(2), packet.length);
        assert.equal(view.getUint16(4), id);
        assert.equal(packet.subarray(12, 16).join("."), from.address);
        assert.equal(packet.subarray(16, 20).join("."), to.address);
        assert.equal(view.getUint16(20), from.port);
        assert.equal(view.getUint16(22), to.port);
        assert.equal(view.getUint16(24), 8 + payload.length);
        assert.deepEqual(packet.subarray(28), payload);
        assert.equal(sum(packet.subarray(0, 20)), 0xffff);
        const pseudo = Uint8Array.of(0, 17, packet[24], packet[25]);
        assert.equal(sum(packet.subarray(12, 20), pseudo, packet.subarray(20)), 0xffff);
        assert.notEqual(view.getUint16(26), 0, "0 would say that there is none");
      }),
    );
  });

  it("with an address that is none are a mistake", () => {
    const to = { address: "192.0.2.1", port: 5683 };
    assert.throws(() => udpPacket({ address: "localhost", port: 1 }, to, new Uint8Array(), 0), RangeError);
  });
});
