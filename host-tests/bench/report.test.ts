import assert from "node:assert/strict";
import { barChart } from "../../scripts/bench/bar-chart.js";
import { type BenchRow, summarise } from "../../scripts/bench/measure.js";
import { change, grouped, table } from "../../scripts/bench/report.js";

function row(name: string, value: number, unit: string, spread?: [number, number], peer?: string): BenchRow {
  return { name, value, unit, note: "", ...(spread && { spread }), ...(peer && { peer }) };
}

describe("bench report", () => {
  it("the median, and a tenth left out at either end where there are enough repetitions", () => {
    const values = Array.from({ length: 101 }, (_, i) => 100 - i);
    assert.deepEqual(summarise(values), { median: 50, low: 10, high: 90, repetitions: 101 });
    assert.deepEqual(summarise([3, 1, 2]), { median: 2, low: 1, high: 3, repetitions: 3 });
  });

  it("a time that falls and a rate that rises are better; spreads that touch say nothing", () => {
    assert.equal(
      change(row("a", 1, "µs", [0.9, 1.1]), row("a", 2, "µs", [1.8, 2.2])),
      "was 2.00: +100 %, better",
    );
    assert.equal(change(row("a", 4, "µs", [3, 5]), row("a", 2, "µs", [1, 2.5])), "was 2.00: −50 %, WORSE");
    assert.equal(
      change(row("a", 300, "requests/s", [290, 310]), row("a", 200, "requests/s", [190, 210])),
      "was 200: +50 %, better",
    );
    assert.match(change(row("a", 3, "µs", [2, 4]), row("a", 2, "µs", [1, 3])), /−33 %, within the spread$/);
  });

  it("others stand behind ours of the same name, with how many times as good ours is", () => {
    const rows = [
      row("encode", 9, "µs", undefined, "theirs"),
      row("encode", 3, "µs"),
      row("serve", 50, "requests/s", undefined, "theirs"),
      row("serve", 100, "requests/s"),
    ];
    assert.deepEqual(
      grouped(rows).map(({ name, peer }) => [name, peer]),
      [
        ["encode", undefined],
        ["encode", "theirs"],
        ["serve", undefined],
        ["serve", "theirs"],
      ],
    );
    const lines = table(rows);
    assert.match(lines[1], /theirs .* ours is 3\.00 × that/);
    assert.match(lines[3], /theirs .* ours is 2\.00 × that/);
  });

  it("a chart has a bar for each value, also where they are a thousand times apart", () => {
    const svg = barChart("a < b", [row("a", 0.001, "µs"), row("b", 10, "µs", [9, 12]), row("none", 0, "µs")]);
    assert.equal(svg.match(/<rect /g)?.length, 3, "the ground and two bars");
    assert.match(svg, /a &lt; b \(µs, logarithmic\)/);
    assert.doesNotMatch(svg, /NaN/);
  });
});
