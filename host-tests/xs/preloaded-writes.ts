/** What no preloaded module may do, one by one: `npm run test:xs` proves that each is caught. */

const scratch = new Uint8Array(4);
const seen = new Map<number, number>();
const last = { value: 0 };
const list: number[] = [];
let count = 0;

export const WRITES: readonly (readonly [name: string, write: () => void])[] = [
  [
    "a byte of a module's array",
    () => {
      scratch[0] = 1;
    },
  ],
  ["a module's Map", () => seen.set(1, 1)],
  [
    "a property of a module's object",
    () => {
      last.value = 1;
    },
  ],
  ["a module's list", () => list.push(1)],
  [
    "a module's variable",
    () => {
      count++;
    },
  ],
];

/** Does the write of this number; beyond the last one it only reads, which is no fault. */
export function makeHandler(): (command: ArrayBuffer) => ArrayBuffer {
  return (command) => {
    WRITES[new Uint8Array(command)[0]]?.[1]();
    return Uint8Array.of(scratch[0] + seen.size + last.value + list.length + count).buffer as ArrayBuffer;
  };
}
