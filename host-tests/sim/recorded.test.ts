import assert from "node:assert/strict";
import { officeSeries, RecordedSeries } from "../../sim/sensor/recorded.js";

const SMALL = `time,temperature_c,relative_humidity
2015-02-02 14:00,20.00,30.00
2015-02-02 14:02,22.00,34.00
2015-02-02 20:00,10.00,50.00
2015-02-02 20:01,11.00,51.00
`;
const MINUTE = 60_000;

describe("recorded series", () => {
  it("interpolates between rows, leaves gaps out and begins again at the end", () => {
    const series = new RecordedSeries(SMALL);
    assert.equal(series.duration, 5 * MINUTE); // 2 min, the gap as 1, 1, and 1 to the beginning
    const at = (minutes: number) => {
      const { temperature, humidity } = series.at(minutes * MINUTE);
      return [Math.round(temperature * 1000) / 1000, Math.round(humidity * 1000) / 1000];
    };
    assert.deepEqual(at(0), [20, 30]);
    assert.deepEqual(at(0.5), [20.5, 31]);
    assert.deepEqual(at(2), [22, 34]);
    assert.deepEqual(at(2.5), [16, 42]);
    assert.deepEqual(at(3), [10, 50]);
    assert.deepEqual(at(4), [11, 51]);
    assert.deepEqual(at(4.5), [15.5, 40.5]);
    assert.deepEqual(at(5), [20, 30]);
    assert.deepEqual(at(5000), [20, 30]);
    assert.deepEqual(at(-1), [11, 51]);
  });

  it("says which row it cannot use", () => {
    for (const bad of ["2015-02-02 20:01,x,50", "2015-02-02 19:59,1,50", "nonsense"]) {
      assert.throws(() => new RecordedSeries(`${SMALL}${bad}`), /row 6/);
    }
    assert.throws(() => new RecordedSeries("time\n"), RangeError);
  });

  it("carries the office: 16,446 rows, plausible values, no jump within a stretch", () => {
    const series = officeSeries();
    assert.ok(
      Math.abs(series.duration / (24 * 60 * MINUTE) - 14.3) < 0.2,
      `${series.duration / 86_400_000} days`,
    );
    for (let time = 0; time < series.duration; time += 10 * MINUTE) {
      const { temperature, humidity } = series.at(time);
      assert.ok(temperature >= 19 && temperature <= 24.5, `${temperature}`);
      assert.ok(humidity >= 16 && humidity <= 40, `${humidity}`);
    }
  });

  it("puts every node at another place, and scales time", () => {
    const series = officeSeries();
    const values = new Set<string>();
    for (let node = 0; node < 200; node++) {
      const { temperature, humidity } = series.environment({ node })(0);
      values.add(`${temperature} ${humidity}`);
    }
    assert.ok(values.size > 190, `${values.size} different of 200`);
    const slow = series.environment({ node: 3 });
    const fast = series.environment({ node: 3, timeScale: 60 });
    assert.deepEqual(fast(MINUTE), slow(60 * MINUTE));
    assert.deepEqual(fast(0), slow(0));
  });
});
