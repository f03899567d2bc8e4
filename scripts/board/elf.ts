/** As much of a 32-bit little-endian ELF as we ask of an image. */

export interface Section {
  readonly name: string;
  readonly address: number;
  readonly size: number;
  readonly allocated: boolean;
  /** Without contents in the file: .bss and the like. */
  readonly empty: boolean;
}

export interface ElfSymbol {
  readonly name: string;
  /** Of functions of Thumb code with bit 0 set. */
  readonly value: number;
}

interface RawSection extends Section {
  readonly type: number;
  readonly offset: number;
  readonly link: number;
}

const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;
const SHF_ALLOC = 2;
const EM_ARM = 40;

export class Elf {
  readonly sections: readonly Section[];
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #raw: readonly RawSection[];

  /** @throws Error when it is no ARM ELF */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.getUint32(0) !== 0x7f454c46 || view.getUint16(18, true) !== EM_ARM)
      throw new Error("not an ARM ELF");
    this.#view = view;
    this.#raw = this.#readSections();
    this.sections = this.#raw;
  }

  #readSections(): RawSection[] {
    const view = this.#view;
    const at = view.getUint32(32, true);
    const [size, count, names] = [46, 48, 50].map((field) => view.getUint16(field, true)) as [
      number,
      number,
      number,
    ];
    const word = (section: number, field: number) => view.getUint32(at + section * size + field, true);
    const namesAt = word(names, 16);
    return Array.from({ length: count }, (_, i) => ({
      name: this.#text(namesAt + word(i, 0)),
      type: word(i, 4),
      allocated: (word(i, 8) & SHF_ALLOC) !== 0,
      empty: word(i, 4) === SHT_NOBITS,
      address: word(i, 12),
      offset: word(i, 16),
      size: word(i, 20),
      link: word(i, 24),
    }));
  }

  #text(at: number): string {
    let end = at;
    while (this.bytes[end] !== 0) end++;
    return new TextDecoder().decode(this.bytes.subarray(at, end));
  }

  get symbols(): ElfSymbol[] {
    const symbols: ElfSymbol[] = [];
    for (const table of this.#raw.filter((section) => section.type === SHT_SYMTAB)) {
      const strings = this.#raw[table.link]!;
      for (let at = table.offset; at < table.offset + table.size; at += 16) {
        const name = this.#text(strings.offset + this.#view.getUint32(at, true));
        symbols.push({ name, value: this.#view.getUint32(at + 4, true) });
      }
    }
    return symbols;
  }

  /** A symbol's value, `undefined` when there is none of this name. */
  symbol(name: string): number | undefined {
    return this.symbols.find((symbol) => symbol.name === name)?.value;
  }

  /** The word at an address of the image, `undefined` where it holds nothing. */
  word(address: number): number | undefined {
    const at = this.#offset(address, address + 4);
    return at === undefined ? undefined : this.#view.getUint32(at, true);
  }

  /** The half-words of a part of the image, `undefined` where it holds nothing. */
  halfwords(from: number, to: number): Uint16Array | undefined {
    const at = this.#offset(from, to);
    if (at === undefined) return undefined;
    return Uint16Array.from({ length: (to - from) >> 1 }, (_, i) => this.#view.getUint16(at + 2 * i, true));
  }

  #offset(from: number, to: number): number | undefined {
    const section = this.#raw.find(
      ({ address, size, allocated, empty }) => allocated && !empty && from >= address && to <= address + size,
    );
    return section && section.offset + from - section.address;
  }
}
