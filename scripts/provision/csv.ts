import { CsvError, parse } from "csv-parse/sync";
import { fromHex } from "../../firmware/bytes/hex.js";
import type { DeviceKind } from "../../sim/network.js";
import { ProvisionError } from "./errors.js";
import { checkName } from "./identities.js";
import { type NamedLabel, parseLabel } from "./label.js";
import { DEVICE_KINDS } from "./network.js";

/** A line of the list that `batch` works through. */
export interface Row {
  readonly name: string;
  readonly kind?: DeviceKind;
  readonly place?: string;
  /** The board that it is to be; without, the next one of its kind. */
  readonly chipId?: Uint8Array;
  readonly interval?: number;
  /** Of a board that is not plugged in but heard. */
  readonly label?: NamedLabel;
}

const COLUMNS = ["name", "kind", "place", "chip", "interval", "label"] as const;

/** @throws ProvisionError with the number of the line that is wrong */
export function readList(text: string): Row[] {
  let records: { record: Record<string, string>; info: { lines: number } }[];
  try {
    records = parse(text, { columns: true, bom: true, trim: true, skip_empty_lines: true, info: true });
  } catch (error) {
    if (error instanceof CsvError)
      throw new ProvisionError("bad-list", `The list is no CSV: ${error.message}.`);
    throw error;
  }
  const known = Object.keys(records[0]?.record ?? {});
  const strange = known.find((column) => !COLUMNS.includes(column as (typeof COLUMNS)[number]));
  if (records.length === 0 || strange !== undefined || !known.includes("name")) {
    throw new ProvisionError(
      "bad-list",
      `The first line of the list names its columns, of ${COLUMNS.join(", ")}; only name is needed` +
        `${strange === undefined ? "" : ` ("${strange}" is none of them)`}.`,
    );
  }
  const names = new Set<string>();
  return records.map(({ record, info }) => {
    const wrong = (what: string) => new ProvisionError("bad-list", `Line ${info.lines} of the list: ${what}`);
    const row = readRow(record, wrong);
    if (names.has(row.name)) throw wrong(`there is another "${row.name}".`);
    names.add(row.name);
    return row;
  });
}

function readRow(record: Record<string, string>, wrong: (what: string) => ProvisionError): Row {
  const { name, place, kind: kindText = "", chip = "", interval = "", label: labelColumn = "" } = record;
  const nameWrong = checkName(name);
  if (nameWrong !== undefined) throw wrong(nameWrong);
  const kind = DEVICE_KINDS.find((one) => one === kindText);
  if (kindText !== "" && kind === undefined)
    throw wrong(`"${kindText}" is none of ${DEVICE_KINDS.join(", ")}.`);
  const chipId = chip === "" ? undefined : fromHex(chip.replace(/[\s:-]/g, ""));
  if (chipId !== undefined && (!(chipId instanceof Uint8Array) || chipId.length !== 8)) {
    throw wrong(`"${chip}" is no chip id of 16 hex digits.`);
  }
  const seconds = interval === "" ? undefined : Number(interval);
  if (seconds !== undefined && !(seconds >= 1 && seconds <= 86_400)) {
    throw wrong(`an interval is 1 to 86400 seconds, not "${interval}".`);
  }
  let label: NamedLabel | undefined;
  try {
    label = labelColumn === "" ? undefined : parseLabel(labelColumn);
  } catch (error) {
    throw wrong((error as Error).message);
  }
  if (label !== undefined && kind !== undefined && label.kind !== kind) {
    throw wrong(`its label is of a ${label.kind}.`);
  }
  const board = label?.chipId ?? chipId;
  const what = label?.kind ?? kind;
  return {
    name,
    ...(what !== undefined && { kind: what }),
    ...(place !== undefined && place !== "" && { place }),
    ...(board !== undefined && { chipId: board }),
    ...(seconds !== undefined && { interval: seconds }),
    ...(label !== undefined && { label }),
  };
}
