import type { PostgresDatabase } from "./postgres-connection.js";

/** Numbers taken for a context at a time. */
const BLOCK = 64;
/** What the database says of new keys whose first block is this server's. */
export const FIRST_BLOCK = BLOCK;

interface Stock {
  next: number;
  end: number;
  /** More are on their way. */
  refilling: boolean;
}

/**
 * Sender Sequence Numbers of ours. They are wanted while a datagram is handled, when nobody can wait for a database: so
 * a block of each context is at hand, taken from the database for this server alone, and replaced as soon as it is
 * begun (RFC 8613 App. B.1.1; the numbers of a server that ends are skipped).
 */
export class SequenceStock {
  readonly #database: PostgresDatabase;
  readonly #stocks = new Map<number, Stock>();
  /** Contexts of which nobody knows which numbers were used. */
  readonly #lost = new Set<number>();

  constructor(database: PostgresDatabase) {
    this.#database = database;
  }

  /** Takes a block for each context that has none here yet. */
  async fill(contexts: readonly number[]): Promise<void> {
    const missing = contexts.filter((context) => !this.#stocks.has(context) && !this.#lost.has(context));
    if (missing.length === 0) return;
    const { rows } = await this.#database.queries.query<{ context: number; next: number | null }>(
      `UPDATE sequences SET next = next + $2 WHERE context = ANY ($1) RETURNING context, next`,
      [missing, BLOCK],
    );
    for (const { context, next } of rows) this.#put(context, next, BLOCK);
  }

  #put(context: number, end: number | null, count: number): void {
    if (end === null) this.#lost.add(context);
    else this.#stocks.set(context, { next: end - count, end, refilling: false });
  }

  /** @returns the first; "lost", or "later" when none is at hand now */
  take(context: number, count: number): number | "lost" | "later" {
    if (this.#lost.has(context)) return "lost";
    const stock = this.#stocks.get(context) ?? { next: 0, end: 0, refilling: false };
    this.#stocks.set(context, stock);
    const first = stock.next;
    const enough = stock.end - first >= count;
    if (enough) stock.next += count;
    if (stock.end - stock.next < count) this.#refill(context, stock, Math.max(BLOCK, count));
    return enough ? first : "later";
  }

  #refill(context: number, stock: Stock, count: number): void {
    if (stock.refilling) return;
    stock.refilling = true;
    this.#database.queries
      .query<{ next: number | null }>(
        "UPDATE sequences SET next = next + $2 WHERE context = $1 RETURNING next",
        [context, count],
      )
      .then(
        ({ rows }) => {
          if (rows.length === 1) this.#put(context, rows[0].next, count);
          else this.#stocks.delete(context);
        },
        // The next one who wants a number tries again.
        () => {
          stock.refilling = false;
        },
      );
  }

  /** Keys that never were used before have come, with {@link FIRST_BLOCK} in the database. */
  begin(context: number): void {
    this.#put(context, FIRST_BLOCK, BLOCK);
  }
}
