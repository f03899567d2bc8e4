/**
 * An advertising PDU as a sniffer writes it down: the pseudo-header of LINKTYPE_BLUETOOTH_LE_LL_WITH_PHDR, which names
 * the channel, then the Link Layer packet on the 1 Mbit/s PHY (Core 5.3, vol 6 part B §2.1).
 */

/** Of all advertising physical channels (Core vol 6 part B §2.1.2). */
const ADVERTISING_ACCESS_ADDRESS = 0x8e89bed6;
/** The advertiser's address is a random one: bit TxAdd of the header. */
const TX_ADD = 0x40;
const ADDRESS_LENGTH = 6;
const CRC_LENGTH = 3;
const PSEUDO_HEADER_LENGTH = 10;

/** Flags of the pseudo-header. */
const DEWHITENED = 0x0001;
const REFERENCE_ACCESS_ADDRESS = 0x0010;

export interface AdvertisingPdu {
  /** 37, 38 or 39 */
  readonly channel: number;
  readonly pduType: number;
  /** The advertiser's, 6 bytes, least significant first. */
  readonly address: Uint8Array;
  /** AD structures. */
  readonly data: Uint8Array;
}

/** The PDU with all that is around it. */
export function linkLayerPacket({ channel, pduType, address, data }: AdvertisingPdu): Uint8Array {
  const pduAt = PSEUDO_HEADER_LENGTH + 4;
  const crcAt = pduAt + 2 + ADDRESS_LENGTH + data.length;
  const bytes = new Uint8Array(crcAt + CRC_LENGTH);
  const view = new DataView(bytes.buffer);
  // Signal and noise stay without a value: nobody stands at one place of the simulated air and measures.
  view.setUint8(0, rfChannel(channel));
  view.setUint32(4, ADVERTISING_ACCESS_ADDRESS, true);
  // That the CRC was checked is not said either: whoever reads the file checks it.
  view.setUint16(8, DEWHITENED | REFERENCE_ACCESS_ADDRESS, true);
  view.setUint32(PSEUDO_HEADER_LENGTH, ADVERTISING_ACCESS_ADDRESS, true);
  bytes[pduAt] = pduType | TX_ADD;
  bytes[pduAt + 1] = ADDRESS_LENGTH + data.length;
  bytes.set(address, pduAt + 2);
  bytes.set(data, pduAt + 2 + ADDRESS_LENGTH);
  const crc = advertisingCrc(bytes.subarray(pduAt, crcAt));
  bytes[crcAt] = crc;
  bytes[crcAt + 1] = crc >> 8;
  bytes[crcAt + 2] = crc >> 16;
  return bytes;
}

/** The pseudo-header counts channels by frequency, 2402 + 2k MHz: the advertising channels lie at k = 0, 12 and 39. */
function rfChannel(channel: number): number {
  return channel === 37 ? 0 : channel === 38 ? 12 : 39;
}

/**
 * CRC of a PDU on an advertising channel (Core vol 6 part B §3.1.1), x²⁴+x¹⁰+x⁹+x⁶+x⁴+x³+x+1 from 0x555555. Bits go out
 * least significant first, but the CRC most significant first: here the register is turned around, so that its bytes
 * stand in the file in their order.
 */
export function advertisingCrc(pdu: Uint8Array): number {
  let register = 0xaaaaaa;
  for (const byte of pdu) {
    register ^= byte;
    for (let bit = 0; bit < 8; bit++) register = register & 1 ? (register >> 1) ^ 0xda6000 : register >> 1;
  }
  return register;
}
