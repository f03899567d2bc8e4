/** `npm run plugtest`: the OSCORE plugtest (test-spec5) over real UDP, as server or as client. */

import { InvalidArgumentError, Option } from "commander";
import { hostCrypto } from "../hal/host/crypto.js";
import { fail, newCommand, wholeNumber } from "./cli.js";
import { Peer } from "./plugtest/peer.js";
import { PlugtestServer } from "./plugtest/server.js";
import { OWN_TESTS, type PlugtestTest, TESTS, TestFailure } from "./plugtest/tests.js";
import { type Address, formatAddress, now, parseAddress, UdpSocket } from "./plugtest/udp.js";

const ALL = [...TESTS, ...OWN_TESTS];
/** A test that waits for a notification waits for this long, ms. */
const PATIENCE = 15_000;
/** Sequence numbers set aside for a test: more than any uses. */
const NUMBERS = 100;

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new InvalidArgumentError("Expected HOST:PORT.");
  return parsed;
}

const program = newCommand("plugtest", "The OSCORE plugtest, tests 0 to 17, as server or as client.");

program
  .command("server")
  .description("offer the contexts B and D and the resources of the plugtest, until Ctrl-C")
  .option("--host <host>", "address to listen on", "127.0.0.1")
  .addOption(
    new Option("--port <port>", "UDP port; 0 for any").argParser(wholeNumber(0, 65535)).default(5683),
  )
  .addOption(
    new Option(
      "--unaware-port <port>",
      "also offer the OSCORE-unaware server of test 16 on this port",
    ).argParser(wholeNumber(0, 65535)),
  )
  .action(async (options: { host: string; port: number; unawarePort?: number }) => {
    const sockets = [await serve(options.host, options.port, false)];
    if (options.unawarePort !== undefined) sockets.push(await serve(options.host, options.unawarePort, true));
    process.once("SIGINT", () => {
      for (const socket of sockets) socket.close();
    });
    process.once("SIGTERM", () => {
      for (const socket of sockets) socket.close();
    });
  });

program
  .command("client")
  .description("walk the steps of a test, or of all, against a server with the contexts B and D")
  .addOption(new Option("--target <host:port>", "the server").argParser(address).makeOptionMandatory())
  .addOption(new Option("--unaware <host:port>", "the OSCORE-unaware server of test 16").argParser(address))
  .option("--test <name>", "0 to 17, block1, block2 (ours), or all (0 to 17)", "all")
  .addOption(
    new Option(
      "--ssn <number>",
      "first Sender Sequence Number (default: milliseconds since 2020, above all of earlier runs)",
    ).argParser(wholeNumber(0, 2 ** 40 - 1000)),
  )
  .action(async (options: { target: Address; unaware?: Address; test: string; ssn?: number }) => {
    const tests = options.test === "all" ? TESTS : ALL.filter(({ name }) => name === options.test);
    if (tests.length === 0) {
      program.error(
        `error: there is no test "${options.test}": ${ALL.map(({ name }) => name).join(", ")}, all`,
      );
    }
    const ssn = options.ssn ?? Date.now() - Date.UTC(2020);
    let failed = 0;
    for (const test of tests) {
      const target = test.server === "unaware" ? options.unaware : options.target;
      if (target === undefined) {
        console.log(`  -   ${test.name.padEnd(6)} ${test.title}: skipped, it needs --unaware HOST:PORT`);
        continue;
      }
      const problem = await walk(test, target, ssn + NUMBERS * tests.indexOf(test));
      console.log(`${problem === undefined ? "pass" : "FAIL"}  ${test.name.padEnd(6)} ${test.title}`);
      if (problem !== undefined) console.error(`      ${problem}`);
      if (problem !== undefined) failed++;
    }
    if (failed > 0) fail(`${failed} of ${tests.length} tests failed`);
  });

async function serve(host: string, port: number, unaware: boolean): Promise<UdpSocket> {
  let socket: UdpSocket;
  try {
    socket = await UdpSocket.open(host, port);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const what =
      code === "EADDRINUSE" ? "is taken: choose another with --port" : `cannot be opened (${code})`;
    return fail(`UDP port ${port} of ${host} ${what}`);
  }
  const server = new PlugtestServer({
    crypto: hostCrypto,
    unaware,
    send: (endpoint, bytes) => socket.send(parseAddress(endpoint) as Address, bytes),
    log: (line) => console.log(line),
  });
  socket.run(server, (from, bytes) => server.receive(from, bytes, now()));
  const what = unaware ? "OSCORE-unaware plugtest server" : "OSCORE plugtest server";
  console.log(`${what} on udp://${formatAddress(socket.address)}`);
  return socket;
}

/** Runs one test with a client of its own. @returns what went wrong */
async function walk(test: PlugtestTest, target: Address, firstNumber: number): Promise<string | undefined> {
  const socket = await UdpSocket.open(target.host.includes(":") ? "::" : "0.0.0.0", 0);
  const peer = new Peer({
    crypto: hostCrypto,
    firstNumber,
    now,
    send: (bytes) => {
      socket.send(target, bytes);
      // Not from within the layer: it has not set its timer yet.
      queueMicrotask(() => socket.wake());
    },
    transmission: { ackTimeout: 1000, maxRetransmit: 2 },
  });
  socket.run(peer.layer, (_, bytes) => peer.receive(bytes));
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TestFailure("no further message came")), PATIENCE);
  });
  try {
    await Promise.race([test.run(peer), patience]);
    return undefined;
  } catch (error) {
    if (error instanceof TestFailure) return error.message;
    throw error;
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

await program.parseAsync();
