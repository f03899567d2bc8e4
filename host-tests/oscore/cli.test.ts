import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "../../firmware/bytes/hex.js";
import { run } from "../../scripts/oscore/cli.js";
import { parseHexDump } from "../../scripts/oscore/hex-dump.js";
import { reasonOf, taken } from "./helpers.js";
import { DERIVATIONS, type DerivationVector, REQUESTS, RESPONSES } from "./vectors.js";

interface Result {
  code: number;
  out: string[];
  error: string;
}

function oscore(args: string[], input = ""): Result {
  const out: string[] = [];
  const error: string[] = [];
  const code = run(args, {
    out: (line) => out.push(...line.split("\n")),
    error: (line) => error.push(line),
    input: () => input,
  });
  return { code, out, error: error.join("\n") };
}

/** A vector's context as options, each given even when empty. */
function contextArgs(name: keyof typeof DERIVATIONS): string[] {
  const vector: DerivationVector = DERIVATIONS[name];
  return [
    ["--secret", vector.masterSecret],
    ["--salt", vector.masterSalt ?? ""],
    ["--sender-id", vector.senderId],
    ["--recipient-id", vector.recipientId],
    ["--id-context", vector.idContext ?? ""],
  ].flat();
}

describe("npm run oscore", () => {
  for (const [number, vector] of Object.entries(REQUESTS)) {
    it(`protects and unprotects the request of RFC 8613 ${number}`, () => {
      const one = oscore([
        "protect",
        ...contextArgs(vector.client),
        "--ssn",
        "20",
        "--request",
        vector.unprotected,
      ]);
      assert.equal(one.code, 0, one.error);
      assert.equal(one.out.at(-1), vector.protected);
      const two = oscore(["unprotect", ...contextArgs(vector.server), vector.protected]);
      assert.equal(two.code, 0, two.error);
      assert.equal(two.out.at(-1), vector.unprotected);
    });
  }

  for (const [number, vector] of Object.entries(RESPONSES)) {
    it(`protects and unprotects the response of RFC 8613 ${number}`, () => {
      const request = REQUESTS[vector.request];
      const ssn = vector.sequenceNumber === undefined ? [] : ["--ssn", String(vector.sequenceNumber)];
      const forRequest = ["--response", "--for", request.protected];
      const one = oscore([
        "protect",
        ...contextArgs(request.server),
        ...ssn,
        ...forRequest,
        vector.unprotected,
      ]);
      assert.equal(one.code, 0, one.error);
      assert.equal(one.out.at(-1), vector.protected);
      const two = oscore(["unprotect", ...contextArgs(request.client), ...forRequest, vector.protected]);
      assert.equal(two.code, 0, two.error);
      assert.equal(two.out.at(-1), vector.unprotected);
      // A capture is opened from either end.
      const three = oscore(["unprotect", ...contextArgs(request.server), ...forRequest, vector.protected]);
      assert.equal(three.out.at(-1), vector.unprotected);
    });
  }

  it("leaves the kid context out when told to", () => {
    const { client, server, unprotected } = REQUESTS["C.6"];
    const result = oscore([
      "protect",
      ...contextArgs(client),
      "--ssn",
      "20",
      "--no-kid-context",
      "-q",
      unprotected,
    ]);
    assert.equal(result.out.length, 1);
    assert.match(result.out[0], /620914ff/);
    assert.equal(oscore(["unprotect", ...contextArgs(server), result.out[0]]).out.at(-1), unprotected);
  });

  it("knows the other algorithms by number and name", () => {
    const { client, server, unprotected } = REQUESTS["C.4"];
    for (const alg of ["1", "a256gcm", "24", "AES-CCM-16-128-256"]) {
      const more = ["--alg", alg, "--hkdf", "sha-512", "-q"];
      const one = oscore(["protect", ...contextArgs(client), ...more, "--ssn", "5", unprotected]);
      assert.equal(one.code, 0, one.error);
      assert.deepEqual(oscore(["unprotect", ...contextArgs(server), ...more, one.out[0]]).out, [unprotected]);
      assert.equal(oscore(["unprotect", ...contextArgs(server), one.out[0]]).code, 1);
    }
  });

  it("explains a message without keys", () => {
    const request = oscore(["inspect", REQUESTS["C.6"].protected]);
    assert.equal(request.code, 0);
    const text = request.out.join("\n");
    for (const part of [
      /An OSCORE request/,
      /CON 0\.02 POST, message ID 0x2f8e, token ef9bbf7a/,
      /Uri-Host \(3\): "localhost"/,
      /Partial IV 20 \(0x14\)/,
      /kid context 0x37cbf3210017a2d3 \(8 bytes\)/,
      /kid empty \(0 bytes\)/,
      /13 bytes; inside 5 with a tag of 8/,
      /Recipient ID .* is empty \(0 bytes\) and the ID Context 0x37cbf3210017a2d3/,
    ]) {
      assert.match(text, part);
    }
    assert.match(
      oscore(["inspect", RESPONSES["C.7"].protected]).out.join("\n"),
      /An OSCORE response[\s\S]*--for HEX/,
    );
    assert.match(
      oscore(["inspect", REQUESTS["C.4"].unprotected]).out.join("\n"),
      /plain CoAP[\s\S]*Uri-Path \(11\): "tv1"/,
    );
    assert.match(
      oscore(["inspect", "44025d1f0000397491e9ff00"]).out.join("\n"),
      /malformed: reserved flags 0xe9/,
    );
    assert.match(oscore(["inspect", "44025d1f0000397492090a"]).out.join("\n"), /malformed/);
    assert.match(
      oscore(["inspect", "44025d1f00003974c13cffa201190a1b021911d7"]).out.join("\n"),
      /CBOR \{1: 2587, 2: 4567\}/,
    );
  });

  it("opens a capture with whichever context of a file does", () => {
    const directory = mkdtempSync(join(tmpdir(), "oscore-cli-"));
    try {
      const file = join(directory, "contexts.json");
      const list = Object.entries<DerivationVector>(DERIVATIONS).map(([name, vector]) => ({
        name,
        secret: vector.masterSecret,
        salt: vector.masterSalt,
        senderId: vector.senderId,
        recipientId: vector.recipientId,
        idContext: vector.idContext,
      }));
      writeFileSync(file, JSON.stringify(list));
      for (const vector of Object.values(REQUESTS)) {
        const result = oscore(["unprotect", "--contexts", file, vector.protected]);
        assert.equal(result.out.at(-1), vector.unprotected, result.error);
        assert.match(result.out.join("\n"), new RegExp(`Unprotected \\(${vector.client}`));
      }
      const flipped = `${REQUESTS["C.5"].protected.slice(0, -2)}b1`;
      const none = oscore(["unprotect", "--contexts", file, flipped]);
      assert.equal(none.code, 1);
      assert.match(none.error, /none of 6 contexts opens it: decryption failed[\s\S]*Recipient ID/);

      for (const bad of [
        "{",
        "{}",
        "[1]",
        '[{"secret":"zz"}]',
        '[{"secret":"00"}]',
        '[{"secret":"aabb","senderId":"","recipientId":""}]',
      ]) {
        writeFileSync(file, bad);
        const result = oscore(["unprotect", "--contexts", file, REQUESTS["C.4"].protected]);
        assert.equal(result.code, 2);
        assert.doesNotMatch(result.error, /aabb|zz/);
      }
      assert.equal(
        oscore(["unprotect", "--contexts", join(directory, "none"), REQUESTS["C.4"].protected]).code,
        2,
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("says why nothing opens, with exit code 1 and nothing on stdout", () => {
    const { protected: message } = REQUESTS["C.4"];
    const args = contextArgs("C.1.2");
    const changed = (name: string, value: string) => {
      const copy = args.slice();
      copy[copy.indexOf(name) + 1] = value;
      return copy;
    };
    const cases: [string[], RegExp][] = [
      [
        changed("--secret", "00"),
        /decryption failed[\s\S]*the secret is another one, or the message was changed/,
      ],
      [
        changed("--recipient-id", "07"),
        /another context[\s\S]*kid is empty[\s\S]*IDs given are 0x01 \(1 byte\) and 0x07/,
      ],
      [[...args, "--alg", "30"], /decryption failed[\s\S]*opens with --alg 10 \(AES-CCM-16-64-128\)/],
      [[...args, "--hkdf", "sha-512"], /opens with --hkdf sha-256/],
      [changed("--id-context", "aa"), /opens without an ID Context/],
    ];
    for (const [options, expected] of cases) {
      const result = oscore(["unprotect", ...options, message]);
      assert.equal(result.code, 1);
      assert.deepEqual(result.out, []);
      assert.match(result.error, expected);
      assert.doesNotMatch(result.error, /0102030405/);
    }
    const salted = contextArgs("C.2.2");
    salted[salted.indexOf("--salt") + 1] = "aabb";
    assert.match(
      oscore(["unprotect", ...salted, REQUESTS["C.5"].protected]).error,
      /opens without a Master Salt/,
    );
    const c6 = contextArgs("C.1.2");
    assert.match(
      oscore(["unprotect", ...c6, REQUESTS["C.6"].protected]).error,
      /opens with its kid context as the ID Context/,
    );
    assert.match(oscore(["unprotect", ...args, "44"]).error, /not CoAP: coap-too-short/);
    assert.match(
      oscore(["unprotect", ...args, "--request", REQUESTS["C.4"].unprotected]).error,
      /not protected by OSCORE/,
    );
    assert.match(oscore(["protect", ...args, "--ssn", "1", message]).error, /it has an OSCORE option/);
  });

  it("exits 2 for wrong usage, without repeating a key", () => {
    const { unprotected, protected: message } = REQUESTS["C.4"];
    const args = contextArgs("C.1.1");
    const cases: [string[], RegExp][] = [
      [[], /Usage/],
      [["explode"], /unknown command/],
      [["protect", ...args, unprotected], /needs --ssn/],
      [["protect", ...args, "--ssn", "1099511627776", unprotected], /0 to 1099511627775/],
      [["protect", ...args, "--ssn", "1x", unprotected], /0 to 1099511627775/],
      [["protect", ...args, "--ssn", "1", "--for", message, unprotected], /--for goes with --response/],
      [["protect", ...args, "--ssn", "1", "--response", unprotected], /needs --for/],
      [["protect", ...args, "--ssn", "1", "--response", "--request", unprotected], /cannot be used with/],
      [["protect", ...args, "--ssn", "1"], /missing required argument/],
      [["protect", ...args, "--ssn", "1", "4x"], /not hex/],
      [["protect", ...args, "--ssn", "1", " "], /not hex: hex-empty/],
      [["unprotect", ...args, "--alg", "99", message], /One of 1 A128GCM/],
      [["unprotect", ...args, "--hkdf", "md5", message], /sha-256 or sha-512/],
      [["unprotect", ...args, "--sender-id", "0102030405060708", message], /senderId: 8 bytes/],
      [["unprotect", ...args, "--sender-id", "01", message], /equal to the Sender ID/],
      [["unprotect", message], /--secret is needed/],
      [["unprotect", "--secret", "00", message], /--sender-id is needed/],
      [["unprotect", ...args, "--wrong", message], /unknown option/],
      [["inspect"], /missing required argument/],
    ];
    for (const [line, expected] of cases) {
      const result = oscore(line);
      assert.equal(result.code, 2, line.join(" "));
      assert.match(result.error, expected);
    }
    const key = oscore([
      "unprotect",
      "--secret",
      "deadbeefx",
      "--sender-id",
      "",
      "--recipient-id",
      "01",
      message,
    ]);
    assert.equal(key.code, 2);
    assert.match(key.error, /option --secret <hex>: not hex/);
    assert.doesNotMatch(key.error, /deadbeef/);
    assert.equal(oscore(["--help"]).code, 0);
    assert.equal(oscore(["protect", "--help"]).code, 0);
  });

  it("reads standard input", () => {
    assert.equal(oscore(["inspect", "-"], `${REQUESTS["C.4"].protected}\n`).code, 0);
  });
});

describe("hex as people paste it", () => {
  const message = "44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e";
  const forms: [string, string][] = [
    [
      "upper case with blanks",
      "44 02 5D 1F 00 00 39 74 39 6C 6F 63 61 6C 68 6F 73 74 62 09 14 FF 61 2F 10 92 F1 77 6F 1C 16 68 B3 82 5E",
    ],
    ["0x", `0x${message}`],
    ["colons", message.replace(/..(?=.)/g, "$&:")],
    ["C", `{ ${message.replace(/../g, "0x$&, ")} };`],
    ["escaped", `"${message.replace(/../g, "\\x$&")}"`],
    [
      "xxd",
      "00000000: 4402 5d1f 0000 3974 396c 6f63 616c 686f  D.]...9t9localho\n" +
        "00000010: 7374 6209 14ff 612f 1092 f177 6f1c 1668  stb...a/...wo..h\n" +
        "00000020: b382 5e                                  ..^\n",
    ],
    [
      "hexdump -C",
      "00000000  44 02 5d 1f 00 00 39 74  39 6c 6f 63 61 6c 68 6f  |D.]...9t9localho|\n" +
        "00000010  73 74 62 09 14 ff 61 2f  10 92 f1 77 6f 1c 16 68  |stb...a/...wo..h|\n" +
        "00000020  b3 82 5e                                          |..^|\n00000023\n",
    ],
    [
      "Wireshark",
      "0000  44 02 5d 1f 00 00 39 74 39 6c 6f 63 61 6c 68 6f   D.]...9t9localho\n" +
        "0010  73 74 62 09 14 ff 61 2f 10 92 f1 77 6f 1c 16 68   stb...a/...wo..h\n" +
        "0020  b3 82 5e                                          ..^\n",
    ],
    [
      "tcpdump -X",
      "\t0x0000:  4402 5d1f 0000 3974 396c 6f63 616c 686f  D.]...9t9localho\n" +
        "\t0x0010:  7374 6209 14ff 612f 1092 f177 6f1c 1668  stb...a/...wo..h\n" +
        "\t0x0020:  b382 5e                                  ..^\n",
    ],
  ];
  for (const [name, text] of forms) {
    it(name, () => assert.equal(toHex(taken(parseHexDump(text))), message));
  }

  it("is refused otherwise", () => {
    assert.equal(reasonOf(parseHexDump("hello")), "hex-odd-length");
    assert.equal(reasonOf(parseHexDump("zz")), "hex-digit");
    assert.equal(reasonOf(parseHexDump(" ")), "hex-empty");
  });
});
