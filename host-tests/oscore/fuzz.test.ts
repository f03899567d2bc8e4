import bytesTargets from "../../scripts/fuzz/targets/bytes.js";
import oscoreTargets from "../../scripts/fuzz/targets/oscore.js";

describe("fuzz targets, for a moment", () => {
  for (const target of [...bytesTargets, ...oscoreTargets]) {
    it(`${target.name}: ${target.holds}`, () => target.run({ runs: 200 }));
  }
});
