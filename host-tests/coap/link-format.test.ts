import assert from "node:assert/strict";
import fc from "fast-check";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { filterLinks, formatLinks, type Link, parseLinks } from "../../firmware/coap/link-format.js";

/** RFC 6690 §5. */
const SENSORS =
  '</sensors>;ct=40;title="Sensor Index",' +
  '</sensors/temp>;rt="temperature-c";if="sensor",' +
  '</sensors/light>;rt="light-lux core.sen-light";if="sensor",' +
  '<http://www.example.com/sensors/t123>;anchor="/sensors/temp";rel="describedby",' +
  '</t>;anchor="/sensors/temp";rel="alternate",' +
  '</firmware/v2.1>;rt="firmware";sz=262144;obs';

function links(text: string): Link[] {
  const parsed = parseLinks(text);
  assert.ok(!(parsed instanceof Refusal), `${parsed}`);
  return parsed;
}

describe("link format (RFC 6690)", () => {
  it("reads the examples of §5, and writes them as they were", () => {
    const parsed = links(SENSORS);
    assert.equal(parsed.length, 6);
    assert.deepEqual(parsed[0], {
      target: "/sensors",
      attributes: [
        ["ct", "40"],
        ["title", "Sensor Index"],
      ],
    });
    assert.deepEqual(parsed[5].attributes, [
      ["rt", "firmware"],
      ["sz", "262144"],
      ["obs", undefined],
    ]);
    assert.equal(formatLinks(parsed), SENSORS);
    assert.deepEqual(parseLinks(""), []);
    assert.equal(formatLinks([]), "");
  });

  it("filters by what a query asks for", () => {
    const targets = (...query: string[]) => filterLinks(links(SENSORS), query).map(({ target }) => target);
    assert.deepEqual(targets("rt=light-lux"), ["/sensors/light"]);
    assert.deepEqual(targets("rt=core.sen-light"), ["/sensors/light"]);
    assert.deepEqual(targets("rt=light*"), ["/sensors/light"]);
    assert.deepEqual(targets("rt=core*"), ["/sensors/light"]);
    assert.deepEqual(targets("rt=light"), []);
    assert.deepEqual(targets("if=sensor"), ["/sensors/temp", "/sensors/light"]);
    assert.deepEqual(targets("if=sensor", "rt=temperature-c"), ["/sensors/temp"]);
    assert.deepEqual(targets("href=/sensors*"), ["/sensors", "/sensors/temp", "/sensors/light"]);
    assert.deepEqual(targets("href=/t"), ["/t"]);
    assert.deepEqual(targets("anchor=/sensors/temp", "rel=alternate"), ["/t"]);
    assert.deepEqual(targets("title=Sensor Index"), ["/sensors"]);
    assert.deepEqual(targets("title=Index"), []);
    assert.deepEqual(targets("obs"), ["/firmware/v2.1"]);
    assert.deepEqual(targets("obs=1*"), []);
    assert.deepEqual(targets("sz=*"), ["/firmware/v2.1"]);
    assert.deepEqual(targets("nothing=*"), []);
    assert.equal(targets().length, 6);
  });

  it("passes over blanks, takes escapes", () => {
    assert.deepEqual(links(' </a> ; x="\\"q\\\\" ;\n y , </b>'), [
      {
        target: "/a",
        attributes: [
          ["x", '"q\\'],
          ["y", undefined],
        ],
      },
      { target: "/b", attributes: [] },
    ]);
  });

  it("refuses what is no list of links, and says why", () => {
    const cases: [string, string][] = [
      ["/a", "link-target"],
      ["</a", "link-target"],
      ["</a>,", "link-target"],
      ["</a>;", "link-attribute"],
      ["</a>;=x", "link-attribute"],
      ["</a>;x=", "link-attribute"],
      ['</a>;x="y', "link-quotes"],
      ['</a>;x="y\\', "link-quotes"],
      ["</a></b>", "link-separator"],
      ['</a>;x="y"z', "link-separator"],
    ];
    for (const [text, reason] of cases) {
      const parsed = parseLinks(text);
      assert.ok(parsed instanceof Refusal && parsed.reason === reason, `${text}: ${parsed}`);
    }
  });

  it("reading is the inverse of writing; any text is read or refused", () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9*-]{0,5}$/);
    const link = fc.record({
      target: fc.string({ maxLength: 10 }).map((text) => text.replaceAll(">", "")),
      attributes: fc.array(fc.tuple(name, fc.option(fc.string({ maxLength: 8 }), { nil: undefined })), {
        maxLength: 3,
      }),
    });
    fc.assert(
      fc.property(fc.array(link, { maxLength: 4 }), (all) => {
        assert.deepEqual(
          links(formatLinks(all)),
          all.map(({ target, attributes }) => ({ target, attributes })),
        );
      }),
    );
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^<[a<>;="\\, ]*$/)), (text) => {
        parseLinks(text);
      }),
      { numRuns: 1000 },
    );
  });
});
