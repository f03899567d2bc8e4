import assert from "node:assert/strict";
import { DAY_DEFAULTS, runDay } from "../../sim/study/day.js";
import { measureDelivery } from "../../sim/study/delivery.js";

describe("a large mesh network", () => {
  it("lives through loss, power cuts, replays, an IV Update and a key refresh: npm run mesh-day, short", () => {
    const result = runDay({ ...DAY_DEFAULTS, nodes: 16, hours: 1, interval: 40, cutEvery: 40 });
    assert.ok(result.powerCuts > 60 && result.cutsInWrites > 10, `${result.powerCuts} power cuts`);
    assert.ok(result.replayed > 500, `${result.replayed} replayed`);
    assert.ok(result.messages > 800, `${result.messages} messages`);
    assert.ok(result.arrived >= 0.999 * result.messages, `${result.arrived} of ${result.messages} arrived`);
    assert.equal(result.acknowledgedNotArrived, 0);
    assert.equal(result.attemptsTwice, 0);
    assert.equal(result.sequenceReused, 0);
    assert.equal(result.ivBack, 0);
    assert.equal(result.renewed, 16);
  }).timeout(60_000);

  it("carries readings and answers over three relays where repetitions in a row would break it down", () => {
    const load = {
      seed: 1,
      hops: 4,
      senders: 5,
      interval: 2000,
      messages: 100,
      loss: 0.1,
      answers: true,
    };
    const interleaved = measureDelivery(load);
    const inARow = measureDelivery({ ...load, config: { limits: { repetitions: 0 } } });
    assert.equal(interleaved.wrong + inARow.wrong, 0);
    assert.ok(interleaved.ratio > 0.99, `${interleaved.ratio}`);
    assert.ok(interleaved.answered > inARow.answered, `${interleaved.answered} ${inARow.answered}`);
  }).timeout(60_000);
});
