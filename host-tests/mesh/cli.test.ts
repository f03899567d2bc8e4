import assert from "node:assert/strict";
import { run } from "../../scripts/mesh/cli.js";
import { APP_KEY, BLUEZ_EXCHANGE, DEVICE_KEY, MESSAGES, NET_KEY } from "./vectors.js";

function mesh(args: readonly string[], input = "") {
  const out: string[] = [];
  const errors: string[] = [];
  const code = run(args, {
    out: (line) => out.push(line),
    error: (line) => errors.push(line),
    input: () => input,
  });
  return { code, out: out.join("\n"), errors: errors.join("\n") };
}

const KEYS = ["--netkey", NET_KEY, "--appkey", APP_KEY, "--devkey", DEVICE_KEY, "--iv-index", "0x12345678"];

describe("npm run mesh -- decode", () => {
  for (const vector of MESSAGES) {
    it(`explains ${vector.name}`, () => {
      const label = vector.access?.label;
      const { code, out, errors } = mesh([
        "decode",
        ...KEYS,
        ...(label === undefined ? [] : ["--label", label]),
        ...(vector.friendship ? ["--friendship", "0x1201,0x2345,0,0x072f"] : []),
        ...vector.network,
      ]);
      assert.equal(code, 0, errors);
      for (const transport of vector.transport) assert.ok(out.includes(transport));
      assert.match(out, new RegExp(`SRC: 0x${vector.src.toString(16).padStart(4, "0")}`));
      if (vector.access !== undefined) assert.ok(out.includes(`bytes: ${vector.access.payload}`));
    });
  }

  it("explains AD structures, from standard input too, and CoAP inside", () => {
    const { code, out } = mesh(
      ["decode", ...KEYS, "-"],
      `${BLUEZ_EXCHANGE[0].network}\n\n172b01003ecaff672f673370123456788ea261582f364f6f\n`,
    );
    assert.equal(code, 0);
    assert.match(out, /company 0x0059/);
    assert.match(out, /Secure network beacon[\s\S]*IV Index: 0x12345678/);
  });

  it("explains unprovisioned beacons and PB-ADV without any key", () => {
    const { code, out } = mesh([
      "decode",
      "142b0070cf7c9732a345b691494810d2e9cbf44020",
      "172923af5850000370cf7c9732a345b691494810d2e9cbf4",
      "0b2923af585000000002140000".replace(/^0b/, "0c"),
    ]);
    assert.equal(code, 0);
    assert.match(out, /UUID: 70cf7c9732a345b691494810d2e9cbf4/);
    assert.match(out, /Link Open/);
    assert.match(out, /total length: 2, FCS: 0x14/);
  });

  it("explains service data: the sample data of 8.5.1 and 8.6.1 to 8.6.4", () => {
    const { code, out } = mesh([
      "decode",
      "--netkey",
      NET_KEY,
      "1516271870cf7c9732a345b691494810d2e9cbf42040",
      "0c162818003ecaff672f673370",
      "141628180100861765aefcc57b34ae608fbbc1f2c6",
      "1416281802d30f7229ef04543534ae608fbbc1f2c6",
      "14162818032c64a8cbca65bfe134ae608fbbc1f2c6",
    ]);
    assert.equal(code, 0);
    assert.match(out, /Device UUID: 70cf7c9732a345b691494810d2e9cbf4\s+OOB information: 0x4020/);
    assert.match(out, /Network ID: 3ecaff672f673370\s+NetKey: number 1/);
    assert.match(out, / {2}Node Identity, [^\n]*\s+NetKey: number 1, node: 0x1201/);
    assert.match(out, /Private Network Identity, [^\n]*\s+NetKey: number 1\s/);
    assert.match(out, /Private Node Identity, [^\n]*\s+NetKey: number 1, node: 0x1201/);
    const other = mesh(["decode", "--netkey", "00".repeat(16), "0c162818003ecaff672f673370"]);
    assert.equal(other.code, 1);
  });

  it("explains private beacons: the sample data of 8.4.6", () => {
    const { code, out } = mesh([
      "decode",
      "--netkey",
      "f7a2a44f8e8a8029064f173ddc1e2b00",
      "--netkey",
      "3bbb6f1fbd53e157417f308ce7aec58f",
      "1c2b02435f18f85cf78a3121f58478a561e488e7cbf3174f022a514741",
      "1c2b021b998f82927535ea6f3076f422ce827408ab2f0ffb94cf97f881",
    ]);
    assert.equal(code, 0);
    assert.match(out, /NetKey: number 1[\s\S]*IV Index: 0x1010abcd\s+IV Update: in progress/);
    assert.match(out, /NetKey: number 2[\s\S]*IV Index: 0x00000000\s+IV Update: normal/);
  });

  it("says how far it came and why no further, with exit 1", () => {
    const [pdu] = MESSAGES.find(({ name }) => name.startsWith("#18"))!.network;
    for (const [args, reason] of [
      [["decode", pdu], /no NetKey that was given has this NID/],
      [["decode", "--netkey", NET_KEY, pdu], /wrong NetKey or IV Index/],
      [["decode", "--netkey", NET_KEY, "--iv-index", "305419896", pdu], /no AppKey with AID 0x26 was given/],
      [["decode", "--netkey", NET_KEY, "xyz"], /not hex/],
      [["decode", "172b01003ecaff672f673370123456788ea261582f364f6f"], /no NetKey has this Network ID/],
    ] as const) {
      const { code, errors } = mesh(args);
      assert.equal(code, 1);
      assert.match(errors, reason);
    }
  });

  it("exits 2 on wrong usage and 0 on --help, and prints no key", () => {
    assert.equal(mesh([]).code, 2);
    assert.equal(mesh(["decode"]).code, 2);
    assert.equal(mesh(["decode", "--netkey", "00", "aa"]).code, 2);
    assert.equal(mesh(["decode", "--iv-index", "x", "aa"]).code, 2);
    assert.equal(mesh(["encode", "aa"]).code, 2);
    assert.equal(mesh(["decode", "-"], "\n").code, 2);
    assert.equal(mesh(["--help"]).code, 0);
    assert.equal(mesh(["decode", "--help"]).code, 0);
    const { out, errors } = mesh(["decode", ...KEYS, ...MESSAGES.flatMap(({ network }) => network)]);
    for (const key of [NET_KEY, DEVICE_KEY]) assert.ok(!out.includes(key) && !errors.includes(key));
  });

  it("--json gives the same as one array", () => {
    const { code, out } = mesh(["decode", "--json", ...KEYS, BLUEZ_EXCHANGE[0].network, "00"]);
    assert.equal(code, 1);
    const [first, second] = JSON.parse(out);
    assert.ok(first.lines.some((line: string) => line.includes("TTL: 127")));
    assert.equal(typeof second.reason, "string");
  });
});
