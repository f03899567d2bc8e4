/** Intel HEX, and the UF2 that bootloaders with a drive take (github.com/microsoft/uf2). */

/** An image that cannot be put on a board; the message says why. */
export class BadImage extends Error {}

/** Bytes at an address. */
export interface Segment {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** Where the application is allowed to be, with S140 before it and the bootloader behind it (DESIGN §6). */
export const APPLICATION = { start: 0x27000, end: 0xf4000 } as const;

const BLOCK = 512;
const PAYLOAD = 256;
const MAGIC_FIRST = 0x0a324655;
const MAGIC_SECOND = 0x9e5d5157;
const MAGIC_LAST = 0x0ab16f30;
/** The block names the family of the chip. */
const FAMILY_PRESENT = 0x2000;
const NRF52840 = 0xada52840;

/** @throws BadImage with the line */
export function parseHex(text: string): Segment[] {
  const parts: { address: number; bytes: number[] }[] = [];
  let base = 0;
  let ended = false;
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line === "" || ended) continue;
    const bad = (why: string) => new BadImage(`line ${i + 1} is no Intel HEX: ${why}`);
    if (!/^:([0-9A-Fa-f]{2}){5,}$/.test(line)) throw bad("not a colon and bytes in hex");
    const record = Uint8Array.from(line.slice(1).match(/../g)!, (byte) => Number.parseInt(byte, 16));
    if (record.length !== record[0]! + 5)
      throw bad(`${record.length - 5} bytes of data, it says ${record[0]}`);
    if ((record.reduce((sum, byte) => sum + byte, 0) & 0xff) !== 0) throw bad("wrong checksum");
    const data = record.subarray(4, -1);
    switch (record[3]) {
      case 0: {
        const address = base + ((record[1]! << 8) | record[2]!);
        const last = parts.at(-1);
        if (last !== undefined && last.address + last.bytes.length === address) last.bytes.push(...data);
        else parts.push({ address, bytes: [...data] });
        break;
      }
      case 1:
        ended = true;
        break;
      case 2:
        base = ((data[0]! << 8) | data[1]!) * 16;
        break;
      case 4:
        base = ((data[0]! << 8) | data[1]!) * 0x10000;
        break;
      case 3:
      case 5:
        break;
      default:
        throw bad(`record type ${record[3]}`);
    }
  }
  if (!ended) throw new BadImage("the Intel HEX has no end: it was cut off");
  return parts.map(({ address, bytes }) => ({ address, bytes: Uint8Array.from(bytes) }));
}

/** UF2 blocks of an application. @throws BadImage when it would overwrite SoftDevice or bootloader */
export function toUf2(segments: readonly Segment[]): Uint8Array {
  const pages = new Map<number, Uint8Array>();
  for (const { address, bytes } of segments) {
    if (address < APPLICATION.start || address + bytes.length > APPLICATION.end) {
      throw new BadImage(
        `bytes at 0x${address.toString(16)} are outside of the application's flash, 0x${APPLICATION.start.toString(16)} to 0x${APPLICATION.end.toString(16)}`,
      );
    }
    for (let i = 0; i < bytes.length; ) {
      const at = address + i;
      const start = at - (at % PAYLOAD);
      const page = pages.get(start) ?? new Uint8Array(PAYLOAD).fill(0xff);
      const count = Math.min(bytes.length - i, start + PAYLOAD - at);
      page.set(bytes.subarray(i, i + count), at - start);
      pages.set(start, page);
      i += count;
    }
  }
  if (pages.size === 0) throw new BadImage("the image is empty");
  const all = new Uint8Array(pages.size * BLOCK);
  const view = new DataView(all.buffer);
  [...pages]
    .sort(([a], [b]) => a - b)
    .forEach(([address, page], i) => {
      const at = i * BLOCK;
      const head = [MAGIC_FIRST, MAGIC_SECOND, FAMILY_PRESENT, address, PAYLOAD, i, pages.size, NRF52840];
      for (const [word, value] of head.entries()) view.setUint32(at + 4 * word, value, true);
      all.set(page, at + 32);
      view.setUint32(at + BLOCK - 4, MAGIC_LAST, true);
    });
  return all;
}

/** @throws BadImage when these are no UF2 blocks for this chip */
export function checkUf2(bytes: Uint8Array): void {
  if (bytes.length === 0 || bytes.length % BLOCK !== 0)
    throw new BadImage("a UF2 is made of blocks of 512 bytes");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; at += BLOCK) {
    const good =
      view.getUint32(at, true) === MAGIC_FIRST &&
      view.getUint32(at + 4, true) === MAGIC_SECOND &&
      view.getUint32(at + BLOCK - 4, true) === MAGIC_LAST;
    if (!good) throw new BadImage(`block ${at / BLOCK} is none of a UF2`);
    if (view.getUint32(at + 28, true) !== NRF52840) throw new BadImage("this UF2 is for another chip");
  }
}
