import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { findChromium } from "../../scripts/start/chromium.js";
import { TestNode } from "./helpers.js";
import { type Look, PAINTED, PageBench } from "./page-bench.js";

const HOSTILE = '<img src=x onerror="document.title=1">';
const MANY = 120;
/** Bytes that the first look may take. */
const BUDGET = 200_000;

describe("cloud page", function () {
  this.timeout(60_000);
  const node = new TestNode("node-1", 1, { meshAddress: 0x12, place: "Meeting room" });
  const hostile = new TestNode(HOSTILE, 2, { place: HOSTILE });
  const gateway = new TestNode("gateway-1", 3, { kind: "gateway", meshAddress: 1 });
  let bench: PageBench;

  before(async function () {
    const executablePath = findChromium();
    if (executablePath === undefined) {
      if (process.env.CI === "true") throw new Error("no chromium: install it, or name one in CHROMIUM");
      console.log("      skipped: no chromium here (install it, or name one in CHROMIUM)");
      this.skip();
    }
    bench = new PageBench(node);
    await bench.start(executablePath);
    const { registry } = bench.server;
    for (const { spec } of [node, hostile, gateway]) await registry.upsert(spec);
    await registry.upsert({ name: "relay-1", kind: "relay", meshAddress: 0x50 });
    for (let i = 1; i <= MANY; i++) await registry.upsert({ name: `spare-${i}`, place: `Shelf ${i}` });
    await report();
    // History, with an age each.
    for (let minute = 30; minute > 0; minute--) {
      await bench.send(
        node.readings([{ age: minute * 60, temperature: 2000 + minute, humidity: 4000, battery: 2950 }])
          .datagram,
      );
    }
  });

  after(() => bench?.stop());
  afterEach(() => assert.deepEqual(bench.complaints.splice(0), []));

  const report = () =>
    bench.send(
      gateway.health({
        uptime: 3600,
        rsrp: -97,
        rat: "LTE-M",
        modem: "ready",
        queue: 2,
        drops: new Map([["mesh: mic", 3]]),
        heard: new Map([[0x12, 2]]),
      }).datagram,
    );
  const useToken = (page: Page) =>
    page.evaluate(`sessionStorage.setItem("oscore-mesh-token", ${JSON.stringify(bench.server.apiToken)})`);
  const card = (page: Page, name: string) =>
    page.locator(`[data-testid="node-card"][data-node=${JSON.stringify(name)}]`);

  it("shows at a glance who reports, how it went, and who is heard through how many hops", async () => {
    const page = await bench.open("#/");
    const one = card(page, "node-1");
    await one.locator('[data-testid="spark"][data-points="30"]').waitFor();
    assert.equal(await one.getByTestId("temperature").textContent(), "20.0");
    assert.equal(await one.getByTestId("humidity").textContent(), "40.0");
    assert.equal(await one.getByTestId("battery").textContent(), "2.95 V");
    assert.match((await one.getByTestId("hops").textContent()) ?? "", /2 hops → gateway-1/);
    assert.equal(await page.getByTestId("count-reporting").textContent(), "1");
    // On the server's own machine one may look.
    await page.getByTestId("open-token").filter({ hasText: "Viewer" }).waitFor();
    const map = page.getByTestId("map").locator("svg");
    assert.match((await map.getAttribute("aria-label")) ?? "", /gateway-1 hears 1 node over 2 hops/);
    assert.equal(await page.locator('.map-node[data-name="node-1"]').getAttribute("data-state"), "fresh");
    assert.match((await page.getByTestId("heard").textContent()) ?? "", /2 hopsMeeting room/);

    await bench.send(node.reading(2348, 5432).datagram);
    await one.getByTestId("temperature").filter({ hasText: "23.5" }).waitFor();
    await one.locator('[data-testid="spark"][data-points="31"]').waitFor();
    await page.close();
  });

  it("loads in under 200 KB, from the server alone", async () => {
    bench.requests.length = 0;
    const page = await bench.open("#/");
    await card(page, "node-1").locator('[data-testid="spark"][data-points="31"]').waitFor();
    let bytes = 0;
    for (const request of bench.requests) {
      assert.equal(new URL(request.url()).origin, bench.server.httpUrl);
      if (request.url().endsWith("/api/stream")) continue;
      await (await request.response())?.finished();
      const { responseBodySize, responseHeadersSize } = await request.sizes();
      bytes += responseBodySize + responseHeadersSize;
    }
    assert.ok(bytes > 20_000 && bytes < BUDGET, `${bytes} bytes`);
    await page.close();
  });

  it("draws a node's history, zooms into it, tells it as a table and gives it away", async () => {
    const page = await bench.open("#/node/node-1");
    const chart = page.locator('[data-testid="chart"][data-quantity="temperature"]');
    const plotted = () => chart.getAttribute("data-points");
    await page.locator('[data-quantity="temperature"][data-points="31"]').waitFor();
    assert.match(
      (await chart.getByRole("img").getAttribute("aria-label")) ?? "",
      /Temperature 20\.01 to 23\.48 °C, newest 23\.48/,
    );
    // The line is really drawn: pixels of its colour are on the canvas.
    const painted = (await chart
      .locator("canvas")
      .evaluate(
        `(${PAINTED})(arguments[0])`.replace("arguments[0]", "document.querySelector('canvas')"),
      )) as { warm: number };
    assert.ok(painted.warm > 100, JSON.stringify(painted));

    const box = (await chart.locator(".u-over").boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.2, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, box.y + 60, { steps: 4 });
    await page.mouse.up();
    await page.getByTestId("back-to-now").waitFor();
    await page.locator('[data-quantity="temperature"]:not([data-points="31"])').waitFor();
    const zoomed = Number(await plotted());
    assert.ok(zoomed >= 8 && zoomed <= 12, `${zoomed} points`);
    await page.getByRole("button", { name: "Zoom out" }).click();
    await page.getByTestId("back-to-now").click();
    await page.locator('[data-quantity="temperature"][data-points="31"]').waitFor();

    await page.getByText("Show as a table").click();
    const rows = page.getByTestId("history-table").locator("tbody tr");
    await rows.nth(30).waitFor();
    assert.equal(await rows.count(), 31);
    assert.match((await rows.first().textContent()) ?? "", /23\.48.*54\.3.*3\.00/);

    for (const [index, first] of [
      /^node,time,temperature.*\r\n(node-1,.*\r\n){31}$/,
      /"bn":"node-1\/"/,
    ].entries()) {
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByTestId("export").nth(index).click(),
      ]);
      assert.match(await readFile(await download.path(), "utf8"), first);
    }
    await page.close();
  });

  it("tells a node what to do when it is heard, with a token that is in no address", async () => {
    const page = await bench.open("#/node/node-1");
    await page.getByTestId("read-settings").click();
    await page.getByTestId("token").fill("not-the-token");
    await page.getByTestId("use-token").click();
    // Asked again: it was wrong. The browser's own line about it is no complaint.
    await page.locator("#token-why").filter({ hasText: "wrong token" }).waitFor();
    await page.getByTestId("token").fill(bench.server.apiToken);
    await page.getByTestId("use-token").click();
    await page.getByTestId("open-token").filter({ hasText: "Admin" }).waitFor();
    const requests = page.getByTestId("request");
    await bench.send(node.reading(2100).datagram);
    await requests.filter({ hasText: "GET /settings" }).filter({ hasText: "answered" }).waitFor();
    bench.complaints.length = 0;
    assert.equal(await page.getByTestId("interval").inputValue(), "60");

    await page.getByTestId("interval").fill("30");
    bench.server.registry.named("node-1")!.reachable = undefined;
    await page.getByRole("button", { name: "Send to the node" }).click();
    const put = requests.filter({ hasText: "PUT /settings" });
    await put.filter({ hasText: "node-1 listens when it has spoken" }).waitFor();
    await bench.send(node.reading(2100).datagram);
    await put.filter({ hasText: "Answered 2.04" }).waitFor();
    assert.deepEqual(bench.settings, { interval: 30, confirmable: true, batch: 1 });

    await page.getByTestId("ask-stats").click();
    await page.getByTestId("stats").filter({ hasText: "1 h 6 min" }).waitFor();
    for (const request of bench.requests) assert.ok(!request.url().includes(bench.server.apiToken));
    assert.deepEqual(await page.evaluate("[document.cookie, localStorage.length]"), ["", 0]);
    await page.close();
  });

  it("shows a gateway's signal, registration, queue, counts and whom it hears", async () => {
    const page = await bench.open("#/node/gateway-1");
    await page.getByTestId("gateway-state").filter({ hasText: "LTE-M" }).waitFor();
    const text = (await page.getByTestId("gateway-state").textContent()) ?? "";
    for (const part of ["−97 dBm", "connected", "LTE-M", "1 h", "3 dropped"])
      assert.ok(text.includes(part), `${part} in ${text}`);
    await page.getByTestId("heard").filter({ hasText: "Meeting room" }).waitFor({ state: "attached" });
    await report();
    const signal = page.locator('[data-quantity="signal"]:not([data-points="0"])').getByRole("img");
    assert.match((await signal.getAttribute("aria-label")) ?? "", /Signal −97 to −97 dBm/);
    assert.equal(await page.locator('[data-quantity="supply"]').isVisible(), false, "it told none");
    await page.close();
  });

  it("lists nodes by pages, sorted and searched, however many there are", async () => {
    const page = await bench.open("#/nodes");
    const rows = page.getByTestId("node-row");
    await page
      .getByTestId("place")
      .filter({ hasText: `1 – 50 of ${MANY + 2}` })
      .waitFor();
    assert.equal(await rows.count(), 50);
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByTestId("place").filter({ hasText: "51 – 100" }).waitFor();
    await page.getByRole("button", { name: "Temperature" }).click();
    assert.equal(
      await page.locator('[data-column="temperature"][aria-sort]').getAttribute("aria-sort"),
      "descending",
    );
    await rows.first().filter({ hasText: "Meeting room" }).waitFor();
    await page.getByTestId("search").fill("shelf 77");
    await page.getByTestId("place").filter({ hasText: "1 – 1 of 1" }).waitFor();
    assert.match((await rows.first().textContent()) ?? "", /Shelf 77.*never/);
    // The address says it all: it can be kept, and sent to somebody.
    assert.match(page.url(), /search=shelf\+77/);
    await page.close();
  });

  it("raises an alarm, counts it in the title, and lets it be acknowledged here", async () => {
    const page = await bench.open("#/");
    await bench.send(node.readings([{ age: 0, temperature: 2000, battery: 2250 }]).datagram);
    await page.getByTestId("strip").filter({ hasText: "battery at 2.25 V" }).waitFor();
    await page.getByTestId("badge").filter({ hasText: "1" }).waitFor();
    assert.equal(await page.title(), "(1) oscore-mesh");
    await page.getByTestId("nav-alarms").click();
    const alarm = page.getByTestId("open-alarms").getByTestId("alarm");
    await alarm.getByRole("button", { name: "Acknowledge: Battery low, Meeting room" }).click();
    await page.getByTestId("seen-alarms").getByTestId("alarm").waitFor();
    assert.equal(await page.title(), "Alarms · oscore-mesh");
    assert.equal(await page.getByTestId("badge").isVisible(), false);
    await page.reload();
    await page.getByTestId("seen-alarms").getByTestId("alarm").waitFor();
    await bench.send(node.reading(2000).datagram);
    await page.getByTestId("open-alarms").filter({ hasText: "All is well" }).waitFor();
    await page.getByTestId("alarm").waitFor({ state: "detached" });
    await page.close();
  });

  it("shows what was refused with its reason, finds it by filters, and can be paused", async () => {
    const page = await bench.open("#/events");
    const tampered = () => {
      const { datagram } = node.reading(9999);
      datagram[datagram.length - 1] ^= 1;
      return bench.send(datagram);
    };
    await tampered();
    const row = page.locator('[data-testid="event-row"][data-reason="oscore-decrypt"]');
    await row.waitFor();
    assert.match((await row.textContent()) ?? "", /Changed or forged message.*node-1/s);
    // So many devices were added that there is more than a page.
    await page.getByTestId("older").click();
    await page.getByTestId("event-row").nth(60).waitFor();
    await page.getByTestId("kind").selectOption("security");
    await page.locator("[data-kind=system]").first().waitFor({ state: "detached" });
    await row.waitFor();
    assert.match(page.url(), /#\/events\?kind=security$/);

    await page.getByTestId("pause").click();
    await tampered();
    await page.getByTestId("paused").filter({ hasText: "1 new" }).waitFor();
    assert.equal(await row.getByText("× 2").count(), 0);
    await page.getByTestId("pause").click();
    await row.getByText("× 2").waitFor();
    await page.getByTestId("event-text").fill("nothing like this");
    await row.waitFor({ state: "detached" });
    await page.close();
  });

  it("shows devices that nobody knows as one line", async () => {
    const page = await bench.open("#/");
    for (const kid of [80, 81]) await bench.send(new TestNode("stranger", kid).reading(1).datagram);
    const line = page.getByTestId("unknown").filter({ hasText: "2 unknown devices spoke 2 times" });
    await line.filter({ hasText: "kid 0051, 0050" }).waitFor();
    await page.close();
  });

  it("shows hostile names as text, on every page", async () => {
    await bench.send(hostile.reading(2100).datagram);
    for (const hash of [
      "#/",
      "#/nodes?search=img",
      `#/node/${encodeURIComponent(HOSTILE)}`,
      "#/events",
      "#/node/%E0%A4%A",
      `#/${HOSTILE}`,
    ]) {
      const page = await bench.open(hash);
      if (hash.startsWith("#/node/%3C")) await page.locator("h1", { hasText: "onerror" }).waitFor();
      else if (!hash.includes("%E0") && !hash.startsWith("#/<") && hash !== "#/events") {
        const shown = page.locator("main a:visible", { hasText: "onerror" }).first();
        await shown.waitFor();
        assert.equal(await shown.textContent(), HOSTILE);
      }
      assert.match(await page.title(), /oscore-mesh$/);
      assert.equal(await page.locator("main img").count(), 0);
      await page.close();
    }
  });

  it("fits a phone, in both themes, and puts no barrier before anybody", async () => {
    const looks: Look[] = [
      { width: 360, height: 740, scheme: "light" },
      { width: 1400, height: 900, scheme: "dark" },
    ];
    const found: string[] = [];
    for (const look of looks) {
      for (const hash of [
        "#/",
        "#/nodes",
        "#/node/node-1",
        "#/node/gateway-1",
        "#/node/relay-1",
        "#/alarms",
        "#/events",
      ]) {
        const page = await bench.open(hash, look);
        await page.locator("main h1").waitFor({ state: "attached" });
        await page.waitForLoadState("load");
        if (hash === "#/node/node-1") await page.locator("canvas").first().waitFor();
        const { wide, shown } = await page.evaluate<{ wide: number; shown: number }>(
          "({ wide: document.documentElement.scrollWidth, shown: innerWidth })",
        );
        assert.ok(wide <= shown, `${hash}: ${wide} px in ${shown}`);
        for (const barrier of await bench.barriers(page)) found.push(`${hash} ${look.scheme} ${barrier}`);
        await page.close();
      }
    }
    assert.deepEqual(found, []);
  });

  it("works with the keyboard alone", async () => {
    const page = await bench.open("#/");
    await card(page, "node-1").waitFor();
    const focused = () => page.evaluate("document.activeElement.textContent");
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "Skip to the content");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate("document.activeElement.id"), "main");
    assert.match(page.url(), /#\/$/);
    await page.getByTestId("nav-nodes").focus();
    await page.keyboard.press("Enter");
    // On a new page one begins at its heading.
    await page.locator("h1:focus").waitFor();
    assert.equal(await focused(), "Nodes");
    await page.goBack();
    await page.locator("[data-testid=span] input:checked").focus();
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.locator("[data-testid=span] input:checked").getAttribute("value"), "6h");
    await page.close();
  });

  it("removes a device after a question, and says so", async () => {
    const page = await bench.open("#/node/spare-9");
    await useToken(page);
    await page.getByTestId("remove").click();
    await page.getByRole("button", { name: "Keep" }).click();
    await page.getByTestId("remove").click();
    await page.getByTestId("yes").click();
    await page.getByTestId("status").filter({ hasText: "spare-9 was removed." }).waitFor();
    await page
      .getByTestId("place")
      .filter({ hasText: `of ${MANY + 1}` })
      .waitFor();
    assert.equal(bench.server.registry.get("spare-9"), undefined);
    await page.close();
  });

  it("says when the server is gone, and comes back with it", async () => {
    const page = await bench.open("#/");
    const port = Number(new URL(bench.server.httpUrl!).port);
    await card(page, "node-1").waitFor();
    await bench.server.stop();
    await page.getByTestId("connection").filter({ hasText: "lost" }).waitFor();
    assert.equal(await card(page, "node-1").count(), 1, "what was known stays");
    await bench.startServer(port);
    await page.getByTestId("connection").filter({ hasText: "Live" }).waitFor();
    await bench.send(node.reading(1234).datagram);
    await card(page, "node-1").getByTestId("temperature").filter({ hasText: "12.3" }).waitFor();
    await page.close();
    bench.complaints.length = 0;
  });
});
