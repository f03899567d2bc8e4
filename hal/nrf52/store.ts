import type { KeyValueStore } from "../hal.js";

function get(this: void, key: string): ArrayBuffer | undefined {
  return native("board_store_get").call(this, key);
}

function set(this: void, key: string, value: Uint8Array): void {
  native("board_store_set").call(this, key, value);
}

function remove(this: void, key: string): void {
  native("board_store_delete").call(this, key);
}

function keyAt(this: void, index: number): string | undefined {
  return native("board_store_key").call(this, index);
}

function figure(this: void, which: number): number {
  return native("board_store_figure").call(this, which);
}

export interface StoreFigures {
  /** Of all pages together, since they were new; a page lasts 10,000 (nRF52840 PS, NVMC). */
  readonly erases: number;
  readonly pages: number;
  readonly liveBytes: number;
  /** Since the chip started. */
  readonly recordsWritten: number;
  readonly wordsWritten: number;
  readonly pagesErased: number;
  /** Torn records that were stepped over: power cuts in the middle of a write. */
  readonly torn: number;
}

/** Keys of up to 32 ASCII characters, values of up to 512 bytes, some 3 KB in all, 96 keys. There is one per chip. */
export class BoardStore implements KeyValueStore {
  get(key: string): Uint8Array | undefined {
    const value = get(key);
    return value === undefined ? undefined : new Uint8Array(value);
  }

  /** @throws RangeError when the key or the value is too long or the store is full; Error when the flash fails */
  set(key: string, value: Uint8Array): void {
    set(key, value);
  }

  delete(key: string): void {
    remove(key);
  }

  keys(): string[] {
    const keys: string[] = [];
    for (let key = keyAt(0); key !== undefined; key = keyAt(keys.length)) keys.push(key);
    return keys;
  }

  get figures(): StoreFigures {
    return {
      erases: figure(0),
      pages: figure(1),
      liveBytes: figure(2),
      recordsWritten: figure(3),
      wordsWritten: figure(4),
      pagesErased: figure(5),
      torn: figure(6),
    };
  }
}
