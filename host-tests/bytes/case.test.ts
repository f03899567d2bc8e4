import assert from "node:assert/strict";
import fc from "fast-check";
import { asciiLowerCase } from "../../firmware/bytes/case.js";

describe("letters of ASCII", () => {
  it("become small ones, as toLowerCase makes them", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary-ascii" }), (text) => {
        assert.equal(asciiLowerCase(text), text.toLowerCase());
      }),
    );
  });

  it("are all that changes", () => {
    assert.equal(asciiLowerCase("coAP://Ärger.MESH/😀Z[`{"), "coap://Ärger.mesh/😀z[`{");
    assert.equal(asciiLowerCase("\u212a"), "\u212a", "the Kelvin sign is no k");
  });
});
