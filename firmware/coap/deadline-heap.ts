/** Something that happens at a time, in a {@link DeadlineHeap}. */
export interface Timed {
  /** ms; changed only through the heap while it is inside */
  due: number;
  /** Where it stands in the heap; -1 outside. */
  heapIndex: number;
}

/**
 * Timed things, the earliest first: a binary heap whose members know their place, so that taking one out before its
 * time (the usual end of a retransmission timer) costs as little as putting it in.
 */
export class DeadlineHeap<T extends Timed> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** The earliest, `undefined` when there is none. */
  get first(): T | undefined {
    return this.#items[0];
  }

  /** Puts an item in for a time, or moves it there when it is already inside. */
  set(item: T, due: number): void {
    item.due = due;
    if (item.heapIndex < 0) {
      item.heapIndex = this.#items.length;
      this.#items.push(item);
    }
    this.#down(this.#up(item));
  }

  /** Takes an item out; does nothing when it is not inside. */
  remove(item: T): void {
    const index = item.heapIndex;
    if (index < 0) return;
    item.heapIndex = -1;
    const last = this.#items.pop() as T;
    if (last === item) return;
    last.heapIndex = index;
    this.#items[index] = last;
    this.#down(this.#up(last));
  }

  #up(item: T): T {
    const items = this.#items;
    let index = item.heapIndex;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = items[parentIndex];
      if (parent.due <= item.due) break;
      items[index] = parent;
      parent.heapIndex = index;
      index = parentIndex;
    }
    items[index] = item;
    item.heapIndex = index;
    return item;
  }

  #down(item: T): void {
    const items = this.#items;
    const { length } = items;
    let index = item.heapIndex;
    for (;;) {
      let childIndex = 2 * index + 1;
      if (childIndex >= length) break;
      if (childIndex + 1 < length && items[childIndex + 1].due < items[childIndex].due) childIndex++;
      const child = items[childIndex];
      if (child.due >= item.due) break;
      items[index] = child;
      child.heapIndex = index;
      index = childIndex;
    }
    items[index] = item;
    item.heapIndex = index;
  }
}
