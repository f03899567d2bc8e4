import assert from "node:assert/strict";
import {
  DEFAULT_TRANSMISSION,
  exchangeLifetime,
  maxTransmitSpan,
  maxTransmitWait,
  nonLifetime,
} from "../../firmware/coap/transmission.js";

describe("transmission parameters (RFC 7252 §4.8)", () => {
  it("give the derived times of table 3", () => {
    assert.equal(maxTransmitSpan(DEFAULT_TRANSMISSION), 45_000);
    assert.equal(maxTransmitWait(DEFAULT_TRANSMISSION), 93_000);
    assert.equal(exchangeLifetime(DEFAULT_TRANSMISSION), 247_000);
    assert.equal(nonLifetime(DEFAULT_TRANSMISSION), 145_000);
  });

  it("keep an exchange alive until its sender has given up, however long the waits", () => {
    const slow = { ...DEFAULT_TRANSMISSION, ackTimeout: 30_000, maxLatency: 10_000 };
    assert.equal(exchangeLifetime(slow), maxTransmitWait(slow));
  });
});
