import { Chart, type Quantity } from "./chart.js";
import { now } from "./client.js";
import { button, h, segments, setText, throttled } from "./dom.js";
import { duration, fixed, moment, plural } from "./format.js";
import type { Track } from "./series.js";
import type { Context } from "./view.js";

const HOUR = 3600;
const DAY = 24 * HOUR;
const RANGES = [
  ["1h", "1 h", HOUR],
  ["6h", "6 h", 6 * HOUR],
  ["1d", "1 day", DAY],
  ["7d", "7 days", 7 * DAY],
  ["30d", "30 days", 30 * DAY],
  ["1y", "1 year", 365 * DAY],
] as const;
type Range = (typeof RANGES)[number][0];

/** Seconds that the charts show at least. */
const SHORTEST = 60;
const POINTS = 600;
const TABLE_ROWS = 200;
/** ms between looks at the history, however fast readings come. */
const AGAIN_MS = 2000;

/** Where the history of a device comes from. */
export interface Source {
  readonly quantities: readonly Quantity[];
  /** One track for each quantity. @param from @param to ms since 1970 */
  load(
    from: number,
    to: number,
    points: number,
  ): Promise<{ readonly tracks: readonly Track[]; readonly count: number }>;
  /** What takes the history away, of the time that is shown. */
  exports?(
    from: number,
    to: number,
  ): readonly { readonly label: string; readonly save: () => Promise<void> }[];
}

/** Charts of one time: a range up to now, or whatever was zoomed into. */
export class HistoryPanel {
  readonly element: HTMLElement;
  readonly #context: Context;
  readonly #source: Source;
  readonly #charts: readonly Chart[];
  readonly #note = h("p", { class: "quiet", "data-testid": "history-note" });
  readonly #live = button("Back to now", () => this.#follow(), {
    hidden: true,
    "data-testid": "back-to-now",
  });
  readonly #table = h("details", { class: "table" }, h("summary", {}, "Show as a table"));
  readonly #ranges: HTMLFieldSetElement;
  #range: Range = "1h";
  /** Seconds; `undefined`: up to now. */
  #zoomed: { from: number; to: number } | undefined;
  #shown = { from: 0, to: 0 };
  #tracks: readonly Track[] = [];
  #asked = 0;
  readonly #again = throttled(AGAIN_MS, () => {
    if (this.#zoomed === undefined) void this.load().catch(() => {});
  });

  constructor(context: Context, source: Source) {
    this.#context = context;
    this.#source = source;
    this.#charts = source.quantities.map(
      (quantity) => new Chart(quantity, "history", (from, to) => this.#zoom(from, to)),
    );
    this.#ranges = segments(
      "range",
      "Time shown",
      RANGES.map(([name, label]) => [name, label] as const),
      this.#range,
      (range) => {
        this.#range = range;
        this.#follow();
      },
    );
    const exports = source
      .exports?.(0, 0)
      .map(({ label }, index) => button(label, () => void this.#export(index), { "data-testid": "export" }));
    this.#table.addEventListener("toggle", () => this.#drawTable());
    this.element = h(
      "section",
      { "aria-labelledby": "history-title", class: "history" },
      h("div", { class: "heading" }, h("h2", { id: "history-title" }, "History"), this.#ranges),
      h(
        "div",
        { class: "panel" },
        h(
          "div",
          { class: "tools", role: "group", "aria-label": "Zoom" },
          this.#note,
          this.#live,
          button("Earlier", () => this.#move(-0.5), { class: "button small" }),
          button("Later", () => this.#move(0.5), { class: "button small" }),
          button("Zoom in", () => this.#scale(0.5), { class: "button small" }),
          button("Zoom out", () => this.#scale(2), { class: "button small" }),
        ),
        ...this.#charts.map(({ element }) => element),
        h("div", { class: "tools end" }, this.#table, ...(exports ?? [])),
      ),
    );
  }

  /** Something new came. */
  touch(): void {
    this.#again();
  }

  #follow(): void {
    this.#zoomed = undefined;
    for (const input of this.#ranges.querySelectorAll("input")) input.checked = input.value === this.#range;
    this.#load();
  }

  #zoom(from: number, to: number): void {
    const middle = (from + to) / 2;
    const half = Math.max(SHORTEST, to - from) / 2;
    const end = Math.min(now() / 1000, middle + half);
    this.#zoomed = { from: end - 2 * half, to: end };
    for (const input of this.#ranges.querySelectorAll("input")) input.checked = false;
    this.#load();
  }

  #scale(factor: number): void {
    const { from, to } = this.#shown;
    const half = ((to - from) / 2) * factor;
    // In, one stays at now, where one was.
    const end = this.#zoomed === undefined ? to : (from + to) / 2 + half;
    this.#zoom(end - 2 * half, end);
  }

  #move(by: number): void {
    const { from, to } = this.#shown;
    this.#zoom(from + by * (to - from), to + by * (to - from));
  }

  #load(): void {
    this.load().catch((error: Error) => this.#context.say(error.message));
  }

  async load(): Promise<void> {
    const asked = ++this.#asked;
    const to = this.#zoomed?.to ?? now() / 1000;
    const from = this.#zoomed?.from ?? to - (RANGES.find(([name]) => name === this.#range)?.[2] ?? HOUR);
    const { tracks, count } = await this.#source.load(from * 1000, to * 1000, POINTS);
    if (asked !== this.#asked) return;
    this.#tracks = tracks;
    // A device that is new has a short history: it fills the chart, instead of hiding at its edge.
    const first = Math.min(...tracks.map(({ times }) => times[0] ?? from));
    const start =
      this.#zoomed !== undefined || count === 0 ? from : Math.min(to - SHORTEST, Math.max(from, first));
    this.#shown = { from: start, to };
    this.#charts.forEach((chart, index) => {
      chart.show(tracks[index], start, to);
      // What a device never tells needs no room.
      chart.element.hidden = count > 0 && tracks[index].mean.every((value) => value === null);
    });
    this.#live.hidden = this.#zoomed === undefined;
    const points = Math.max(0, ...tracks.map(({ mean }) => mean.filter((value) => value !== null).length));
    const span = (to - from) / POINTS;
    setText(
      this.#note,
      count > points
        ? `${plural(count, "report")}, as means over about ${duration(Math.max(1, span))}`
        : plural(count, "report"),
    );
    this.#drawTable();
  }

  #drawTable(): void {
    if (!this.#table.open) return;
    const { quantities } = this.#source;
    const [{ times } = { times: [] }] = this.#tracks;
    const rows: HTMLElement[] = [];
    for (let index = times.length - 1; index >= 0 && rows.length < TABLE_ROWS; index--) {
      const values = this.#tracks.map(({ mean }) => mean[index]);
      if (values.every((value) => value === null)) continue;
      rows.push(
        h(
          "tr",
          {},
          h("th", { scope: "row" }, moment(times[index] * 1000, now())),
          ...quantities.map((quantity, which) =>
            h("td", {}, cellText(this.#tracks[which], index, quantity.digits)),
          ),
        ),
      );
    }
    const head = ["Time", ...quantities.map(({ name, unit }) => (unit === "" ? name : `${name}, ${unit}`))];
    this.#table.replaceChildren(
      this.#table.firstElementChild!,
      h(
        "div",
        { class: "scroll", role: "region", "aria-label": "History as a table", tabindex: 0 },
        h(
          "table",
          { "data-testid": "history-table" },
          h("thead", {}, h("tr", {}, ...head.map((label) => h("th", { scope: "col" }, label)))),
          h("tbody", {}, ...rows),
        ),
      ),
    );
  }

  async #export(index: number): Promise<void> {
    const { from, to } = this.#shown;
    try {
      await this.#source.exports?.(from * 1000, to * 1000)[index].save();
    } catch (error) {
      this.#context.say((error as Error).message);
    }
  }

  recolour(): void {
    for (const chart of this.#charts) chart.recolour();
  }

  close(): void {
    this.#again.cancel();
    for (const chart of this.#charts) chart.close();
  }
}

function cellText({ mean, min, max }: Track, index: number, digits: number): string {
  const [value, least, most] = [mean[index], min?.[index] ?? null, max?.[index] ?? null];
  if (value === null) return "–";
  const spread = least !== null && most !== null && least !== most;
  return `${fixed(value, digits)}${spread ? ` (${fixed(least, digits)} to ${fixed(most, digits)})` : ""}`;
}

/** Hands a file to the person. */
export function saveAs(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
