import assert from "node:assert/strict";
import { lineChart } from "../../sim/study/line-chart.js";

describe("line charts of the delivery study", () => {
  const chart = {
    title: "a < b & c",
    xTitle: "hops",
    x: [1, 2, 3],
    panels: [{ title: "delivered", series: [{ name: "one", values: [100, Number.NaN, 50] }], max: 100 }],
  };

  it("draw what is there, and leave a gap where nothing arrived", () => {
    const svg = lineChart(chart);
    assert.equal(svg.match(/<circle /g)?.length, 2);
    assert.match(svg, /d="M\d+(\.\d+)? \d+(\.\d+)?M/);
    assert.doesNotMatch(svg, /NaN|Infinity/);
  });

  it("escape what is written into them", () => {
    assert.match(lineChart(chart), /<title>a &lt; b &amp; c<\/title>/);
  });
});
