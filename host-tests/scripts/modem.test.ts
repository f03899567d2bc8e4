import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SCRIPT = ["--import", "tsx", "scripts/modem.ts"];

/** Everything that a stream has said, and a way to wait for something in it. */
class Heard {
  #text = "";
  #waiting: { pattern: RegExp; done: (match: RegExpExecArray) => void } | undefined;

  add(text: string): void {
    this.#text += text;
    this.#look();
  }

  /** Resolves when the pattern has come; everything up to its end is forgotten. */
  next(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((done) => {
      this.#waiting = { pattern, done };
      this.#look();
    });
  }

  #look(): void {
    const match = this.#waiting?.pattern.exec(this.#text);
    if (!match || this.#waiting === undefined) return;
    this.#text = this.#text.slice(match.index + match[0].length);
    const { done } = this.#waiting;
    this.#waiting = undefined;
    done(match);
  }
}

function run(...options: string[]): { child: ChildProcessWithoutNullStreams; heard: Heard } {
  const child = spawn(process.execPath, [...SCRIPT, ...options]);
  const heard = new Heard();
  child.stdout.on("data", (data: Buffer) => heard.add(data.toString()));
  return { child, heard };
}

async function end(child: ChildProcessWithoutNullStreams): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode;
  const exited = once(child, "exit");
  child.kill("SIGINT");
  const [code] = await exited;
  return code as number | null;
}

describe("npm run modem", () => {
  it("says what is wrong with its options and exits with 2, with 1 where it cannot start, 0 for --help", () => {
    const cases: readonly (readonly [string[], number, RegExp])[] = [
      [["--help"], 0, /Usage: npm run modem/],
      [[], 2, /--pty LINK or --tcp PORT/],
      [["--tcp", "70000"], 2, /65535/],
      [["--tcp", "0", "--firmware", "sara-u2"], 2, /r410m-05\.08/],
      [["--pty", "package.json"], 1, /package\.json is there already/],
    ];
    for (const [options, code, text] of cases) {
      const result = spawnSync(process.execPath, [...SCRIPT, ...options], { encoding: "utf8" });
      assert.equal(result.status, code, `${options.join(" ")}: ${result.stderr}`);
      assert.match(result.stdout + result.stderr, text);
    }
  }).timeout(30_000);

  it("is a modem on TCP, with control lines beside it, and sends real datagrams", async () => {
    const server = createSocket("udp4");
    server.bind(0, "127.0.0.1");
    await once(server, "listening");
    const { child, heard } = run("--tcp", "0", "--control", "0", "--fast", "--set", "registration=200");
    try {
      const port = Number((await heard.next(/modem at tcp 127\.0\.0\.1:(\d+)/))[1]);
      const controlPort = Number((await heard.next(/control at tcp 127\.0\.0\.1:(\d+)/))[1]);
      const uart = connect(port, "127.0.0.1");
      const lines = new Heard();
      uart.on("data", (data) => lines.add(data.toString("latin1")));
      const control = connect(controlPort, "127.0.0.1");
      const answers = new Heard();
      control.on("data", (data) => answers.add(data.toString()));
      await heard.next(/power: on/);
      uart.write("ATE0\r");
      await lines.next(/OK\r\n/);
      uart.write("AT+USOCR=17\r");
      await lines.next(/\+USOCR: 0\r\n\r\nOK\r\n/);
      for (let attached = false; !attached; ) {
        control.write("status\n");
        attached = (await answers.next(/"attached":(true|false)/))[1] === "true";
      }
      const message = once(server, "message");
      uart.write(`AT+USOST=0,"127.0.0.1",${server.address().port},5,"hello"\r`);
      await lines.next(/\+USOST: 0,5\r\n/);
      const [datagram, from] = await message;
      assert.equal(String(datagram), "hello");
      server.send("world", from.port, from.address);
      await lines.next(/\+UUSORF: 0,5\r\n/);
      uart.write("AT+USORF=0,100\r");
      await lines.next(/"world"\r\n/);
      control.write("bogus\n");
      await answers.next(/error: no command "bogus"/);
      uart.destroy();
      control.destroy();
      assert.equal(await end(child), 0);
    } finally {
      child.kill("SIGKILL");
      server.close();
    }
  }).timeout(30_000);

  it("connects to a board that listens, and again when the board was away", async () => {
    const board = createServer();
    board.listen(0, "127.0.0.1");
    await once(board, "listening");
    const { port } = board.address() as AddressInfo;
    const { child, heard } = run("--tcp", String(port), "--fast");
    try {
      for (let time = 0; time < 2; time++) {
        const [uart] = (await once(board, "connection")) as [Socket];
        const lines = new Heard();
        uart.on("data", (data) => lines.add(data.toString("latin1")));
        await heard.next(time === 0 ? /power: on/ : /modem connected/);
        uart.write("AT\r");
        await lines.next(/OK\r\n/);
        uart.destroy();
      }
      assert.equal(await end(child), 0);
    } finally {
      child.kill("SIGKILL");
      board.close();
    }
  }).timeout(30_000);

  it("is a modem on a pseudo-terminal, and removes its link when it ends", async function () {
    const helper = ["socat", "python3"].find((program) => spawnSync(program, ["-V"]).error === undefined);
    if (helper === undefined) this.skip();
    const folder = mkdtempSync(join(tmpdir(), "modem-"));
    const link = join(folder, "tty");
    const { child, heard } = run("--pty", link, "--fast");
    try {
      await heard.next(/modem at /);
      await heard.next(/power: on/);
      const tty = await open(link, "r+");
      await tty.write("AT+CGMM\r");
      let text = "";
      while (!text.includes("OK")) {
        const { bytesRead, buffer } = await tty.read(Buffer.alloc(200), 0, 200);
        text += buffer.toString("latin1", 0, bytesRead);
      }
      assert.match(text, /AT\+CGMM\r\r\nSARA-R410M-02B\r\n\r\nOK\r\n/);
      await tty.close();
      assert.equal(await end(child), 0);
      assert.equal(existsSync(link), false);
    } finally {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true });
    }
  }).timeout(30_000);
});
