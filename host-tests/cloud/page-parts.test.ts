import assert from "node:assert/strict";
import fc from "fast-check";
import type { EventJson } from "../../cloud/model.js";
import type { MeshJson } from "../../cloud/overview-json.js";
import { rangeOf } from "../../cloud/page/axis.js";
import { eventFilter, matchesEvent } from "../../cloud/page/event-filter.js";
import { ago, duration, fixed, shortened } from "../../cloud/page/format.js";
import { layOut } from "../../cloud/page/map-layout.js";
import { deviceHref, hrefOf, parseRoute } from "../../cloud/page/router.js";
import { Series } from "../../cloud/page/series.js";
import { sparkline } from "../../cloud/page/sparkline.js";
import { EventStreamParser } from "../../cloud/page/sse.js";

describe("parts of the page", () => {
  describe("axes", () => {
    it("show all values and as much as they must", () => {
      const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
      fc.assert(
        fc.property(value, value, fc.integer({ min: 1, max: 100 }), (a, b, least) => {
          const [bottom, top] = rangeOf(Math.min(a, b), Math.max(a, b), least, false);
          assert.ok(bottom <= Math.min(a, b) && Math.max(a, b) <= top && top - bottom >= least);
        }),
      );
    });

    it("of what is counted begin at zero", () => {
      assert.deepEqual(rangeOf(0, 0, 4, true), [-0.184, 4.6]);
      assert.deepEqual(rangeOf(null, null, 4, true), [0, 4]);
      const [bottom, top] = rangeOf(0, 12, 4, true);
      assert.ok(bottom < 0 && bottom > -1 && top > 12);
      assert.deepEqual(rangeOf(100, 102, 4, true), rangeOf(100, 102, 4, false));
    });
  });

  describe("addresses", () => {
    it("lead back to where they were made, whatever a device is called", () => {
      fc.assert(
        fc.property(
          fc.string({ unit: "grapheme", minLength: 1 }),
          fc.string({ minLength: 1 }),
          (name, text) => {
            assert.deepEqual(parseRoute(deviceHref(name, { text })), { page: "node", name, query: { text } });
            assert.deepEqual(parseRoute(hrefOf("events", { text, node: "" })), {
              page: "events",
              query: { text },
            });
          },
        ),
      );
    });

    it("are nowhere when they are none, and never an error", () => {
      for (const [hash, page] of [
        ["", "overview"],
        ["#", "overview"],
        ["#/", "overview"],
        ["#/alarms", "alarms"],
        ["#/node/", "nowhere"],
        ["#/node/%E0%A4%A", "nowhere"],
        ["#/other", "nowhere"],
      ] as const) {
        assert.equal(parseRoute(hash).page, page, hash);
      }
      fc.assert(fc.property(fc.string(), (hash) => void parseRoute(hash)));
    });
  });

  it("read an event stream that is cut anywhere", () => {
    const text =
      'retry: 2000\n: hello\n\nevent: reading\ndata: {"a":1}\n\ndata: x\r\ndata:  y\r\n\r\nevent: lost\n\n';
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: text.length })), (cuts) => {
        const seen: string[][] = [];
        const parser = new EventStreamParser((name, data) => seen.push([name, data]));
        const places = [0, ...cuts.sort((a, b) => a - b), text.length];
        for (let i = 1; i < places.length; i++) parser.push(text.slice(places[i - 1], places[i]));
        assert.deepEqual(seen, [
          ["reading", '{"a":1}'],
          ["message", "x\n y"],
        ]);
      }),
    );
  });

  it("write numbers and times for people", () => {
    assert.deepEqual([4, 200, 7500, 7200, 200_000].map(duration), [
      "4 s",
      "3 min",
      "2 h 5 min",
      "2 h",
      "2 d 7 h",
    ]);
    assert.deepEqual(
      [1, 30, 300, 7200, 300_000].map((s) => ago(0, s * 1000)),
      ["just now", "30 s ago", "5 min ago", "2 h ago", "3 d ago"],
    );
    assert.deepEqual([fixed(-1.25, 1), fixed(undefined, 1)], ["−1.3", "–"]);
    assert.deepEqual([shortened("Küche", 5), shortened("🌡🌡🌡🌡", 3)], ["Küche", "🌡🌡…"]);
  });

  it("draw small lines inside of their box, with gaps where there is nothing", () => {
    const box = { width: 100, top: 10, bottom: 30 };
    const { line, area, last } = sparkline([0, 5, 6, 10], [1, 2, null, 2], 0, 10, box, 0.5);
    assert.equal(line, "M0 30L50 10M100 10");
    assert.equal(area, "M0 30L50 10L50 30L0 30ZM100 10L100 30L100 30Z");
    assert.deepEqual(last, [100, 10]);
    // What hardly changes is a calm line in the middle.
    assert.equal(sparkline([0, 10], [20, 20.01], 0, 10, box, 1).line, "M0 20.1L100 19.9");
    assert.deepEqual(sparkline([], [], 0, 1, box, 1), { line: "", area: "", last: undefined });
  });

  it("keep a series in order, whatever comes late", () => {
    const series = new Series();
    for (const time of [30, 10, 20, 20]) series.add(time, time, null);
    assert.deepEqual(series.columns()[0], [10, 20, 30]);
    series.add(500, 1, 1);
    assert.deepEqual(series.columns()[1], [10, 20, 30, null, 1], "no line over a silence");
    series.trim(25);
    assert.equal(series.first, 30);
  });

  describe("the map", () => {
    const gateway = (name: string, rings: [hops: number, nodes: number][]): MeshJson["gateways"][number] => ({
      name,
      connected: true,
      rings: rings.map(([hops, nodes]) => ({
        hops,
        count: nodes,
        nodes: Array.from({ length: nodes }, (_, i) => ({
          name: `${name}-${hops}-${i}`,
          state: "fresh" as const,
        })),
      })),
    });
    const mesh = (gateways: MeshJson["gateways"]): MeshJson => ({
      gateways,
      unheard: { count: 0, nodes: [] },
      relays: 0,
    });

    it("puts everything where it can be seen, on the ring of its hops", () => {
      const rings = fc.uniqueArray(
        fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 30 })),
        { selector: ([hops]) => hops, maxLength: 6 },
      );
      fc.assert(
        fc.property(fc.array(rings, { maxLength: 12 }), fc.integer({ min: 300, max: 1600 }), (all, width) => {
          const sorted = all.map((one, i) =>
            gateway(
              `g${i}`,
              one.toSorted(([a], [b]) => a - b),
            ),
          );
          const { systems, height } = layOut(mesh(sorted), width);
          for (const { x, y, rings: drawn, nodes } of systems) {
            assert.ok(x > 0 && x < width && y > 0 && y < height);
            for (const node of nodes) {
              assert.ok(
                node.x >= 0 && node.x <= width && node.y >= 0 && node.y <= height,
                JSON.stringify(node),
              );
              const { rx, ry } = drawn.find(({ hops }) => hops === node.hops)!;
              const distance = ((node.x - x) / rx) ** 2 + ((node.y - y) / ry) ** 2;
              assert.ok(Math.abs(distance - 1) < 0.02, `${distance}`);
            }
            for (let i = 1; i < drawn.length; i++) assert.ok(drawn[i].rx > drawn[i - 1].rx);
          }
        }),
        { numRuns: 50 },
      );
    });

    it("keeps nodes apart, and leaves names out where there is no room for them", () => {
      const few = layOut(
        mesh([
          gateway("g", [
            [1, 5],
            [2, 5],
            [3, 5],
          ]),
        ]),
        800,
      );
      assert.ok(few.named);
      const { nodes } = few.systems[0];
      for (const a of nodes)
        for (const b of nodes) assert.ok(a === b || Math.hypot(a.x - b.x, a.y - b.y) > 12);
      assert.equal(layOut(mesh([gateway("g", [[1, 50]])]), 800).named, false);
    });

    it("draws a bridge from a node to each other gateway that hears it", () => {
      const east = gateway("east", [[1, 1]]);
      const [ring] = east.rings;
      const rings = [{ ...ring, nodes: [{ ...ring.nodes[0], also: { west: 3, gone: 1 } }] }];
      const { bridges } = layOut(mesh([{ ...east, rings }, gateway("west", [])]), 700);
      assert.deepEqual(
        bridges.map(({ to, hops }) => [to.gateway.name, hops]),
        [["west", 3]],
      );
    });
  });

  it("hold live events to the same filter as the server", () => {
    const event: EventJson = {
      id: "1",
      time: "",
      last: "",
      count: 1,
      kind: "security",
      severity: "warning",
      node: "node-1",
      gateway: "gateway-2",
      reason: "mesh-replay",
      detail: "Seen before",
    };
    const matches = (query: Record<string, string>) => matchesEvent(event, eventFilter(query));
    for (const query of [
      {},
      { kind: "security" },
      { severity: "warning", node: "gateway-2" },
      { text: "MESH replay" },
      { text: "seen" },
      { text: "node-1" },
      { kind: "nonsense" },
    ]) {
      assert.equal(matches(query as Record<string, string>), true, JSON.stringify(query));
    }
    for (const query of [{ kind: "system" }, { severity: "info" }, { node: "node" }, { text: "other" }]) {
      assert.equal(matches(query as Record<string, string>), false, JSON.stringify(query));
    }
  });
});
