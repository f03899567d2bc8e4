import { hex, toHex } from "../../../../firmware/bytes/hex.js";
import { Refusal } from "../../../../firmware/bytes/refusal.js";
import { encodeUtf8 } from "../../../../firmware/bytes/utf8.js";
import { encodeFrame, LINE_MAX } from "../../../../firmware/console/frame.js";
import { deviceUuid, fingerprintOf } from "../../../../firmware/console/label.js";
import { Terminal } from "../../../../firmware/console/terminal.js";
import { addBridge } from "../../../../firmware/roles/bridge.js";
import { encodeIdentity, type Identity, loadIdentity } from "../../../../firmware/roles/identity.js";
import { addProvisioning } from "../../../../firmware/roles/provisioning-console.js";
import type { Hal } from "../../../../hal/hal.js";
import { HostBoard } from "../../../../hal/host/board.js";
import { crc16 } from "../../../../hal/host/crc16.js";
import { MemoryStore } from "../../../../hal/host/storage.js";
import { Pieces, pieces } from "../pieces.js";
import { rememberingCrypto } from "../remembering-crypto.js";
import { type GuidedTarget, must } from "../target.js";

const crypto = rememberingCrypto();
const OOB = hex("b0b1b2b3b4b5b6b7b8b9babbbcbdbebf");
const NET_KEY = hex("101112131415161718191a1b1c1d1e1f");
const DEVICE_KEY = hex("303132333435363738393a3b3c3d3e3f");
const SECRETS = [NET_KEY, DEVICE_KEY].map(toHex);

const RELAY: Identity = {
  name: "relay-1",
  mesh: {
    address: 0x4000,
    netKey: NET_KEY,
    deviceKey: DEVICE_KEY,
    ivIndex: 0,
    ttl: 5,
    subscriptions: [],
    relay: true,
  },
  settings: { interval: 60, confirmable: true, batch: 8 },
};
const ENCODED = encodeIdentity(RELAY);
const NAME = toHex(fingerprintOf(crypto, ENCODED));

/** How a step's text reaches the board: as it is, as a line, or in a frame, whose checksum no mutation would find. */
const BYTES = 0;
const LINE = 1;
const FRAME = 2;
const step = (how: number, text: string): Uint8Array => Uint8Array.of(how, ...encodeUtf8(text));
const halves = [ENCODED.subarray(0, 60), ENCODED.subarray(60)];

const targets: readonly GuidedTarget[] = [
  {
    name: "console",
    holds:
      "whatever comes to a board's console: it has a whole identity or none, takes another only in frames, and tells no key",
    longest: 500,
    seeds: [
      pieces(
        step(FRAME, "hello"),
        step(FRAME, "label"),
        step(FRAME, `prove ${"00".repeat(16)}`),
        step(FRAME, `write ${ENCODED.length} ${NAME}`),
        step(FRAME, `data 0 ${toHex(halves[0])}`),
        step(FRAME, `data 60 ${toHex(halves[1])}`),
        step(FRAME, `commit ${NAME} ${"01".repeat(16)}`),
        step(FRAME, "label"),
        step(FRAME, "erase"),
      ),
      pieces(
        step(FRAME, "adv on"),
        step(FRAME, "adv send 3 20 03020103"),
        step(LINE, "status"),
        step(BYTES, encodeFrame(7, "adv off", crc16)),
        step(BYTES, "\r\n"),
      ),
    ],
    run(input) {
      const storage = new MemoryStore();
      const hal: Hal = {
        clock: { now: () => 0, at: () => () => {} },
        crypto,
        storage,
        board: new HostBoard(),
        bearer: { free: 4, onReceive: undefined, send: () => true },
      };
      const lines: string[] = [];
      const terminal = new Terminal((line) => lines.push(line) > 0, crc16);
      const uuid = deviceUuid("relay", hal.board.chipId);
      let changes = 0;
      addProvisioning({
        terminal,
        hal,
        kind: "relay",
        version: "1",
        uuid,
        oob: OOB,
        onChanged: () => {
          changes++;
        },
      });
      addBridge(terminal, hal);
      const steps = new Pieces(input);
      let sent = 0;
      let framed = false;
      while (steps.more) {
        const bytes = steps.bytes(steps.u8());
        const [how, text] = [bytes[0], bytes.subarray(1)];
        const before = changes;
        if (how === FRAME) {
          const line = encodeFrame(sent++ & 255, String.fromCharCode(...text), crc16);
          terminal.receive(Uint8Array.from(`\n${line}\n`, (character) => character.charCodeAt(0)));
        } else {
          terminal.receive(text);
          if (how === LINE) terminal.receive(encodeUtf8("\n"));
          // The mutator may have copied a whole frame into it, or into this one and the one before.
          framed ||= text.includes(0x7e);
          must(changes === before || framed, "changed without a frame");
        }
        const identity = loadIdentity(storage);
        must(!(identity instanceof Refusal) || storage.get("identity") === undefined, "half an identity");
        hal.bearer.onReceive?.(hex("03020103"), hex("000000000000"), -40);
      }
      for (const line of lines) {
        must(line.length <= LINE_MAX && /^[ -~]*$/.test(line), `a line of ${line.length}: ${line}`);
        must(!SECRETS.some((secret) => line.includes(secret)), "a key was told");
      }
      must(storage.keys().length <= 12, `${storage.keys().length} values`);
      return Math.max(1, steps.taken);
    },
  },
];

export default targets;
