import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Jimp } from "jimp";
import { default as jsqr } from "jsqr";
import { type RunningServer, startServer } from "../../cloud/server.js";
import { toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { type Identity, loadIdentity } from "../../firmware/roles/identity.js";
import { ClientFile } from "../../scripts/oscore-http/client-file.js";
import { parseLabel } from "../../scripts/provision/label.js";
import { deviceNamed, target } from "../../scripts/provision/network.js";
import { NetworkFile } from "../../scripts/provision/network-file.js";
import { PacedClock } from "../../sim/paced-clock.js";
import { atTerminal, PASSPHRASE, provision, provisionJson, type RunOptions } from "./command.js";
import { PtyBoard } from "./pty-board.js";

function identityOn(board: PtyBoard): Identity {
  const identity = loadIdentity(board.storage);
  assert.ok(!(identity instanceof Refusal), `${identity}`);
  return identity;
}

describe("npm run provision", function () {
  this.timeout(180_000);
  let directory: string;
  let server: RunningServer;
  let clock: PacedClock;
  const boards: PtyBoard[] = [];
  const before20 = process.env.OSCORE_MESH_TEST_SCRYPT;
  const at = (name: string) => join(directory, name);
  const plug = async (name: string, kind?: "node" | "relay" | "gateway") => {
    const board = await PtyBoard.plugIn(at(name), clock, kind === undefined ? {} : { kind });
    boards.push(board);
    return board;
  };
  const base = () => ["--network", at("network")];
  const run = (args: string[], options?: RunOptions) => provision([...args, ...base()], options);
  const json = async (args: string[], options?: RunOptions) => provisionJson([...args, ...base()], options);
  const network = (path = at("network")) => NetworkFile.open(path, PASSPHRASE, { write: false }).network;

  before(async () => {
    process.env.OSCORE_MESH_TEST_SCRYPT = "4";
    directory = mkdtempSync(join(tmpdir(), "provision-"));
    server = await startServer({
      dataDir: at("server"),
      http: { host: "127.0.0.1", port: 0 },
      coap: { host: "127.0.0.1", port: 0 },
    });
    clock = new PacedClock();
    clock.start();
  });
  after(async () => {
    for (const board of boards) board.unplug();
    clock.stop();
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
    if (before20 === undefined) delete process.env.OSCORE_MESH_TEST_SCRYPT;
    else process.env.OSCORE_MESH_TEST_SCRYPT = before20;
  });

  it("a person at a terminal makes a network, and brings the first board in", async () => {
    const enter = "\r";
    const token = server.apiToken;
    const made = await atTerminal(
      ["init", ...base()],
      [
        { when: /What is the network called\?/, type: enter },
        { when: /Address of the server's page/, type: `${server.httpUrl}${enter}` },
        { when: /Token of the server's API/, type: `${token}${enter}` },
        { when: /Passphrase of the new/, type: `${PASSPHRASE}${enter}` },
        { when: /Once more/, type: `${PASSPHRASE}${enter}` },
      ],
      { env: { OSCORE_MESH_PASSPHRASE: undefined } },
    );
    assert.equal(made.code, 0, made.screen);
    assert.match(made.screen, /holds the keys of "office" now/);
    assert.match(made.screen, /The server keeps a backup/);
    for (const secret of [PASSPHRASE, token])
      assert.equal(made.output.includes(secret), false, "typed unseen");
    assert.equal(statSync(at("network")).mode & 0o777, 0o600);

    const gateway = await plug("ttyG", "gateway");
    const added = await atTerminal(
      ["add", "--port", gateway.path, "--place", "hall", ...base()],
      [
        { when: /Passphrase of the network file/, type: `${PASSPHRASE}${enter}` },
        { when: /Name of this gateway/, type: enter },
      ],
      { env: { OSCORE_MESH_PASSPHRASE: undefined } },
    );
    assert.equal(added.code, 0, added.screen);
    assert.match(added.screen, /gateway-1 is registered at address 0001/);
    assert.ok(gateway.runs);
    const identity = identityOn(gateway);
    assert.equal(identity.name, "gateway-1");
    const [known] = server.registry.list();
    assert.deepEqual([known.name, known.meshAddress, known.place], ["gateway-1", "0001", "hall"]);
    for (const secret of [identity.mesh.netKey, identity.oscore!.masterSecret, identity.mesh.deviceKey]) {
      assert.equal(added.output.includes(toHex(secret)), false);
    }
  });

  it("a dry run changes nothing, on the board, in the file, at the server", async () => {
    const board = await plug("ttyD");
    const before = readFileSync(at("network"));
    const { code, json: said } = await json(["add", "dry", "--port", board.path, "--dry-run"]);
    assert.deepEqual([code, said.dryRun, said.address, said.state], [0, true, "0100", "planned"]);
    assert.deepEqual(readFileSync(at("network")), before);
    assert.equal(board.runs, false);
    assert.equal(server.registry.get("dry"), undefined);
    board.unplug();
  });

  it("a cable that is pulled again and again delays a board, and that is all", async () => {
    const board = await plug("ttyC");
    // Every third line, both ways; each second time the board loses its power too.
    board.pullAt = [4, 7, 10, 13, 16, 19, 22];
    const { code, json: said } = await json(["add", "node-0", "--port", board.path]);
    assert.deepEqual(
      [code, said.state, said.where],
      [0, "registered", { board: "new", file: "new", server: "new" }],
    );
    assert.equal(board.pulls, 7);
    assert.ok(board.runs);
    assert.equal(identityOn(board).mesh.address, 0x0100);
    // Once more there is nothing to do.
    const lines = board.lines;
    assert.equal((await json(["add", "node-0", "--port", board.path])).json.written, false);
    assert.ok(board.lines - lines < 30);
    board.unplug();
  });

  it("killed in the middle, the next run says where everything is, and the same command ends it", async () => {
    const board = await plug("ttyK");
    const killed = run(["add", "killed", "--port", board.path], {
      onStart: (child) => {
        const look = setInterval(() => {
          if (board.lines < 14) return;
          clearInterval(look);
          child.kill("SIGKILL");
        }, 5);
      },
    });
    assert.equal((await killed).signal, "SIGKILL");
    const listed = await run(["list"]);
    assert.match(
      listed.errors,
      /"killed" was being written .* The board has nothing or the new one \(0101\)/,
    );
    assert.match(listed.errors, /`add killed` ends it/);
    const { code, json: said } = await json(["add", "killed", "--port", board.path]);
    assert.deepEqual([code, said.state, said.address], [0, "registered", "0101"]);
    assert.equal(server.registry.get("killed")?.meshAddress, "0101");
    assert.equal(identityOn(board).mesh.address, 0x0101);
    board.unplug();
  });

  it("20 boards come in unattended, one after another, and every one is known before its first message", async () => {
    const rows = Array.from({ length: 20 }, (_, i) => {
      const kind = i === 5 ? "relay" : "node";
      return `${kind}-${i + 1},${kind},"room ${i + 1}, left"`;
    });
    writeFileSync(at("list.csv"), `name,kind,place\n${rows.join("\n")}\n`);
    const planned = await json(["batch", at("list.csv"), "--dry-run"]);
    assert.equal((planned.json.planned as unknown[]).length, 20);
    let done = false;
    const batch = json(["batch", at("list.csv"), "--port", at("batch*"), "--timeout", "60"]).finally(() => {
      done = true;
    });
    const twenty: PtyBoard[] = [];
    // Whoever plugs them in needs no screen: a board that runs is done.
    for (let i = 0; i < 20 && !done; i++) {
      const board = await plug(`batch${i % 2}`, i === 5 ? "relay" : "node");
      twenty.push(board);
      while (!board.runs && !done) await new Promise((resolve) => setTimeout(resolve, 20));
      const { name } = identityOn(board);
      assert.notEqual(server.registry.get(name), undefined, `${name} is known when it starts`);
      if (i > 0) twenty[i - 1].unplug();
    }
    const { code, json: said } = await batch;
    assert.equal(code, 0, JSON.stringify(said));
    assert.equal((said.done as unknown[]).length, 20);
    const names = twenty.map((board) => identityOn(board).name);
    assert.equal(new Set(names).size, 20);
    assert.equal(names[5], "relay-6", "a relay's row waits for a relay");
    const addresses = twenty.map((board) => identityOn(board).mesh.address);
    assert.equal(new Set(addresses).size, 20);
    for (const [i, board] of twenty.entries()) {
      const { mesh, name } = identityOn(board);
      assert.equal(Number.parseInt(server.registry.get(name)?.meshAddress ?? "", 16), mesh.address);
      assert.equal(mesh.appKey === undefined, i === 5, "a relay is blind");
    }
    const again = await json(["batch", at("list.csv"), "--port", at("nothing*"), "--timeout", "1"]);
    assert.deepEqual([again.code, (again.json.done as unknown[]).length], [0, 0]);
  });

  it("list, show and doctor tell all but keys", async () => {
    const listed = await run(["list"]);
    assert.match(listed.output, /node-1 +node +01\d\d +[0-9a-f]{16} +registered +room 1, left/);
    const shown = await run(["show", "node-1"]);
    assert.match(shown.output, /"node-1" is on its board/);
    const device = deviceNamed(network(), "node-1");
    for (const text of [listed.output, shown.output, (await run(["show", "--json"])).output]) {
      const { deviceKey, masterSecret } = target(device).secrets!;
      for (const key of [deviceKey, masterSecret!, network().keys[0].netKey]) {
        assert.equal(text.includes(toHex(key)), false);
      }
    }
    const board = await plug("ttyS");
    const { code, json: said } = await json(["doctor", "--port", board.path]);
    const findings = said.findings as { about: string; verdict: string; what: string }[];
    assert.equal(code, 0, JSON.stringify(findings));
    assert.ok(findings.some(({ about, what }) => about === "board" && /of no network/.test(what)));
    assert.ok(findings.some(({ about, what }) => about === "server" && /has a backup/.test(what)));
    await server.registry.remove("node-2");
    const worse = await json(["doctor"]);
    assert.equal(worse.code, 1);
    assert.match(JSON.stringify(worse.json.findings), /does not know \\"node-2\\" any more/);
    board.unplug();
  });

  it("labels hold who a board is and the secret that proves it, and can be read back", async () => {
    const device = deviceNamed(network(), "node-3");
    const onTerminal = await run(["label", "node-3"]);
    assert.match(onTerminal.output, /█▀▀▀▀▀█.*node-3.*OOB/s);
    const png = await json(["label", "node-3", "--out", at("label.png")]);
    assert.equal(png.code, 0);
    const { bitmap } = await Jimp.read(at("label.png"));
    // CommonJS seen from a module: the function is one step further in.
    const read = jsqr.default(new Uint8ClampedArray(bitmap.data), bitmap.width, bitmap.height);
    const label = parseLabel(read!.data);
    assert.deepEqual([label.name, label.kind], ["node-3", "node"]);
    assert.deepEqual(label.chipId, device.chipId);
    assert.deepEqual(label.oob, device.oob);
    assert.equal(read!.data.toLowerCase().includes(toHex(target(device).secrets!.masterSecret!)), false);
    const pdf = await json(["label", "--out", at("labels.pdf")]);
    assert.ok((pdf.json.labels as unknown[]).length >= 20);
    assert.equal(readFileSync(at("labels.pdf")).subarray(0, 5).toString(), "%PDF-");
    assert.equal((await run(["label", "--out", at("labels.png")])).code, 2);
  });

  it("a broken board is replaced under its name, with new keys and another address", async () => {
    const before = target(deviceNamed(network(), "node-4"));
    const board = await plug("ttyR");
    const no = await atTerminal(
      ["replace", "node-4", "--port", board.path, ...base()],
      [{ when: /Go on\?/, type: "n" }],
    );
    assert.equal(no.code, 1);
    assert.equal(board.runs, false);
    const { code, json: said } = await json(["replace", "node-4", "--port", board.path, "--yes"]);
    assert.deepEqual([code, said.state], [0, "registered"]);
    const { mesh, oscore } = identityOn(board);
    assert.notEqual(mesh.address, before.address);
    assert.notDeepEqual(oscore!.masterSecret, before.secrets!.masterSecret);
    assert.equal(server.registry.get("node-4")?.meshAddress, mesh.address.toString(16).padStart(4, "0"));

    const rotated = await json(["rotate", "node-4", "--port", board.path]);
    assert.deepEqual([rotated.code, rotated.json.state], [0, "registered"], JSON.stringify(rotated.json));
    assert.equal(identityOn(board).mesh.address, mesh.address, "it goes on where it is");
    assert.notDeepEqual(identityOn(board).oscore!.masterSecret, oscore!.masterSecret);

    const other = await run(["add", "another", "--port", board.path]);
    assert.equal(other.code, 1);
    assert.match(other.errors, /is "node-4" already/);

    const removed = await json(["remove", "node-4", "--port", board.path, "--yes"]);
    assert.deepEqual(
      [removed.code, removed.json.revoked, removed.json.erased, removed.json.keyRefresh],
      [0, true, true, "not needed"],
      JSON.stringify(removed.json),
    );
    assert.equal(server.registry.get("node-4"), undefined);
    assert.equal(board.runs, false);
    const lost = await json(["remove", "node-6x", "--yes"]);
    assert.deepEqual([lost.code, lost.json.error], [1, "not-found"]);
    board.unplug();
  });

  it("a technician works with a copy in the field, and the office takes it over and tells the server", async () => {
    const copy = at("anna");
    const passphrase = "another good one";
    const env = { OSCORE_MESH_COPY_PASSPHRASE: passphrase };
    const out = await json(["export", copy, "--for", "Anna", "--room", "4"], { env });
    assert.equal(out.code, 0, JSON.stringify(out.json));
    const field = NetworkFile.open(copy, passphrase, { write: false }).network;
    assert.equal(deviceNamed(field, "node-3").current!.secrets, undefined, "no keys of others");
    const board = await plug("ttyA");
    const added = await provisionJson(
      ["add", "annas", "--port", board.path, "--network", copy, "--offline"],
      { env: { OSCORE_MESH_PASSPHRASE: passphrase } },
    );
    assert.deepEqual([added.code, added.json.state], [0, "verified"], JSON.stringify(added.json));
    assert.equal(server.registry.get("annas"), undefined);
    const taken = await json(["import", copy], { env });
    assert.deepEqual([taken.code, taken.json.added, taken.json.registered], [0, ["annas"], ["annas"]]);
    assert.equal(server.registry.get("annas")?.meshAddress, added.json.address);

    const registrations = at("registrations");
    assert.equal((await json(["export", registrations, "--registrations", "--all"])).code, 0);
    await server.registry.remove("annas");
    writeFileSync(at("token"), server.apiToken);
    const told = ["import", registrations, "--server", server.httpUrl!, "--token-file", at("token")];
    assert.equal((await json(told)).code, 0);
    assert.notEqual(server.registry.get("annas"), undefined);
    board.unplug();
  });

  it("a lost file is brought back with its passphrase and nothing else", async () => {
    const changed = await json(["rotate", "--passphrase"], {
      env: { OSCORE_MESH_NEW_PASSPHRASE: "a newer passphrase" },
    });
    assert.equal(changed.code, 0);
    assert.equal((await run(["list"])).code, 1, "the old one opens nothing");
    const recover = (passphrase: string) =>
      provisionJson(["init", "--recover", "--server", server.httpUrl!, "--network", at("back")], {
        env: { OSCORE_MESH_PASSPHRASE: passphrase },
      });
    const wrong = await recover("a wrong passphrase");
    assert.deepEqual([wrong.code, wrong.json.error], [1, "wrong-passphrase"]);
    const back = await recover("a newer passphrase");
    assert.deepEqual([back.code, back.json.name], [0, "office"], JSON.stringify(back.json));
    const [lost, found] = ["network", "back"].map(
      (name) => NetworkFile.open(at(name), "a newer passphrase", { write: false }).network,
    );
    assert.deepEqual(found.devices, lost.devices);
    assert.deepEqual(found.keys, lost.keys);

    // The newest backup is older than the network, when the server was not reached since.
    const env = { OSCORE_MESH_PASSPHRASE: "a newer passphrase" };
    const late = await plug("ttyL");
    const sealed = readFileSync(at("back"));
    const inBack = ["--network", at("back")];
    assert.equal((await provisionJson(["add", "late", "--port", late.path, ...inBack], { env })).code, 0);
    writeFileSync(at("back"), sealed);
    const newest = { env: { OSCORE_MESH_PASSPHRASE: "the newest passphrase" } };
    const changedAgain = await provisionJson(["rotate", "--passphrase", ...inBack], {
      env: { ...env, OSCORE_MESH_NEW_PASSPHRASE: "the newest passphrase" },
    });
    assert.equal(changedAgain.code, 0);
    const older = ["--network", at("older")];
    const recovered = await provisionJson(
      ["init", "--recover", "--server", server.httpUrl!, ...older],
      newest,
    );
    assert.deepEqual(
      [recovered.code, recovered.json.reserved],
      [0, ["late"]],
      JSON.stringify(recovered.json),
    );
    const anew = await provisionJson(["add", "late", "--port", late.path, "--force", ...older], newest);
    assert.deepEqual([anew.code, anew.json.state], [0, "registered"], JSON.stringify(anew.json));
    late.unplug();
  });

  it("a client that asks nodes end to end gets each context once", async () => {
    const own = ["--network", at("clients")];
    const ask = (...args: string[]) => provisionJson([...args, ...own]);
    assert.equal((await ask("init", "--name", "clients", "--client")).code, 0);
    const [node, gateway] = [await plug("ttyN"), await plug("ttyW", "gateway")];
    assert.equal((await ask("add", "kitchen", "--port", node.path)).code, 0);
    assert.equal((await ask("add", "gateway-1", "--port", gateway.path)).code, 0);
    const dry = await ask("export", at("client.json"), "--client", "--dry-run");
    assert.deepEqual([dry.code, dry.json.nodes, existsSync(at("client.json"))], [0, ["kitchen"], false]);
    const first = await ask("export", at("client.json"), "--client");
    assert.deepEqual([first.code, first.json.nodes], [0, ["kitchen"]], JSON.stringify(first.json));
    assert.equal(statSync(at("client.json")).mode & 0o777, 0o600);
    const { client, oscore } = identityOn(node);
    assert.equal(identityOn(gateway).client, undefined);
    const { parameters } = new ClientFile(at("client.json")).contexts()[0]!;
    assert.deepEqual(
      [parameters.masterSecret, parameters.masterSalt, parameters.senderId, parameters.recipientId],
      [client!.masterSecret, client!.masterSalt, client!.recipientId, client!.senderId],
    );
    assert.notDeepEqual(client!.masterSecret, oscore!.masterSecret);
    const twice = await ask("export", at("other.json"), "--client");
    assert.deepEqual([twice.code, twice.json.error, existsSync(at("other.json"))], [1, "not-found", false]);
    assert.equal((await ask("rotate", "kitchen", "--port", node.path)).code, 0);
    assert.deepEqual((await ask("export", at("other.json"), "--client")).json.nodes, ["kitchen"]);
    node.unplug();
    gateway.unplug();
  });

  it("says what is wrong with a command line, and with what it is asked to do", async () => {
    const cases: [string[], number, RegExp][] = [
      [["--help"], 0, /batch/],
      [["add", "--help"], 0, /--bridge/],
      [["nonsense"], 2, /unknown command/],
      [["add", "--kind", "toaster"], 2, /Allowed choices/],
      [["show", "nobody"], 1, /no device "nobody"/],
      [["export", at("x")], 2, /--for NAME/],
      [["init", "--name", "x"], 1, /is there already/],
    ];
    const env = { OSCORE_MESH_PASSPHRASE: "a newer passphrase" };
    await Promise.all(
      cases.map(async ([args, code, text]) => {
        const ended = await run(args, { env });
        assert.equal(ended.code, code, `${args}: ${ended.output}${ended.errors}`);
        assert.match(ended.output + ended.errors, text);
      }),
    );
    const unasked = await run(["list"], { env: { OSCORE_MESH_PASSPHRASE: undefined } });
    assert.equal(unasked.code, 2);
    assert.match(unasked.errors, /OSCORE_MESH_PASSPHRASE/);
  });
});
