/** `npm run provision`: brings boards into a network, and the server to know them. */

import { runProvision } from "./provision/cli.js";
import { ways } from "./provision/ways.js";

await runProvision(ways);
