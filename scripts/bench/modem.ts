/**
 * What readings cost on the cellular leg: a day of a gateway with its nodes, in virtual time. The messages are real
 * ones (CBOR, OSCORE, CoAP, the gateway's hop), driver and modem too; what the energy costs is a model.
 */

import { hostCrypto } from "#hal/crypto.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeMessage, encodeMessage } from "../../firmware/coap/codec.js";
import { CoapHop } from "../../firmware/coap/hop.js";
import { Type } from "../../firmware/coap/message.js";
import { Code } from "../../firmware/coap/numbers.js";
import { SaraR4 } from "../../firmware/modem/sara-r4.js";
import { deriveContext } from "../../firmware/oscore/context.js";
import { protectRequest, protectResponse } from "../../firmware/oscore/protect.js";
import { unprotectRequest } from "../../firmware/oscore/unprotect.js";
import { encodeReadings } from "../../firmware/reading/codec.js";
import { Pump } from "../../firmware/roles/pump.js";
import { VirtualClock } from "../../sim/clock.js";
import type { RadioUse } from "../../sim/modem/cellular.js";
import { simulatedModem } from "../../sim/modem/simulated-port.js";
import { VirtualInternet } from "../../sim/modem/virtual-network.js";
import { Random } from "../../sim/random.js";
import type { BenchRow } from "./measure.js";

const DAY = 86_400_000;
const MINUTE = 60_000;

const SERVER = { host: "192.0.2.1", port: 5683 };

/** Readings in one message of a node that batches: what fits a few mesh segments. */
const BATCH = 10;

/** mW in PSM and while transmitting (3GPP TR 45.820 §5.4), and while receiving and in idle, as studies by its method take them. */
const POWER = { psm: 0.015, idle: 3, receive: 70, transmit: 500 };

/** Uplink of a category NB1 or M1 device in ordinary coverage, bit/s: only how long the transmitter runs depends on it. */
const UPLINK_RATE = 60_000;

/**
 * In extreme coverage a report costs J and J per byte: the line through the two points that TR 45.820 gives for a
 * battery of 5 Wh (200 bytes every 2 hours: 1.7 years; 50 bytes a day: 18.1 years).
 */
const EXTREME = { report: 1.13, byte: 0.0059 };

/** V of the supply that a charge is reckoned at. */
const SUPPLY = 3.8;

interface Scenario {
  readonly nodes: number;
  /** ms between two readings of a node. */
  readonly interval: number;
  /** Readings in one message. */
  readonly batch: number;
  readonly psm: boolean;
}

interface Outcome {
  readonly readings: number;
  readonly use: RadioUse;
  /** ms of the day in PSM. */
  readonly asleep: number;
}

/** A node: makes protected messages, one Partial IV after the other, and knows what its server answers. */
function makeNode(index: number) {
  const secret = new Uint8Array(16).fill(index + 1);
  const senderId = Uint8Array.of(index);
  const recipientId = new Uint8Array(0);
  const client = deriveContext(hostCrypto, { masterSecret: secret, senderId, recipientId });
  const server = deriveContext(hostCrypto, {
    masterSecret: secret,
    senderId: recipientId,
    recipientId: senderId,
  });
  let sequence = 0;
  return {
    request(readings: number, interval: number): Uint8Array {
      const batch = Array.from({ length: readings }, (_, i) => ({
        age: Math.round(((readings - 1 - i) * interval) / 1000),
        temperature: 2150 + i,
        humidity: 4530 - i,
        battery: 3000,
      }));
      const message = {
        type: Type.CON,
        code: Code.POST,
        messageId: sequence & 0xffff,
        token: new Uint8Array(0),
        options: [],
        payload: encodeReadings(batch),
      };
      return encodeMessage(protectRequest(client, message, sequence++).message);
    },
    /** The server's answer to an outer request: piggybacked, protected, empty. */
    answer(outer: Uint8Array): Uint8Array {
      const message = decodeMessage(outer);
      if (message instanceof Refusal) throw new Error(`bench: ${message}`);
      const opened = unprotectRequest(server, message);
      if (opened instanceof Refusal) throw new Error(`bench: ${opened}`);
      const { messageId, token } = message;
      const inner = {
        type: Type.ACK,
        code: Code.CHANGED,
        messageId,
        token,
        options: [],
        payload: new Uint8Array(0),
      };
      return encodeMessage(protectResponse(opened.exchange, inner));
    },
  };
}

/** A day of one gateway, after the modem has registered. */
function run(scenario: Scenario): Outcome {
  const clock = new VirtualClock();
  const random = new Random("modem bench");
  const internet = new VirtualInternet(clock);
  const nodes = Array.from({ length: scenario.nodes }, (_, index) => makeNode(index));
  const hop = new CoapHop({ random: (length) => random.bytes(length) });
  internet.listen(SERVER.host, SERVER.port, (datagram, _from, reply) => {
    const message = decodeMessage(datagram);
    if (message instanceof Refusal) throw new Error(`bench: ${message}`);
    const option = message.options[0].value;
    reply(nodes[option[option.length - 1]].answer(datagram));
  });
  const { modem, port } = simulatedModem({ clock, network: internet.host(), random: random.fork("modem") });
  const queue: Uint8Array[] = [];
  let asleep = 0;
  let asleepSince = Number.NaN;
  const drain = () => {
    const next = queue[0];
    if (next !== undefined && driver.canSend && driver.send(next, clock.now())) queue.shift();
  };
  const driver: SaraR4 = new SaraR4({
    config: {
      apn: "iot.example",
      server: SERVER,
      ...(scenario.psm && { powerSaving: { periodicUpdate: 86_400, activeTime: 2 } }),
    },
    write: (bytes) => port.serial.write(bytes),
    lines: { ...(port.powerOn && { powerOn: port.powerOn }), ...(port.vInt && { vInt: port.vInt }) },
    onDatagram: (bytes, now) => void hop.fromUpstream(bytes, now),
    onState: (state, now) => {
      if (!Number.isNaN(asleepSince)) asleep += now - asleepSince;
      asleepSince = state === "asleep" ? now : Number.NaN;
      drain();
    },
    onSent: () => drain(),
  });
  const pump = new Pump(clock, driver);
  port.serial.onReadable = () => {
    const bytes = port.serial.read();
    if (bytes !== undefined) driver.receive(bytes, clock.now());
    pump.settle();
  };
  driver.start(clock.now());
  pump.settle();
  clock.run(10 * MINUTE);

  const { use } = modem.cellular;
  const before = { ...use };
  const begun = clock.now();
  asleep = 0;
  if (!Number.isNaN(asleepSince)) asleepSince = begun;
  let readings = 0;
  for (const [index, node] of nodes.entries()) {
    const every = scenario.interval * scenario.batch;
    const report = () => {
      const upstream = hop.fromMesh(index + 16, node.request(scenario.batch, scenario.interval), clock.now());
      if (upstream instanceof Refusal) throw new Error(`bench: ${upstream}`);
      readings += scenario.batch;
      queue.push(upstream);
      drain();
      pump.settle();
      clock.at(clock.now() + every, report);
    };
    clock.at(begun + random.between(0, every), report);
  }
  clock.run(begun + DAY);
  if (!Number.isNaN(asleepSince)) asleep += clock.now() - asleepSince;
  const delta = Object.fromEntries(
    Object.entries(use).map(([name, value]) => [name, value - before[name as keyof RadioUse]]),
  ) as unknown as RadioUse;
  return { readings, use: delta, asleep };
}

/** J of the day in ordinary coverage: by states, the connected one dominating. */
function ordinaryEnergy({ use, asleep }: Outcome): number {
  const connected = Math.min(use.connectedTime, DAY);
  const transmitting = (use.bytesUp * 8 * 1000) / UPLINK_RATE;
  const psm = Math.min(asleep, DAY - connected);
  const idle = DAY - connected - psm;
  const { receive, transmit } = POWER;
  const millijoules =
    (connected - transmitting) * receive + transmitting * transmit + psm * POWER.psm + idle * POWER.idle;
  return millijoules / 1e6;
}

/** J of the day in extreme coverage. */
function extremeEnergy({ use, asleep }: Outcome): number {
  const reports = use.sessions * EXTREME.report + use.bytesUp * EXTREME.byte;
  return reports + (asleep * POWER.psm + (DAY - asleep) * POWER.idle) / 1e6;
}

/** mAh of so many J. */
function charge(joules: number): number {
  return joules / SUPPLY / 3.6;
}

function rows(scenario: Scenario): BenchRow[] {
  const outcome = run(scenario);
  const { use, readings } = outcome;
  const { nodes, interval, batch, psm } = scenario;
  const many = nodes === 1 ? "1 node" : `${nodes} nodes`;
  const name = `${many}, every ${interval / MINUTE} min, ${batch === 1 ? "one by one" : `batches of ${batch}`}, ${psm ? "PSM" : "no PSM"}`;
  const round = (value: number, digits: number) => Number(value.toFixed(digits));
  return [
    {
      name: `${name}: bytes per reading`,
      value: round((use.bytesUp + use.bytesDown) / readings, 1),
      unit: "B",
      note: `up ${round(use.bytesUp / readings, 1)}, down ${round(use.bytesDown / readings, 1)}, IP and UDP headers included`,
    },
    {
      name: `${name}: datagrams per day`,
      value: use.datagramsUp + use.datagramsDown,
      unit: "",
      note: `${readings} readings, ${round((use.bytesUp + use.bytesDown) / 1024, 1)} KiB`,
    },
    {
      name: `${name}: radio sessions per day`,
      value: use.sessions,
      unit: "",
      note: `connected ${round((use.connectedTime / DAY) * 100, 1)} % of the day, in PSM ${round((outcome.asleep / DAY) * 100, 1)} %`,
    },
    {
      name: `${name}: charge per day`,
      value: round(charge(ordinaryEnergy(outcome)), 1),
      unit: "mAh",
      note: `at ${SUPPLY} V in ordinary coverage, by states; ${round(charge(extremeEnergy(outcome)), 1)} mAh in extreme coverage`,
    },
  ];
}

/** The suite: one node and a gateway full of them; how often they measure, whether they batch, whether the modem sleeps. */
export function runModemBench(): BenchRow[] {
  const all: BenchRow[] = [];
  for (const nodes of [1, 20])
    for (const interval of [1, 10, 60])
      for (const batch of [1, BATCH])
        for (const psm of [false, true])
          all.push(...rows({ nodes, interval: interval * MINUTE, batch, psm }));
  return all;
}

export default runModemBench;
