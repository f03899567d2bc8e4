/** The real ways to a board. */

import { openOverTheAir } from "./air-way.js";
import { listPorts } from "./port.js";
import { openSerial } from "./serial-way.js";
import type { Ways } from "./way.js";

export { listPorts, openOverTheAir, openSerial };

export const ways: Ways = { openSerial, openOverTheAir, listPorts };
