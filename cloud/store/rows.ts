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

export const READING_COLUMNS = `id, node, time, temperature, humidity, battery, received, gateway, hops,
  partial_iv AS "partialIv", position`;
