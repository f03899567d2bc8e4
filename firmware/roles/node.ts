import type {
  Hal,
  HumidityTemperatureSample,
  MeshMessage,
  SteppedHumidityTemperatureSensor,
} from "../../hal/hal.js";
import { type CborMap, type CborValue, encodeCbor } from "../bytes/cbor.js";
import { equal } from "../bytes/compare.js";
import { Counters } from "../bytes/counters.js";
import { Refusal } from "../bytes/refusal.js";
import { OPCODE_COAP_STATUS } from "../mesh/numbers.js";
import type { MeshStack } from "../mesh/stack.js";
import { deriveContext } from "../oscore/context.js";
import { Responder, type ResponderContext } from "../oscore/responder.js";
import { SequenceNumbers, StoredReserve } from "../oscore/sequence.js";
import { encodeReadings, Key } from "../reading/codec.js";
import { type Measurement, Outbox } from "../reading/outbox.js";
import type { Reading } from "../reading/reading.js";
import { changeSettings, encodeSettings, LARGEST_BATCH, type Settings } from "../reading/settings.js";
import { type Identity, type OscoreIdentity, SETTINGS_KEY } from "./identity.js";
import { makeMeshStack } from "./mesh.js";
import { type NodeState, serveNode } from "./node-resources.js";
import { Pump, type Timed } from "./pump.js";
import { CLIENT_STATE_KEY, type Outcome, ServerLink } from "./server-link.js";
import { WakeWindow } from "./wake-window.js";

/** What a sensor node is connected to. */
export interface NodeHal extends Hal {
  readonly sensor: SteppedHumidityTemperatureSensor;
}

/**
 * `answers`: only while an answer is to come ({@link WakeWindow}). `friend`: for what a relay nearby keeps for this node
 * (Mesh Profile §3.6.6), and as `answers` where there is none. Both for batteries.
 */
export type Listens = "always" | "answers" | "friend";

export interface NodeOptions {
  /** Readings that wait for the server at most; default 64: an hour of one a minute. */
  readonly outbox?: number;
  /** When the receiver is on, where the bearer can be switched. Default: always. */
  readonly listens?: Listens;
  /** Told of each measurement, for whoever wants to compare it with what arrives. */
  readonly onMeasured?: (measurement: Measurement, now: number) => void;
  /** Told of each reading that the outbox dropped, likewise. */
  readonly onDropped?: (measurement: Measurement) => void;
}

/** Requests without an answer in a row after which a friend is not believed to keep anything. */
const SILENCE = 3;
/** Bytes of a message of the mesh that the drops in an answer may take; and of each beside its name. */
const STATS_ROOM = 280;
const DROP_BYTES = 7;

/**
 * A sensor node (DESIGN §3): measures at its interval, protects each reading once for the server, publishes it as a
 * CoAP message over the mesh, and keeps it until the server's protected answer has come. It answers requests, too.
 */
export class NodeRole implements Timed, NodeState {
  readonly stack: MeshStack;
  readonly outbox: Outbox;
  /** Everything that this role counts; the mesh has its own in {@link stack}. */
  readonly counters = new Counters();
  readonly #hal: NodeHal;
  readonly #options: NodeOptions;
  readonly #startedAt: number;
  readonly #link: ServerLink;
  readonly #responder: Responder;
  readonly #pump: Pump;
  readonly #publish: number;
  /** Of the security context that the outbox's carriages belong to. */
  #generation = 0;
  #nextSample = Number.POSITIVE_INFINITY;
  #settings: Settings;
  #latest: Measurement | undefined;
  #measuredAt = 0;
  #unanswered = 0;

  /** @throws Error for an identity without what a node needs: AppKey, publish address, security context */
  constructor(hal: NodeHal, identity: Identity, options: NodeOptions = {}) {
    const { mesh, oscore } = identity;
    if (mesh.appKey === undefined || mesh.publish === undefined || oscore === undefined) {
      throw new Error(`${identity.name} is not provisioned as a node`);
    }
    this.#hal = hal;
    this.#options = options;
    this.#publish = mesh.publish;
    this.#startedAt = hal.clock.now();
    const told = hal.storage.get(SETTINGS_KEY);
    const settings = told && changeSettings(identity.settings, told);
    this.#settings = settings === undefined || settings instanceof Refusal ? identity.settings : settings;
    this.outbox = new Outbox(options.outbox ?? 64, this.counters, options.onDropped);
    this.stack = makeMeshStack(hal, mesh, options.listens === "friend" ? { lowPower: {} } : {});
    this.stack.onMessage = (message) => this.#onMessage(message);
    this.#link = this.#makeLink(oscore);
    this.#responder = new Responder({
      crypto: hal.crypto,
      contexts:
        identity.client === undefined ? [this.#link] : [this.#link, this.#clientContext(identity.client)],
      serve: (request, isFresh, now) => serveNode(this, request, isFresh, now),
    });
    this.#pump = new Pump(hal.clock, this, this.stack, this.#link);
  }

  #makeLink(oscore: OscoreIdentity): ServerLink {
    return new ServerLink({
      crypto: this.#hal.crypto,
      storage: this.#hal.storage,
      oscore,
      counters: this.counters,
      send: (message, to = this.#publish) => {
        if (!this.stack.send(to, OPCODE_COAP_STATUS, message)) this.counters.add("mesh: no room");
      },
      respond: (request, now) => {
        const { answer, refusal } = this.#responder.respond(request, now);
        if (refusal !== undefined) this.counters.add(`request: ${refusal.reason}`);
        return answer;
      },
    });
  }

  #clientContext(client: OscoreIdentity): ResponderContext {
    const { crypto, storage } = this.#hal;
    const numbers = new SequenceNumbers(new StoredReserve(storage, CLIENT_STATE_KEY));
    return {
      kid: client.recipientId,
      security: deriveContext(crypto, client),
      next: () => numbers.next(),
    };
  }

  start(): void {
    const { clock, bearer, crypto } = this.#hal;
    const { listens = "always" } = this.#options;
    const { lowPower, state } = this.stack;
    // A relay hears for others.
    if (listens === "always" || bearer.listen === undefined || state.relay) lowPower?.stop();
    else {
      const expects = () => this.#link.busy || this.stack.sending > 0 || this.stack.receiving > 0;
      this.stack.expects = expects;
      // Who does not hear the beacons of the others could not send the fewer (Mesh Profile §3.9.3.1): they are enough.
      state.beacon = false;
      this.#pump.add(new WakeWindow({ listen: (on) => bearer.listen?.(on), expects, lowPower }, clock.now()));
    }
    bearer.onReceive = (data, _address, rssi) => {
      this.stack.receive(data, rssi, clock.now());
      this.#pump.settle();
    };
    // Nodes that get their power at one moment must not speak at one moment.
    const spread = Math.min(this.#settings.interval * 1000, 5000);
    const [high, low] = crypto.random(2);
    this.#nextSample = clock.now() + (spread * (high * 256 + low)) / 65536;
    this.#pump.settle();
  }

  /** Orderly: what was reserved and not used is given back. */
  stop(): void {
    this.halt();
    this.stack.flush();
  }

  /** At once, as when the power goes: nothing is stored. */
  halt(): void {
    this.#hal.bearer.onReceive = undefined;
    this.#nextSample = Number.POSITIVE_INFINITY;
    this.#pump.stop();
  }

  get deadline(): number {
    return Math.min(this.#nextSample, this.#hal.sensor.deadline);
  }

  tick(now: number): void {
    const { sensor, board } = this.#hal;
    if (now >= sensor.deadline) this.#measured(sensor.read(now), now);
    if (now < this.#nextSample) return;
    board.feedWatchdog();
    const interval = this.#settings.interval * 1000;
    // By the plan and not by now, so that the times of the readings do not drift; what was missed is not made up for.
    this.#nextSample += interval * Math.max(1, Math.ceil((now - this.#nextSample) / interval));
    if (!sensor.start(now)) {
      this.counters.add("sensor: no answer");
      this.#flush(now);
    }
  }

  #measured(sample: HumidityTemperatureSample | undefined, now: number): void {
    const temperature = sample?.thermometer?.temperature;
    const humidity = sample?.hygrometer?.humidity;
    if (temperature === undefined && humidity === undefined) {
      this.counters.add("sensor: nothing measured");
    } else {
      const battery = this.#hal.board.batteryVoltage();
      const measurement: Measurement = {
        temperature: temperature === undefined ? undefined : Math.round(temperature * 100),
        humidity: humidity === undefined ? undefined : Math.round(humidity * 100),
        battery: battery === undefined ? undefined : Math.round(battery),
      };
      this.#latest = measurement;
      this.#measuredAt = now;
      this.outbox.add(measurement, now);
      this.#options.onMeasured?.(measurement, now);
    }
    this.#flush(now);
  }

  /** Sends what waits, unless a request is under way: its end comes here again. */
  #flush(now: number): void {
    if (this.#link.busy || this.outbox.length === 0) return;
    const { generation } = this.#link;
    if (generation !== this.#generation) this.outbox.forgetCarriages();
    this.#generation = generation;
    const { batch, confirmable } = this.#settings;
    const payload = encodeReadings(this.outbox.take(Math.min(batch, LARGEST_BATCH), now));
    this.#link.post(payload, now, (outcome) => this.#finished(outcome), {
      confirmable,
      onCarried: (partialIv) => this.outbox.carried(partialIv),
    });
  }

  #finished(outcome: Outcome): void {
    if (outcome === "rejected") this.counters.add("reading rejected by the server");
    if (outcome === "unanswered" || outcome === "again") this.outbox.release();
    else this.outbox.confirm();
    this.#unanswered = outcome === "unanswered" ? (this.#unanswered % SILENCE) + 1 : 0;
    // The way behind the gateway may be out as well: the friend gets its chance again.
    if (this.#unanswered === SILENCE) this.stack.lowPower?.distrust(this.#hal.clock.now());
    // After "unanswered" not at once: whatever is broken on the way will hardly be mended in this moment. The next
    // sample tries again.
    if (outcome === "accepted" || outcome === "again") this.#flush(this.#hal.clock.now());
  }

  #onMessage({ source, opcode, parameters }: MeshMessage): void {
    if (opcode !== OPCODE_COAP_STATUS) {
      this.counters.add("mesh: unknown opcode");
      return;
    }
    // The link keeps nothing of it, but views end with this call.
    this.#link.receive(parameters, this.#hal.clock.now(), source);
  }

  // ── What the resources show (node-resources.ts) ────────────────────────────────────────────────────────────────

  get settings(): Settings {
    return this.#settings;
  }

  latest(now: number): Reading | undefined {
    return this.#latest && ({ ...this.#latest, age: Math.round((now - this.#measuredAt) / 1000) } as Reading);
  }

  stats(now: number): Uint8Array {
    const { board } = this.#hal;
    const drops: CborMap = new Map();
    // What fits: the first are the first reasons of trouble.
    let room = STATS_ROOM;
    const add = (name: string, count: number) => {
      room -= name.length + DROP_BYTES;
      if (room >= 0) drops.set(name, count);
    };
    for (const [name, count] of this.counters.entries()) add(name, count);
    for (const [name, count] of this.stack.counters.entries())
      if (name.startsWith("drop.")) add(`mesh: ${name.slice(5)}`, count);
    const report: CborMap = new Map<number, CborValue>([
      [Key.uptime, Math.floor((now - this.#startedAt) / 1000)],
      [Key.resetReason, board.resetReason],
      [Key.queue, this.outbox.length],
      [Key.drops, drops],
    ]);
    const battery = board.batteryVoltage();
    if (battery !== undefined) report.set(Key.battery, Math.round(battery));
    return encodeCbor(report);
  }

  change(settings: Settings, now: number): void {
    const bytes = encodeSettings(settings);
    // Flash wears: what is there already is not written again.
    if (equal(bytes, encodeSettings(this.#settings))) return;
    this.#hal.storage.set(SETTINGS_KEY, bytes);
    if (settings.interval !== this.#settings.interval) this.#nextSample = now + settings.interval * 1000;
    this.#settings = settings;
  }
}
