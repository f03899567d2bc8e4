/**
 * The same images and scripts on two emulated nRF52840s that know nothing of each other: what the images say and send,
 * what is in their flash and what they are refused must be the same. Left out is what each emulator makes up: the chip's
 * id, random numbers with what follows from them, and how long things take.
 */

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostCrypto } from "#hal/crypto.js";
import { fromHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { floodingP, k2 } from "../../firmware/crypto/mesh-keys.js";
import { DEFAULT_SETTINGS } from "../../firmware/roles/identity.js";
import { type Device, type DeviceKind, newKeyRing, planNetwork } from "../../sim/network.js";
import { Random } from "../../sim/random.js";
import { FlashStore, PAGE_BYTES, STORE_ADDRESS, STORE_BYTES } from "./flash-store.js";
import { provisionedFlash } from "./provisioned-flash.js";

export interface DifferentialOptions {
  /** Two programs with the same options. */
  readonly emulators: readonly [own: string, other: string];
  readonly elf: Readonly<Record<DeviceKind | "selftest" | "storetest", string>>;
  /** Where flash and logs are kept. */
  readonly directory: string;
  readonly onScenario?: (name: string, differences: readonly string[]) => void;
}

/** The other one has no converter to measure the supply with. */
const OWN_OPTIONS = ["--battery", "none"];
/** Frames of a board that follow from nothing random: until its first retransmission. */
const FIRST_PDUS = 8;

interface Outcome {
  readonly status: number;
  /** UART output, by UARTE. */
  readonly lines: readonly string[];
  /** REFUSED, FAULT, XS ABORT and WATCHDOG, by what they begin with. */
  readonly complaints: readonly string[];
  /** Advertising data that was sent, in hex. */
  readonly frames: readonly string[];
  readonly flash: Uint8Array;
}

interface Scenario {
  readonly name: string;
  readonly elf: string;
  readonly seconds: number;
  readonly options?: readonly string[];
  readonly cut?: number;
  /** What is in flash before. */
  readonly flash?: Uint8Array;
  readonly compare: (own: Outcome, other: Outcome) => string[];
}

/** @returns what is different, by scenario; empty when nothing is */
export async function differential(options: DifferentialOptions): Promise<string[]> {
  mkdirSync(options.directory, { recursive: true });
  const all: string[] = [];
  for (const scenario of scenarios(options.elf)) {
    const [own, other] = await Promise.all(
      options.emulators.map((emulator, index) => run(emulator, index, scenario, options.directory)),
    );
    const differences = [...sameEnd(own!, other!), ...scenario.compare(own!, other!)];
    options.onScenario?.(scenario.name, differences);
    all.push(...differences.map((difference) => `${scenario.name}: ${difference}`));
  }
  return all;
}

async function run(emulator: string, index: number, scenario: Scenario, directory: string): Promise<Outcome> {
  const file = (name: string) => join(directory, `${name}-${index}`);
  for (const name of ["flash", "air"]) rmSync(file(name), { force: true });
  if (scenario.flash !== undefined) writeFileSync(file("flash"), scenario.flash);
  const list = ["--fast", "-v", "--seed", "1", "--for", String(scenario.seconds)];
  list.push("--flash", file("flash"), "--air-log", file("air"), ...(scenario.options ?? []));
  if (scenario.cut !== undefined) list.push("--cut", String(scenario.cut));
  if (index === 0) list.push(...OWN_OPTIONS);
  const child = spawn(emulator, [...list, scenario.elf], { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const status = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? -1));
  });
  const said = stderr
    .split("\n")
    .map((line) => /^\[ *[\d.]+ ms\] (.*)$/.exec(line)?.[1])
    .filter((line) => line !== undefined);
  return {
    status,
    lines: said.filter((line) => /^uart\d> /.test(line)),
    complaints: said.flatMap((line) => /^(REFUSED|FAULT|XS ABORT|WATCHDOG)/.exec(line)?.[1] ?? []),
    frames: existsSync(file("air")) ? framesSent(readFileSync(file("air"), "utf8")) : [],
    flash: readFileSync(file("flash")).subarray(STORE_ADDRESS, STORE_ADDRESS + STORE_BYTES),
  };
}

/** Lines of an air log: time, `tx` or `rx`, PDU type, data. */
function framesSent(log: string): string[] {
  return log.split("\n").flatMap((line) => /^[\d.]+ tx \d+ ([0-9a-f]*)$/.exec(line)?.[1] ?? []);
}

function* scenarios(elf: DifferentialOptions["elf"]): Generator<Scenario> {
  yield {
    name: "specification vectors and the hardware's promises",
    elf: elf.selftest,
    seconds: 12,
    compare: (own, other) => [
      ...sameList("UART output", own.lines.map(withoutMade), other.lines.map(withoutMade)),
      ...sameList("frames", own.frames, other.frames),
      ...sameStore(own, other),
    ],
  };
  // The first words of a page, its middle, an erase in a full log, and far on.
  for (const cut of [1, 2, 5, 300, 1013, 1014, 1500, 2400]) {
    yield {
      name: `store, power cut at flash operation ${cut}`,
      elf: elf.storetest,
      seconds: 60,
      cut,
      compare: (own, other) => [
        ...sameList("UART output", own.lines, other.lines),
        ...sameButTorn(own, other),
      ],
    };
  }
  const box = (kind: DeviceKind): Scenario => ({
    name: `${kind} out of the box`,
    elf: elf[kind],
    seconds: 30,
    compare: (own, other) => [
      ...sameList("UART output", own.lines.map(withoutMade), other.lines.map(withoutMade)),
      ...sameList("frames", own.frames.map(withoutUuid), other.frames.map(withoutUuid)),
      ...sameStore(own, other),
    ],
  });
  yield box("node");
  yield box("relay");
  yield box("gateway");
  for (const device of plan()) yield provisioned(device, elf[device.kind]);
}

function plan(): Device[] {
  const chance = new Random(11);
  const random = (length: number) => Uint8Array.from({ length }, () => Math.floor(chance.next() * 256));
  const settings = { ...DEFAULT_SETTINGS, interval: 5 };
  return planNetwork(newKeyRing(random), { nodes: 1, relays: 1, gateways: 1, settings, random });
}

function provisioned(device: Device, elf: string): Scenario {
  const { kind, identity } = device;
  const uplink = { host: "127.0.0.1", port: 5683, apn: "iot.example" };
  const flash = provisionedFlash(kind === "gateway" ? { ...identity, uplink } : identity);
  const headers = (frames: readonly string[]) => firstHeaders(identity.mesh, frames);
  return {
    name: `${kind} with an identity`,
    elf,
    seconds: 60,
    options: ["--sht3x", kind === "node" ? "22.4,51" : "none"],
    flash,
    compare: (own, other) => [
      // A modem that is not there is called again after times that chance has a part in.
      ...sameList(
        "UART output",
        own.lines.filter(ofConsole).map(withoutMade),
        other.lines.filter(ofConsole).map(withoutMade),
      ),
      ...sameList("headers of network PDUs", headers(own.frames), headers(other.frames)),
      ...sameStore(own, other),
    ],
  };
}

/** What the heap holds follows from retransmissions, which are random. */
const ofConsole = (line: string) => line.startsWith("uart0> ") && !line.startsWith("uart0> heap ");

/** Chip ids, resets' words aside, and figures of time and memory. */
function withoutMade(line: string): string {
  return line.replace(/chip [0-9a-f]{16}/, "chip …").replace(/^(uart0> FIGURE .*) \d+ (us|B)$/, "$1 …");
}

/** An unprovisioned device beacon (Mesh Profile §3.9.2) has the Device UUID from its fourth byte on. */
function withoutUuid(frame: string): string {
  return frame.startsWith("142b00") ? `${frame.slice(0, 6)}…${frame.slice(38)}` : frame;
}

/** CTL, TTL, SEQ and length of the first network PDUs, which no key hides from who knows the network's. */
function firstHeaders(mesh: Device["identity"]["mesh"], frames: readonly string[]): string[] {
  const { nid, privacyKey } = k2(hostCrypto, mesh.netKey, floodingP());
  const privacy = hostCrypto.aesBlock(privacyKey);
  const seen = new Set<string>();
  for (const frame of frames) {
    const bytes = fromHex(frame);
    if (bytes instanceof Refusal || bytes[1] !== 0x2a || (bytes[2]! & 0x7f) !== nid) continue;
    const pdu = bytes.subarray(2);
    // Mesh Profile §3.8.7.3
    const block = new Uint8Array(16);
    new DataView(block.buffer).setUint32(5, mesh.ivIndex);
    block.set(pdu.subarray(7, 14), 9);
    privacy.encrypt(block, block);
    const header = Array.from(pdu.subarray(1, 7), (byte, i) => byte ^ block[i]!);
    const [first, s0, s1, s2] = header as [number, number, number, number];
    seen.add(`CTL ${first >> 7} TTL ${first & 0x7f} SEQ ${(s0 << 16) | (s1 << 8) | s2}, ${pdu.length} bytes`);
    if (seen.size === FIRST_PDUS) break;
  }
  return [...seen];
}

function sameEnd(own: Outcome, other: Outcome): string[] {
  const status = own.status === other.status ? [] : [`exit status ${own.status}, and ${other.status}`];
  return [...status, ...sameList("refusals", own.complaints, other.complaints)];
}

function sameList(what: string, own: readonly string[], other: readonly string[]): string[] {
  // A run ends at a moment: the last line of one may be the other's next.
  const length = Math.min(own.length, other.length);
  for (let i = 0; i < length; i++) {
    if (own[i] !== other[i]) return [`${what}, number ${i + 1}: "${own[i]}", and "${other[i]}"`];
  }
  return Math.abs(own.length - other.length) > 1 ? [`${what}: ${own.length}, and ${other.length}`] : [];
}

/** What the store holds; a board's own secret is random. */
function sameStore(own: Outcome, other: Outcome): string[] {
  const values = ({ flash }: Outcome) => {
    const store = new FlashStore(Uint8Array.from(flash));
    return store
      .keys()
      .sort()
      .map(
        (key) =>
          `${key}=${key === "oob" ? store.get(key)!.length : Buffer.from(store.get(key)!).toString("hex")}`,
      );
  };
  return sameList("store", values(own), values(other));
}

/** Flash byte by byte, but for the word or the page in whose middle the power went. */
function sameButTorn(own: Outcome, other: Outcome): string[] {
  const at: number[] = [];
  own.flash.forEach((byte, index) => {
    if (byte !== other.flash[index]) at.push(index);
  });
  if (at.length === 0) return [];
  const [first, last] = [at[0]!, at.at(-1)!];
  if (first >> 2 === last >> 2) return [];
  const page = Math.floor(first / PAGE_BYTES);
  return page === Math.floor(last / PAGE_BYTES) && at.length > PAGE_BYTES / 4
    ? []
    : [`flash from 0x${(STORE_ADDRESS + first).toString(16)}: ${at.length} bytes`];
}
