/** Rows of a database as records: NULL in the database is `undefined` here. */
export type Row<T> = {
  [Key in keyof T]: undefined extends T[Key] ? Exclude<T[Key], undefined> | null : T[Key];
};

export function fromRow<T>(row: Row<T>): T {
  const record: Record<string, unknown> = { ...row };
  for (const key in record) if (record[key] === null) record[key] = undefined;
  return record as T;
}

export function nullable<T>(value: T | undefined): T | null {
  return value === undefined ? null : value;
}

/** A text as a pattern of LIKE that finds it anywhere; its own wildcards are escaped with a backslash. */
export function likePattern(text: string): string {
  return `%${text.replace(/[\\%_]/g, "\\$&")}%`;
}

/** What {@link EventQuery.text} looks through. A reason is looked up as people see it: with blanks. */
export const EVENT_TEXT = `reason || ' ' || replace(reason, '-', ' ') || ' ' || detail || ' ' ||
  coalesce(node, '') || ' ' || coalesce(gateway, '')`;

/** ms between the last messages of each node: their readings alone may have been measured more often than sent. */
export const INTERVALS = `
  SELECT node, interval FROM (
    SELECT n.id AS node, (
      SELECT (max(received) - min(received)) / nullif(count(DISTINCT received) - 1, 0)
      FROM (SELECT received FROM readings WHERE node = n.id ORDER BY time DESC LIMIT 20) AS latest) AS interval
    FROM nodes n WHERE removed IS NULL) AS gaps
  WHERE interval IS NOT NULL`;

export const READING_COLUMNS = `id, node, time, temperature, humidity, battery, received, gateway, hops,
  partial_iv AS "partialIv", position`;
