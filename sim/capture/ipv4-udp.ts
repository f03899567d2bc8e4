/** An IPv4 packet with a UDP datagram in it (RFC 791, RFC 768): what a datagram of the modem looks like on a wire. */

import { isIpv4 } from "../modem/modem-network.js";

const IP_HEADER = 20;
const UDP_HEADER = 8;
const DONT_FRAGMENT = 0x4000;
const TTL = 64;
const UDP = 17;

/** One end of a datagram's way. */
export interface Endpoint {
  /** IPv4, dotted decimals. */
  readonly address: string;
  readonly port: number;
}

/**
 * @param identification 16 bits that tell the packets of one sender apart
 * @throws RangeError for an address that is none
 */
export function udpPacket(
  from: Endpoint,
  to: Endpoint,
  payload: Uint8Array,
  identification: number,
): Uint8Array {
  const bytes = new Uint8Array(IP_HEADER + UDP_HEADER + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 0x45);
  view.setUint16(2, bytes.length);
  view.setUint16(4, identification);
  view.setUint16(6, DONT_FRAGMENT);
  view.setUint8(8, TTL);
  view.setUint8(9, UDP);
  bytes.set(octets(from.address), 12);
  bytes.set(octets(to.address), 16);
  view.setUint16(10, checksum(bytes.subarray(0, IP_HEADER), 0));

  const udp = bytes.subarray(IP_HEADER);
  view.setUint16(IP_HEADER, from.port);
  view.setUint16(IP_HEADER + 2, to.port);
  view.setUint16(IP_HEADER + 4, udp.length);
  udp.set(payload, UDP_HEADER);
  // Over a pseudo-header too: both addresses, the protocol, the length (RFC 768).
  const sum = checksum(udp, add(bytes.subarray(12, IP_HEADER), UDP + udp.length));
  // 0 says that there is no checksum; its other form says 0.
  view.setUint16(IP_HEADER + 6, sum === 0 ? 0xffff : sum);
  return bytes;
}

function octets(address: string): number[] {
  if (!isIpv4(address)) throw new RangeError(`not an IPv4 address: ${address}`);
  return address.split(".").map(Number);
}

function add(bytes: Uint8Array, sum: number): number {
  let total = sum;
  for (let i = 0; i < bytes.length; i += 2) total += (bytes[i] << 8) | (bytes[i + 1] ?? 0);
  return total;
}

/** The Internet checksum (RFC 1071). */
function checksum(bytes: Uint8Array, sum: number): number {
  let total = add(bytes, sum);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}
