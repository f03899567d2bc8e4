import { createSocket, type Socket } from "node:dgram";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page, type Request } from "playwright-core";
import { type RunningServer, startServer } from "../../cloud/server.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { encodeMessage } from "../../firmware/coap/codec.js";
import { Type } from "../../firmware/coap/message.js";
import { Code, ContentFormat, OptionNumber } from "../../firmware/coap/numbers.js";
import { uintOption, uriPath } from "../../firmware/coap/options.js";
import { protectResponse } from "../../firmware/oscore/protect.js";
import { unprotectRequest } from "../../firmware/oscore/unprotect.js";
import { encodeHealth } from "../../firmware/reading/codec.js";
import { changeSettings, encodeSettings, type Settings } from "../../firmware/reading/settings.js";
import { decode, renumbered, type TestNode } from "./helpers.js";

export interface Look {
  readonly width: number;
  readonly height: number;
  readonly scheme: "light" | "dark";
}
const DESK: Look = { width: 1400, height: 900, scheme: "light" };

/** The real server behind real UDP, and a real browser in front of it. */
export class PageBench {
  readonly directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
  server!: RunningServer;
  /** Messages of the pages' consoles, and errors: there should be none. */
  readonly complaints: string[] = [];
  /** What the pages have asked for. */
  readonly requests: Request[] = [];
  /** Settings of the one node that answers requests. */
  settings: Settings = { interval: 60, confirmable: true, batch: 1 };
  readonly #socket: Socket = createSocket("udp4");
  #browser: Browser | undefined;
  #messageId = 0;
  readonly #answering: TestNode;
  #axe = "";

  /** @param answering a node with the resources of ours */
  constructor(answering: TestNode) {
    this.#answering = answering;
    this.#socket.on("message", (datagram) => this.#down(datagram));
  }

  async start(executablePath: string): Promise<void> {
    await this.startServer();
    this.#axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    this.#browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  }

  /** @param port the same again, for pages that are open */
  async startServer(port = 0): Promise<void> {
    this.server = await startServer({
      dataDir: this.directory,
      http: { port },
      coap: { host: "127.0.0.1", port: 0 },
    });
  }

  async stop(): Promise<void> {
    await this.#browser?.close();
    this.#socket.close();
    await this.server?.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Over real UDP; resolves when the server has answered. */
  send(datagram: Uint8Array): Promise<void> {
    const messageId = ++this.#messageId & 0xffff;
    return new Promise((resolve) => {
      const onMessage = (answer: Uint8Array) => {
        if (((answer[2] << 8) | answer[3]) !== messageId || answer[1] < 0x20) return;
        this.#socket.off("message", onMessage);
        resolve();
      };
      this.#socket.on("message", onMessage);
      this.#socket.send(renumbered(datagram, messageId), this.server.coapAddress.port, "127.0.0.1");
    });
  }

  /** A request from the server, for the node that answers. */
  #down(datagram: Uint8Array): void {
    const outer = decode(datagram);
    if (outer.code === Code.EMPTY || outer.code >= 0x20) return;
    // What the gateway does: the name is for it.
    const options = outer.options.filter(({ number }) => number !== OptionNumber.URI_HOST);
    const opened = unprotectRequest(this.#answering.context, { ...outer, options });
    if (opened instanceof Refusal) throw new Error(`${opened}`);
    const { message, exchange } = opened;
    let payload = encodeHealth({ uptime: 4000, battery: 2900, queue: 3 });
    if (uriPath(message).join("/") === "settings") {
      if (message.code === Code.PUT)
        this.settings = changeSettings(this.settings, message.payload) as Settings;
      payload = encodeSettings(this.settings);
    }
    const answer = protectResponse(exchange, {
      type: Type.ACK,
      code: message.code === Code.PUT ? Code.CHANGED : Code.CONTENT,
      messageId: outer.messageId,
      token: outer.token,
      options: [uintOption(OptionNumber.CONTENT_FORMAT, ContentFormat.CBOR)],
      payload,
    });
    this.#socket.send(encodeMessage(answer), this.server.coapAddress.port, "127.0.0.1");
  }

  async open(hash: string, { width, height, scheme }: Look = DESK): Promise<Page> {
    const page = await this.#browser!.newPage({
      viewport: { width, height },
      colorScheme: scheme,
      reducedMotion: "reduce",
    });
    page.setDefaultTimeout(15_000);
    page.on("console", (message) => this.complaints.push(message.text()));
    page.on("pageerror", (error) => this.complaints.push(`${error}`));
    page.on("request", (request) => this.requests.push(request));
    await page.goto(`${this.server.httpUrl}/${hash}`);
    await page.getByTestId("connection").filter({ hasText: "Live" }).waitFor();
    return page;
  }

  /** What axe finds against WCAG 2.2 AA, each with where. */
  async barriers(page: Page): Promise<string[]> {
    await page.evaluate(this.#axe);
    const found = await page.evaluate<{ id: string; nodes: { html: string; failureSummary: string }[] }[]>(
      `axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })
        .then(({ violations }) => violations)`,
    );
    return found.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`),
    );
  }
}

/** Pixels of a chart's canvas that are not its ground, by what colour they are nearer to. */
export const PAINTED = `(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let [warm, cool] = [0, 0];
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] < 200) continue;
    if (data[at] > data[at + 2] + 60) warm++;
    if (data[at + 2] > data[at] + 60) cool++;
  }
  return { warm, cool };
}`;
