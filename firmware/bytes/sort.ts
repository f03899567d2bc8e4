/**
 * Sorts in place, stable, by binary insertion: for the short lists that a device has. `Array.prototype.sort` and what
 * it brings with it would take 5 KB of flash.
 * @returns the same array
 */
export function sort<T>(items: T[], compare: (a: T, b: T) => number): T[] {
  for (let i = 1; i < items.length; i++) {
    const item = items[i];
    let from = 0;
    let to = i - 1;
    // What is in order already takes one comparison.
    if (compare(items[i - 1], item) <= 0) continue;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (compare(items[middle], item) <= 0) from = middle + 1;
      else to = middle;
    }
    for (let at = i; at > from; at--) items[at] = items[at - 1];
    items[from] = item;
  }
  return items;
}
