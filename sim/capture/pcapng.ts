/**
 * Blocks of the pcapng capture file format (draft-ietf-opsawg-pcapng), as far as a writer needs them: little-endian,
 * timestamps in microseconds. Pure: each function returns one whole block.
 */

const Block = {
  SECTION_HEADER: 0x0a0d0d0a,
  INTERFACE_DESCRIPTION: 1,
  INTERFACE_STATISTICS: 5,
  ENHANCED_PACKET: 6,
} as const;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const MICROSECONDS = 6;

/** Option codes (§3.5, §4.1 to §4.6 of the draft). */
const END_OF_OPTIONS = 0;
const COMMENT = 1;
const SectionOption = { APPLICATION: 4 } as const;
const InterfaceOption = { NAME: 2, DESCRIPTION: 3, TIME_RESOLUTION: 9 } as const;
const PacketOption = { FLAGS: 2 } as const;
const StatisticsOption = { RECEIVED: 4, DROPPED: 5 } as const;

/** What the packets of an interface begin with (the registry of link-layer header types at tcpdump.org). */
export const LinkType = {
  /** An IP packet. */
  RAW_IP: 101,
  /** A pseudo-header of the radio, then a Link Layer packet from its access address to its CRC. */
  BLUETOOTH_LE_LL_WITH_PHDR: 256,
} as const;

export type Direction = "inbound" | "outbound";

export interface SectionHeader {
  /** The program that writes. */
  readonly application?: string;
  readonly comment?: string;
}

export interface InterfaceDescription {
  readonly linkType: number;
  readonly name?: string;
  readonly description?: string;
}

export interface EnhancedPacket {
  /** The number of the interface: how many were described before it. */
  readonly interface: number;
  /** ms since 1970-01-01T00:00:00Z; fractions are kept to the microsecond */
  readonly time: number;
  readonly data: Uint8Array;
  readonly comment?: string;
  /** As the interface sees it. */
  readonly direction?: Direction;
}

export interface InterfaceStatistics {
  readonly interface: number;
  /** ms since 1970-01-01T00:00:00Z */
  readonly time: number;
  readonly received: number;
  /** Packets that are missing in the file. */
  readonly dropped: number;
}

type Option = readonly [code: number, value: Uint8Array];

/** Begins a file. */
export function sectionHeader({ application, comment }: SectionHeader = {}): Uint8Array {
  const fixed = new Uint8Array(16);
  const view = new DataView(fixed.buffer);
  view.setUint32(0, BYTE_ORDER_MAGIC, true);
  view.setUint16(4, 1, true);
  // The length of the section: −1 for a writer that does not know how much will come.
  view.setBigInt64(8, -1n, true);
  return block(Block.SECTION_HEADER, fixed, [
    ...text(COMMENT, comment),
    ...text(SectionOption.APPLICATION, application),
  ]);
}

/** Describes the next interface; the first one described is number 0. */
export function interfaceDescription({ linkType, name, description }: InterfaceDescription): Uint8Array {
  const fixed = new Uint8Array(8);
  // The snapshot length stays 0: packets are never cut.
  new DataView(fixed.buffer).setUint16(0, linkType, true);
  return block(Block.INTERFACE_DESCRIPTION, fixed, [
    ...text(InterfaceOption.NAME, name),
    ...text(InterfaceOption.DESCRIPTION, description),
    [InterfaceOption.TIME_RESOLUTION, Uint8Array.of(MICROSECONDS)],
  ]);
}

/** A packet, whole. */
export function enhancedPacket(packet: EnhancedPacket): Uint8Array {
  const { data, comment, direction } = packet;
  const fixed = new Uint8Array(20 + padded(data.length));
  const view = new DataView(fixed.buffer);
  view.setUint32(0, packet.interface, true);
  setTimestamp(view, 4, packet.time);
  view.setUint32(12, data.length, true);
  view.setUint32(16, data.length, true);
  fixed.set(data, 20);
  const options: Option[] = text(COMMENT, comment);
  if (direction !== undefined) {
    options.push([PacketOption.FLAGS, Uint8Array.of(direction === "inbound" ? 1 : 2, 0, 0, 0)]);
  }
  return block(Block.ENHANCED_PACKET, fixed, options);
}

/** How many packets an interface saw, and how many of them are missing. */
export function interfaceStatistics(statistics: InterfaceStatistics): Uint8Array {
  const fixed = new Uint8Array(12);
  const view = new DataView(fixed.buffer);
  view.setUint32(0, statistics.interface, true);
  setTimestamp(view, 4, statistics.time);
  return block(Block.INTERFACE_STATISTICS, fixed, [
    [StatisticsOption.RECEIVED, u64(statistics.received)],
    [StatisticsOption.DROPPED, u64(statistics.dropped)],
  ]);
}

/** Type, length, body, options, and the length again, so that a reader can go backwards. */
function block(type: number, fixed: Uint8Array, options: readonly Option[]): Uint8Array {
  let length = 12 + fixed.length;
  for (const [, value] of options) length += 4 + padded(value.length);
  if (options.length > 0) length += 4;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  bytes.set(fixed, 8);
  let at = 8 + fixed.length;
  for (const [code, value] of options) {
    view.setUint16(at, code, true);
    view.setUint16(at + 2, value.length, true);
    bytes.set(value, at + 4);
    at += 4 + padded(value.length);
  }
  if (options.length > 0) {
    view.setUint32(at, END_OF_OPTIONS, true);
    at += 4;
  }
  view.setUint32(at, length, true);
  return bytes;
}

/** Everything is aligned to 32 bits. */
function padded(length: number): number {
  return (length + 3) & ~3;
}

const encoder = new TextEncoder();

function text(code: number, value: string | undefined): Option[] {
  return value === undefined ? [] : [[code, encoder.encode(value)]];
}

function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

/** The upper half first, whatever the byte order. */
function setTimestamp(view: DataView, at: number, ms: number): void {
  const us = Math.round(ms * 1000);
  view.setUint32(at, Math.floor(us / 2 ** 32), true);
  view.setUint32(at + 4, us % 2 ** 32, true);
}
