/** Makes the README's pictures of `npm run provision`: real commands on a real terminal, drawn as SVG. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServer } from "../cloud/server.js";
import { atTerminal, PASSPHRASE, provision } from "../host-tests/provision/command.js";
import { PtyBoard } from "../host-tests/provision/pty-board.js";
import { PacedClock } from "../sim/paced-clock.js";
import { drawTerminal } from "./provision/terminal-picture.js";

const directory = mkdtempSync(join(tmpdir(), "pictures-"));
const network = ["--network", join(directory, "office.sealed")];
const server = await startServer({
  dataDir: join(directory, "server"),
  http: { host: "127.0.0.1", port: 0 },
  coap: { host: "127.0.0.1", port: 0 },
});
const clock = new PacedClock();
clock.start();
const draw = (name: string, command: string, output: string) =>
  writeFileSync(
    `docs/${name}.svg`,
    drawTerminal(`$ npm run provision -- ${command}\r\n${output.replaceAll(directory, "~")}`),
  );
const env = { OSCORE_MESH_TOKEN: server.apiToken };
const boards: PtyBoard[] = [];
for (const [i, kind] of (["gateway", "relay", "node", "node"] as const).entries()) {
  boards.push(await PtyBoard.plugIn(join(directory, `ttyACM${i}`), clock, { kind }));
}
await provision(["init", "--name", "office", "--server", server.httpUrl ?? "", ...network], { env });
const added = await atTerminal(["add", "gateway-1", "--port", boards[0].path, ...network], [], { env });
draw("provision-add", "add gateway-1 --port ~/ttyACM0", added.output);
writeFileSync(
  join(directory, "boards.csv"),
  "name,kind,place\nrelay-1,relay,corridor\nkitchen,node,2nd floor\nlab,node,cellar\n",
);
const batch = await atTerminal(
  ["batch", join(directory, "boards.csv"), "--port", join(directory, "ttyACM*"), ...network],
  [],
  { env },
);
draw("provision-batch", "batch boards.csv --port '/dev/ttyACM*'", batch.output);
const listed = await atTerminal(["list", ...network], [], { env });
const labelled = await atTerminal(["label", "kitchen", ...network], [], { env });
draw("provision-label", "list", `${listed.output}$ npm run provision -- label kitchen\r\n${labelled.output}`);
for (const board of boards) board.unplug();
clock.stop();
await server.stop();
rmSync(directory, { recursive: true, force: true });
console.log(`docs/provision-{add,batch,label}.svg (passphrase ${PASSPHRASE.length} characters, never shown)`);
process.exit(0);
