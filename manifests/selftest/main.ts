/**
 * The self-test image: specification vectors and the HAL's own promises, on the chip. Every outcome is a line on the
 * console; the last line is `selftest: N passed, M failed`.
 */

import { outcomes } from "./setup.js";
import "../../host-tests/board/primitives.test.js";
import "../../host-tests/oscore/appendix-c.test.js";
import "../../host-tests/mesh/keys.test.js";
import "../../host-tests/mesh/stack.test.js";
import { tell } from "./console.js";
import { testHardware } from "./hardware.js";

testHardware(() => {
  tell(`selftest: ${outcomes.passed} passed, ${outcomes.failed} failed`);
});
