/** XS's byte code, taken apart into instructions and put together again. */

/** What the SDK's sources say of the instructions of its machine. */
export class InstructionSet {
  readonly names: readonly string[];
  readonly sizes: readonly number[];
  readonly #numbers: ReadonlyMap<string, number>;

  /**
   * @param names in the order of their numbers, without `XS_` and `CODE_`
   * @param sizes bytes of each with its operands; 0: a name's number follows; -1, -2, -4: a length of so many bytes
   */
  constructor(names: readonly string[], sizes: readonly number[]) {
    this.names = names;
    this.sizes = sizes;
    this.#numbers = new Map(names.map((name, number) => [name, number]));
    if (names.length !== sizes.length || names.length < 200) {
      throw new Error(`XS's sources name ${names.length} instructions and give ${sizes.length} sizes.`);
    }
  }

  /** @param header xs/sources/xsCommon.h @param source xs/sources/xsCommon.c */
  static of(header: string, source: string): InstructionSet {
    const names = /\{\s*(XS_NO_CODE[^}]*)XS_CODE_COUNT/.exec(header)?.[1] ?? "";
    const sizes = /gxCodeSizes\[XS_CODE_COUNT\][^{]*\{([^}]*)\}/.exec(source)?.[1] ?? "";
    return new InstructionSet(
      Array.from(names.matchAll(/\bXS_(?:CODE_)?(\w+)(?: = 0)?,/g), ([, name]) => name!),
      // Names have numbers of two bytes in an image.
      Array.from(
        sizes.replaceAll(/#ifdef mx32bitID[\s\S]*?#else([\s\S]*?)#endif/g, "$1").matchAll(/(-?\d+) \/\*/g),
        ([, size]) => Number(size),
      ),
    );
  }

  has(name: string): boolean {
    return this.#numbers.has(name);
  }

  number(name: string): number {
    const number = this.#numbers.get(name);
    if (number === undefined) throw new Error(`XS has no instruction ${name}.`);
    return number;
  }
}

export interface Instruction {
  /** Without the width of its operand: `BRANCH_ELSE`, `GET_LOCAL`, `CODE`. */
  name: string;
  /** An index, a name's number, an integer that fits; of a string and a function its bytes. */
  operand: number | Uint8Array | undefined;
  /** Where a branch leads; undefined: to the end of the code. */
  target?: Instruction | undefined;
}

const OF_A_WIDTH = /_([124])$/;
const BRANCHES = /^(BRANCH\w*|CATCH)$/;
/** An inner function follows, which the linker takes for instructions of the outer one. */
const INNER = /^CODE(_ARCHIVE)?$/;
/** Their operand has a sign. */
const SIGNED = /^(BRANCH\w*|CATCH|CODE\w*|INTEGER|RUN\w*)$/;

export function decode(code: Uint8Array, set: InstructionSet): Instruction[] {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  const read = (at: number, width: number, signed: boolean) => {
    if (width === 1) return signed ? view.getInt8(at) : view.getUint8(at);
    if (width === 2) return signed ? view.getInt16(at, true) : view.getUint16(at, true);
    return view.getInt32(at, true);
  };
  const places = new Map<number, Instruction>();
  const targets: [Instruction, number][] = [];
  const instructions: Instruction[] = [];
  for (let at = 0; at < code.length; ) {
    const number = code[at]!;
    const full = set.names[number];
    const size = set.sizes[number];
    if (full === undefined || size === undefined) throw new RangeError(`instruction ${number} at ${at}`);
    if (at + (size === 0 ? 3 : Math.abs(size)) > code.length)
      throw new RangeError(`${full} goes beyond the end`);
    // AT_2 has no operand: it is the second of its kind.
    const width = size === 1 ? 0 : Number(OF_A_WIDTH.exec(full)?.[1] ?? 0);
    const name = width === 0 ? full : full.replace(OF_A_WIDTH, "");
    const instruction: Instruction = { name, operand: undefined };
    places.set(at, instruction);
    let end = at + size;
    if (size === 0) {
      instruction.operand = read(at + 1, 2, false);
      end = at + 3;
    } else if (size < 0) {
      const start = at + 1 - size;
      end = start + read(at + 1, -size, false);
      instruction.operand = code.slice(start, end);
    } else if (size > 1) {
      const known = width === 0 ? size - 1 === 1 : width === size - 1;
      instruction.operand = known
        ? read(at + 1, size - 1, width !== 0 && SIGNED.test(name))
        : code.slice(at + 1, end);
      if (INNER.test(name)) {
        instruction.operand = code.slice(end, end + (instruction.operand as number));
        end += instruction.operand.length;
      } else if (BRANCHES.test(name)) targets.push([instruction, end + (instruction.operand as number)]);
    }
    if (end > code.length) throw new RangeError(`${full} goes beyond the end`);
    instructions.push(instruction);
    at = end;
  }
  for (const [instruction, to] of targets) {
    instruction.target = places.get(to);
    if (instruction.target === undefined && to !== code.length) throw new RangeError(`a branch to ${to}`);
  }
  return instructions;
}

/** The smallest form: operands and branches as narrow as they may be. */
export function encode(instructions: readonly Instruction[], set: InstructionSet): Uint8Array {
  const widths = instructions.map(({ name, operand }) => widthOf(name, operand, set));
  const sizeAt = (index: number) => {
    const { name, operand } = instructions[index]!;
    const width = widths[index]!;
    return 1 + width + (operand instanceof Uint8Array ? operand.length : !width ? plainSize(name, set) : 0);
  };
  const index = new Map(instructions.map((instruction, i) => [instruction, i]));
  const places = new Array<number>(instructions.length + 1);
  // Branches begin narrow and only widen, so that this comes to an end.
  for (let again = true; again; ) {
    again = false;
    places[0] = 0;
    for (let i = 0; i < instructions.length; i++) places[i + 1] = places[i]! + sizeAt(i);
    for (const [i, { name, target }] of instructions.entries()) {
      if (!BRANCHES.test(name)) continue;
      const width = widthOf(name, distance(i, target), set);
      if (width > widths[i]!) {
        widths[i] = width;
        again = true;
      }
    }
  }
  function distance(from: number, target: Instruction | undefined): number {
    const to = target === undefined ? instructions.length : index.get(target)!;
    return places[to]! - places[from + 1]!;
  }
  const code = new Uint8Array(places[instructions.length]!);
  const view = new DataView(code.buffer);
  for (const [i, { name, operand, target }] of instructions.entries()) {
    const at = places[i]!;
    const width = widths[i]!;
    code[at] = set.number(width > 0 ? `${name}_${width}` : name);
    if (operand instanceof Uint8Array) {
      if (width > 0) write(view, at + 1, width, operand.length);
      code.set(operand, at + 1 + width);
    } else if (operand !== undefined) {
      const value = BRANCHES.test(name) ? distance(i, target) : operand;
      write(view, at + 1, width > 0 ? width : plainSize(name, set), value);
    }
  }
  return code;
}

/** Bytes of an operand that has one width. */
function plainSize(name: string, set: InstructionSet): number {
  const size = set.sizes[set.number(name)]!;
  return size === 0 ? 2 : size - 1;
}

/** Bytes of an operand that has several widths, else 0; of a branch the narrowest that may do. */
function widthOf(name: string, operand: Instruction["operand"], set: InstructionSet): number {
  if (operand === undefined || !set.has(`${name}_1`)) return 0;
  const value = operand instanceof Uint8Array ? operand.length : operand;
  const signed = SIGNED.test(name);
  for (const width of [1, 2]) {
    const limit = 2 ** (8 * width - (signed ? 1 : 0));
    if (set.has(`${name}_${width}`) && value < limit && value >= (signed ? -limit : 0)) return width;
  }
  return 4;
}

function write(view: DataView, at: number, width: number, value: number): void {
  if (width === 1) view.setUint8(at, value & 0xff);
  else if (width === 2) view.setUint16(at, value & 0xffff, true);
  else view.setInt32(at, value, true);
}
