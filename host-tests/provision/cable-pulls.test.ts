/**
 * The commands that write a board, as processes on a real pseudo-terminal: the cable is pulled for good at every line
 * in turn, with and without the board's power in it. Board, file and server must be what the command said that they
 * are, and the same command must end it.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostCrypto } from "#hal/crypto.js";
import { type RunningServer, startServer } from "../../cloud/server.js";
import { toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { fingerprintOf, staticOob } from "../../firmware/console/label.js";
import { encodeIdentity, loadIdentity } from "../../firmware/roles/identity.js";
import { provision as storeIdentity } from "../../firmware/roles/provisioning.js";
import { MemoryStore } from "../../hal/host/storage.js";
import { grant } from "../../scripts/provision/allocation.js";
import { newDevice } from "../../scripts/provision/commands/add.js";
import type { Whereabouts } from "../../scripts/provision/commission.js";
import { identityOf } from "../../scripts/provision/identities.js";
import {
  decodeNetwork,
  encodeNetwork,
  findDevice,
  hex4,
  type Network,
  newNetwork,
  setRegistered,
  target,
} from "../../scripts/provision/network.js";
import { NetworkFile } from "../../scripts/provision/network-file.js";
import { registrationOf, ServerClient } from "../../scripts/provision/server-client.js";
import { PacedClock } from "../../sim/paced-clock.js";
import { PASSPHRASE, provisionJson } from "./command.js";
import { type BoardOptions, PtyBoard } from "./pty-board.js";

/**
 * Each command takes every sixth line, another one each, so that it does not take minutes; EVERY_LINE=1, as .ci/run has
 * it, takes all.
 */
const STEP = process.env.EVERY_LINE === "1" ? 1 : 6;
/** Commands at a time. */
const LANES = 3;

/** One command on one board. */
interface Case {
  readonly board: PtyBoard;
  readonly path: string;
  readonly name: string;
  readonly args: readonly string[];
  /** What the server had, and what the board had, before. */
  readonly before: Seen;
}

/** What a board and the server have, looked at from outside. */
interface Seen {
  readonly board: string | undefined;
  readonly server: string | undefined;
}

describe("npm run provision, with the cable pulled for good at every line", function () {
  this.timeout(240_000);
  let directory: string;
  let server: RunningServer;
  let network: Network;
  let clock: PacedClock;
  const boards: PtyBoard[] = [];
  const costBefore = process.env.OSCORE_MESH_TEST_SCRYPT;
  const at = (name: string) => join(directory, name);

  before(async () => {
    process.env.OSCORE_MESH_TEST_SCRYPT = "4";
    directory = mkdtempSync(join(tmpdir(), "cable-pulls-"));
    server = await startServer({
      dataDir: at("server"),
      http: { host: "127.0.0.1", port: 0 },
      coap: { host: "127.0.0.1", port: 0 },
    });
    network = newNetwork({
      name: "pulled",
      gateways: "one",
      ttl: 7,
      interval: 60,
      confirmable: true,
      server: { url: server.httpUrl!, token: server.apiToken },
    });
    clock = new PacedClock();
    clock.start();
  });
  after(async () => {
    for (const board of boards) board.unplug();
    clock.stop();
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
    if (costBefore === undefined) delete process.env.OSCORE_MESH_TEST_SCRYPT;
    else process.env.OSCORE_MESH_TEST_SCRYPT = costBefore;
  });

  /** Technicians' copies of the network, each with numbers of its own. */
  function copies(names: readonly string[]): string[] {
    const holders = names.map((name) => grant(network, name, 200));
    return holders.map(({ id, name }) => {
      const copy = decodeNetwork(encodeNetwork(network));
      copy.holder = id;
      NetworkFile.create(at(name), PASSPHRASE, copy).close();
      return at(name);
    });
  }

  /** A device that works: on its board, in the file and at the server. */
  async function working(path: string, name: string): Promise<PtyBoard> {
    const chipId = hostCrypto.random(8);
    const storage = new MemoryStore();
    const file = NetworkFile.open(path, PASSPHRASE, { write: true });
    const { network } = file;
    const device = newDevice(network, { name, kind: "node", oob: staticOob(storage, hostCrypto) });
    device.current = device.next!;
    delete device.next;
    // Its own: the file wipes all its bytes when it is closed.
    device.chipId = chipId.slice();
    device.board = "verified";
    const identity = identityOf(network, device, device.current);
    storeIdentity(storage, identity);
    const api = new ServerClient(server.httpUrl!, server.apiToken);
    await api.register(registrationOf(device, identity), []);
    setRegistered(network, device, device.current);
    file.save();
    file.close();
    return plug(`${path}-${name}`, { chipId, storage });
  }

  async function plug(path: string, options?: BoardOptions): Promise<PtyBoard> {
    const board = await PtyBoard.plugIn(path, clock, options);
    boards.push(board);
    return board;
  }

  function seen({ board, name }: Pick<Case, "board" | "name">): Seen {
    const identity = loadIdentity(board.storage);
    return {
      board:
        identity instanceof Refusal ? undefined : toHex(fingerprintOf(hostCrypto, encodeIdentity(identity))),
      server: server.registry.get(name)?.meshAddress,
    };
  }

  /** What the file says that a board and the server are to have. */
  function planned(path: string, name: string): Seen | undefined {
    const { network } = NetworkFile.open(path, PASSPHRASE, { write: false });
    const device = findDevice(network, name);
    if (device === undefined) return undefined;
    const credentials = target(device);
    const identity = identityOf(network, device, credentials);
    return {
      board: toHex(fingerprintOf(hostCrypto, encodeIdentity(identity))),
      server: hex4(credentials.address),
    };
  }

  /** Where the new state is must not be said of where it is not, nor of the old one. */
  function assertTrue(claim: Whereabouts, { path, name, before, board }: Case, line: number): void {
    const now = seen({ board, name });
    const wanted = planned(path, name);
    const is = (what: keyof Seen) =>
      now[what] === wanted?.[what] ? "new" : now[what] === before[what] ? "old" : "neither";
    const about = `line ${line}: ${JSON.stringify({ claim, now, wanted, before })}`;
    assert.notEqual(is("board"), "neither", about);
    assert.ok(claim.board.includes(is("board")), about);
    // An address that stays is of the old state and of the new one; then the file alone tells.
    if (before.server !== wanted?.server) {
      const said = { old: "old", new: "new", "unknown there": "old", none: "none" }[claim.server];
      assert.equal(said, is("server"), about);
    }
  }

  /** Runs the command with the cable out from a line on, then again. @returns whether that line was reached */
  async function pulledAt(line: number, make: (line: number) => Promise<Case>): Promise<boolean> {
    const made = await make(line);
    const { board, path, name, args } = made;
    board.cut = { line: board.lines + line, power: line % 2 === 0 };
    const options = [...args, "--port", board.path, "--network", path, "--yes"];
    const first = await provisionJson([...options, "--patience", "0"]);
    const reached = board.pulls === 1;
    if (reached) {
      const { where } = first.json as { where?: Whereabouts };
      // Before anything was begun there is nothing to say but why.
      if (first.code === 0) assertTrue({ board: "new", file: "new", server: "new" }, made, line);
      else if (where !== undefined) {
        assertTrue(where, made, line);
        assert.match(
          `${first.json.message}`,
          /The board has the .* the file has the .* the server .* goes on/,
        );
      } else {
        assert.deepEqual(seen(made), made.before, `line ${line}: ${first.json.message}`);
        assert.match(`${first.json.message}`, /Nothing was changed/);
      }
      await board.plugInAgain();
    }
    board.cut = undefined;
    const second = await provisionJson(options);
    assert.equal(second.code, 0, `line ${line}: ${JSON.stringify([first.json, second.json])}`);
    assert.deepEqual(second.json.where, { board: "new", file: "new", server: "new" });
    assert.deepEqual(seen(made), planned(path, name), `line ${line}`);
    board.unplug();
    return reached;
  }

  /** Each line once, several at a time: most of it is waiting. */
  async function everyLine(
    what: string,
    first: number,
    make: (path: string, line: number) => Promise<Case>,
  ): Promise<void> {
    let next = STEP === 1 ? 1 : first;
    let most = 0;
    let more = true;
    await Promise.all(
      copies(Array.from({ length: LANES }, (_, i) => `${what}-${i}`)).map(async (path) => {
        while (more) {
          const mine = next;
          next += STEP;
          if (await pulledAt(mine, () => make(path, mine))) most = Math.max(most, mine);
          else more = false;
        }
      }),
    );
    assert.ok(most > 25, `${most} lines`);
  }

  it("add: a board out of the box", () =>
    everyLine("add", 1, async (path, line) => {
      const name = `new-${line}`;
      const board = await plug(`${path}-${line}`);
      return { board, path, name, args: ["add", name], before: seen({ board, name }) };
    }));

  it("replace: another board under a name that is known", () =>
    everyLine("replace", 2, async (path, line) => {
      const name = `broken-${line}`;
      (await working(path, name)).unplug();
      const board = await plug(`${path}-${line}`);
      return { board, path, name, args: ["replace", name], before: seen({ board, name }) };
    }));

  it("rotate: new keys on a board that works", () =>
    everyLine("rotate", 3, async (path, line) => {
      const name = `old-${line}`;
      const board = await working(path, name);
      return { board, path, name, args: ["rotate", name], before: seen({ board, name }) };
    }));

  it("remove: the server believes it nothing any more, and a board that may have its keys is not forgotten", async () => {
    const [path] = copies(["remove"]);
    for (let line = STEP === 1 ? 1 : 4, reached = true; reached; line += STEP) {
      const name = `gone-${line}`;
      const board = await working(path!, name);
      const before = seen({ board, name });
      board.cut = { line: board.lines + line, power: line % 2 === 0 };
      const options = ["remove", name, "--port", board.path, "--network", path!, "--yes"];
      const { code, json } = await provisionJson([...options, "--patience", "0"]);
      reached = board.pulls === 1;
      assert.deepEqual(
        [code, json.revoked, seen({ board, name }).server],
        [0, true, undefined],
        `line ${line}`,
      );
      assert.equal(json.keyRefresh, json.erased === true ? "not needed" : "due");
      if (json.erased === true) assert.equal(seen({ board, name }).board, undefined);
      else assert.ok([undefined, before.board].includes(seen({ board, name }).board));
      const file = NetworkFile.open(path!, PASSPHRASE, { write: true });
      assert.equal(file.network.refreshDue !== undefined, json.keyRefresh === "due");
      delete file.network.refreshDue;
      file.save();
      file.close();
      board.unplug();
    }
  });
});
