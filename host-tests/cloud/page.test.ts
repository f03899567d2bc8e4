import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { type RunningServer, startServer } from "../../cloud/server.js";
import { renumbered, TestNode } from "./helpers.js";

const CHROMIUM = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser"].find(
  (path) => path !== undefined && existsSync(path),
);
const HOSTILE = '<img src=x onerror="document.title=1">';

describe("cloud page", function () {
  this.timeout(60_000);
  let directory: string;
  let server: RunningServer;
  let browser: Browser;
  let socket: Socket;
  let messageId = 0;
  const node = new TestNode("node-1", 1, { meshAddress: 0x12, place: "Meeting room" });
  const hostile = new TestNode(HOSTILE, 2, { place: HOSTILE });
  const gateway = new TestNode("gateway-1", 3, { kind: "gateway", meshAddress: 1 });
  /** Messages of the page's console, and errors: there should be none. */
  const complaints: string[] = [];

  before(async function () {
    if (CHROMIUM === undefined) {
      if (process.env.CI === "true") throw new Error("no chromium: install it, or name one in CHROMIUM");
      console.log("      skipped: no chromium here (install it, or name one in CHROMIUM)");
      this.skip();
    }
    directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
    server = await startServer({
      dataDir: directory,
      http: { port: 0 },
      coap: { host: "127.0.0.1", port: 0 },
    });
    for (const { spec } of [node, hostile, gateway]) await server.registry.upsert(spec);
    socket = createSocket("udp4");
    await send(
      gateway.health({
        uptime: 3600,
        rsrp: -97,
        rat: "LTE-M",
        modem: "ready",
        queue: 2,
        heard: new Map([[0x12, 2]]),
      }).datagram,
    );
    // History, with an age each.
    for (let minute = 30; minute > 0; minute--) {
      await send(
        node.readings([{ age: minute * 60, temperature: 2000 + minute, humidity: 4000, battery: 2950 }])
          .datagram,
      );
    }
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  });

  after(async () => {
    await browser?.close();
    socket?.close();
    await server?.stop();
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  /** Over real UDP; resolves when the server has answered. */
  const send = (datagram: Uint8Array): Promise<unknown> =>
    new Promise((resolve) => {
      socket.once("message", resolve);
      socket.send(renumbered(datagram, ++messageId), server.coapAddress.port, "127.0.0.1");
    });

  const open = async (width: number, height: number, colorScheme: "light" | "dark"): Promise<Page> => {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme });
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(`${error}`));
    await page.goto(server.httpUrl!);
    await page.getByTestId("connection").filter({ hasText: "Live" }).waitFor();
    return page;
  };
  const card = (page: Page, name: string) =>
    page.locator(`[data-testid="node-card"][data-node=${JSON.stringify(name)}]`);

  it("shows a card per node with its values, a chart with points, and how it is reached", async () => {
    const page = await open(1400, 900, "light");
    await page.locator('[data-testid="chart"][data-points="30"]').waitFor();
    assert.equal(await page.getByTestId("node-card").count(), 2);
    const one = card(page, "node-1");
    assert.equal(await one.getByTestId("temperature").textContent(), "20.0");
    assert.equal(await one.getByTestId("humidity").textContent(), "40.0");
    assert.equal(await one.getByTestId("battery").textContent(), "2.95 V");
    assert.match((await one.getByTestId("hops").textContent()) ?? "", /2 hops → gateway-1/);
    assert.match(
      (await one.getByTestId("chart").getAttribute("aria-label")) ?? "",
      /temperature 20\.0 to 20\.3 °C/,
    );
    // Lines are really drawn: pixels of both colours are on the canvas.
    const painted = await one.locator("canvas").evaluate((canvas) => {
      const element = canvas as unknown as {
        width: number;
        height: number;
        getContext(kind: "2d"): { getImageData(...box: number[]): { data: Uint8ClampedArray } };
      };
      const { data } = element.getContext("2d").getImageData(0, 0, element.width, element.height);
      let [warm, cool] = [0, 0];
      for (let at = 0; at < data.length; at += 4) {
        if (data[at + 3] < 200) continue;
        if (data[at] > data[at + 2] + 60) warm++;
        if (data[at + 2] > data[at] + 60) cool++;
      }
      return { warm, cool };
    });
    assert.ok(painted.warm > 100 && painted.cool > 100, JSON.stringify(painted));
    await page.close();
  });

  it("follows what comes, without being loaded again", async () => {
    const page = await open(1400, 900, "dark");
    await page.locator('[data-testid="chart"][data-points="30"]').waitFor();
    await send(node.reading(2348, 5432).datagram);
    await card(page, "node-1").getByTestId("temperature").filter({ hasText: "23.5" }).waitFor();
    await page.locator('[data-testid="chart"][data-points="31"]').waitFor();
    assert.equal(await page.getByTestId("count-arrived").textContent(), "1");
    await page.close();
  });

  it("shows a refused tampering with its reason, and not its value", async () => {
    const page = await open(1400, 900, "light");
    const { datagram } = node.reading(9999);
    datagram[datagram.length - 1] ^= 1;
    await send(datagram);
    const row = page.locator('[data-testid="event-row"][data-reason="oscore-decrypt"]');
    await row.waitFor();
    assert.match((await row.textContent()) ?? "", /Changed or forged message.*node-1/s);
    assert.equal(await card(page, "node-1").getByTestId("refused").textContent(), "1 refused");
    assert.notEqual(await card(page, "node-1").getByTestId("temperature").textContent(), "99.9");
    await page.locator("#filter input[value=system]").check();
    await row.waitFor({ state: "detached" });
    await page.close();
  });

  it("shows the gateway's state", async () => {
    const page = await open(1400, 900, "light");
    const text = (await page.getByTestId("gateway-card").textContent()) ?? "";
    for (const part of ["gateway-1", "connected", "−97 dBm", "LTE-M", "1 h", "2 hopsnode-1"]) {
      assert.ok(text.includes(part), `${part} in ${text}`);
    }
    await page.close();
  });

  it("shows hostile names as text", async () => {
    const page = await open(1400, 900, "light");
    await send(hostile.reading(2100).datagram);
    const title = page.getByTestId("node-card").locator("h3", { hasText: "onerror" });
    assert.equal(await title.textContent(), HOSTILE);
    assert.equal(await page.title(), "oscore-mesh");
    assert.equal(await page.locator("main img").count(), 0);
    await page.close();
  });

  it("fits a phone, in both themes, and works with the keyboard", async () => {
    for (const scheme of ["light", "dark"] as const) {
      const page = await open(360, 740, scheme);
      await page.locator('[data-testid="chart"]').first().waitFor();
      const { wide, shown } = (await page.evaluate(
        "({ wide: document.documentElement.scrollWidth, shown: innerWidth })",
      )) as {
        wide: number;
        shown: number;
      };
      assert.ok(wide <= shown, `${wide} px in ${shown}`);
      await page.locator("#span input:checked").focus();
      await page.keyboard.press("ArrowRight");
      assert.equal(await page.locator("#span input:checked").getAttribute("value"), "6h");
      await page.close();
    }
  });

  it("says when the server is gone, and comes back with it", async () => {
    const page = await open(1400, 900, "light");
    const port = Number(new URL(server.httpUrl!).port);
    await server.stop();
    await page.getByTestId("connection").filter({ hasText: "lost" }).waitFor();
    assert.equal(await card(page, "node-1").count(), 1, "what was known stays");
    complaints.length = 0;
    server = await startServer({ dataDir: directory, http: { port }, coap: { host: "127.0.0.1", port: 0 } });
    await page.getByTestId("connection").filter({ hasText: "Live" }).waitFor();
    await send(node.reading(1234).datagram);
    await card(page, "node-1").getByTestId("temperature").filter({ hasText: "12.3" }).waitFor();
    await page.close();
    complaints.length = 0;
  });

  afterEach(() => assert.deepEqual(complaints, []));
});
