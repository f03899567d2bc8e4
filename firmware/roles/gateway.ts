import type { Hal, KeyValueStore, MeshMessage, ModemPort } from "../../hal/hal.js";
import { Counters } from "../bytes/counters.js";
import { Refusal } from "../bytes/refusal.js";
import { CoapHop } from "../coap/hop.js";
import { OPCODE_COAP_STATUS } from "../mesh/numbers.js";
import type { MeshStack } from "../mesh/stack.js";
import type { SaraR4Config } from "../modem/config.js";
import { SaraR4 } from "../modem/sara-r4.js";
import { GatewayHealth, type GatewayState, type HealthReport } from "./gateway-health.js";
import type { Identity } from "./identity.js";
import { makeMeshStack } from "./mesh.js";
import { Pump, type Timed } from "./pump.js";
import { ServerLink } from "./server-link.js";
import { type GatherOptions, type KeepOptions, Uplink } from "./uplink.js";
import type { UplinkQueueOptions } from "./uplink-queue.js";

/** What a gateway is connected to. */
export interface GatewayHal extends Hal {
  readonly modem: ModemPort;
  /** A place for what waits for coverage, so that it outlives power; {@link Hal.storage} itself will do. */
  readonly queueStore?: KeyValueStore;
}

export interface GatewayOptions {
  readonly modem: SaraR4Config;
  /** Bounds of what is kept while the modem is out of coverage. */
  readonly queue?: Pick<UplinkQueueOptions, "capacity" | "bytes" | "lifetime">;
  /** When and how much of it is written to its place, if the HAL has one. */
  readonly keep?: Omit<KeepOptions, "place">;
  /** How datagrams are gathered; only with the modem's power saving. */
  readonly gather?: GatherOptions;
  /** ms between reports of its own health; default 60 s, with the modem's power saving 15 min. */
  readonly healthInterval?: number;
}

const NEVER = Number.POSITIVE_INFINITY;
/** The first health report comes early: a technician waits for it. */
const FIRST_HEALTH = 1000;
const HEALTH_INTERVAL = 60_000;
/** A report costs a radio session, unless it finds one. */
const SAVING_HEALTH_INTERVAL = 900_000;
/** Intervals that a report waits for somebody else's session. */
const SESSIONS_WAITED = 3;
/** Bytes that CoAP and OSCORE put around a report at most: header, token, option with a kid context, tag of 16. */
const PROTECTION = 80;
const WATCHDOG_INTERVAL = 10_000;
/** Nodes that a gateway serves, and some more: of further ones the mesh refuses messages (Mesh Protocol §3.9.8). */
const NODES = 128;
/** Names of their requests remembered: each has one outstanding (RFC 7252 §4.7). */
const NODES_NAMES = NODES;
/** The server has one request outstanding with a node. */
const SERVERS_NAMES = 64;

const RAT_NAMES = { "lte-m": "LTE-M", "nb-iot": "NB-IoT", gprs: "GPRS" } as const;

/**
 * A gateway (DESIGN §4.7): takes CoAP messages out of the mesh and sends them as UDP datagrams through the modem, and
 * brings the answers back. It holds the mesh's AppKey and a security context of its own for its health; of what the
 * nodes and the server say to each other it can read nothing.
 */
export class GatewayRole implements Timed {
  readonly stack: MeshStack;
  readonly hop: CoapHop;
  readonly modem: SaraR4;
  readonly uplink: Uplink;
  readonly counters = new Counters();
  readonly #hal: GatewayHal;
  readonly #identity: Identity;
  readonly #healthInterval: number;
  readonly #link: ServerLink;
  readonly #pump: Pump;
  readonly #health = new GatewayHealth();
  readonly #startedAt: number;
  readonly #saving: boolean;
  /** When the next report is due, and when it is looked at again. */
  #healthDue = NEVER;
  #nextHealth = NEVER;
  #nextFeed = NEVER;
  #reported = false;
  #stopping = false;

  /**
   * Takes over what an earlier run has left in the queue's place.
   * @throws Error for an identity without what a gateway needs: AppKey, security context
   */
  constructor(hal: GatewayHal, identity: Identity, options: GatewayOptions) {
    const { mesh, oscore } = identity;
    if (mesh.appKey === undefined || oscore === undefined) {
      throw new Error(`${identity.name} is not provisioned as a gateway`);
    }
    this.#hal = hal;
    this.#identity = identity;
    this.#saving = options.modem.powerSaving !== undefined;
    this.#healthInterval =
      options.healthInterval ?? (this.#saving ? SAVING_HEALTH_INTERVAL : HEALTH_INTERVAL);
    this.#startedAt = hal.clock.now();
    this.hop = new CoapHop({
      random: (length) => hal.crypto.random(length),
      limit: NODES_NAMES,
      meshLimit: SERVERS_NAMES,
    });
    this.stack = makeMeshStack(hal, mesh, { limits: { replayEntries: NODES } });
    this.stack.onMessage = (message) => this.#fromMesh(message);
    this.modem = this.#makeModem(options.modem);
    const { queueStore } = hal;
    this.uplink = new Uplink(
      {
        modem: this.modem,
        counters: this.counters,
        ...options.queue,
        ...(this.#saving && { gather: options.gather ?? {} }),
        onOpen: (now) => {
          if (now >= this.#healthDue) this.#tellHealth(now);
        },
        ...(queueStore !== undefined && { keep: { ...options.keep, place: queueStore } }),
      },
      this.#startedAt,
    );
    this.#link = new ServerLink({
      crypto: hal.crypto,
      storage: hal.storage,
      oscore,
      counters: this.counters,
      // Through the hop like everybody's, so that message IDs and tokens of the one socket never collide.
      send: (message) => this.#forward(mesh.address, message, hal.clock.now()),
    });
    this.#pump = new Pump(hal.clock, this, this.stack, this.modem, this.uplink, this.#link);
  }

  #makeModem(config: SaraR4Config): SaraR4 {
    const { serial, powerOn, reset, vInt } = this.#hal.modem;
    return new SaraR4({
      write: (bytes) => serial.write(bytes),
      setBaud: (baud) => serial.setBaud(baud),
      lines: { ...(powerOn && { powerOn }), ...(reset && { reset }), ...(vInt && { vInt }) },
      config,
      onDatagram: (bytes, now) => this.#fromUpstream(bytes, now),
      onState: (_state, now) => {
        if (!this.#stopping) this.uplink.drain(now);
      },
      onSent: (outcome, now) => {
        if (!this.#stopping) this.uplink.sent(outcome, now);
      },
    });
  }

  start(): void {
    const { clock, bearer } = this.#hal;
    bearer.onReceive = (data, _address, rssi) => {
      this.stack.receive(data, rssi, clock.now());
      this.#pump.settle();
    };
    this.#listenToModem(this.#pump);
    this.#healthDue = clock.now() + FIRST_HEALTH;
    this.#nextHealth = this.#healthDue;
    this.#nextFeed = clock.now();
    this.modem.start(clock.now());
    this.#pump.settle();
  }

  #listenToModem(pump: Pump): void {
    const { clock, modem } = this.#hal;
    modem.serial.onReadable = () => {
      const bytes = modem.serial.read();
      if (bytes !== undefined) this.modem.receive(bytes, clock.now());
      pump.settle();
    };
  }

  /**
   * Orderly: what waits is written down, what was reserved and not used is given back. The modem is told to leave the
   * network and to switch off, which takes it some seconds more: its state is "off" then.
   */
  stop(): void {
    const { clock } = this.#hal;
    this.#stopping = true;
    this.halt();
    this.uplink.keepAll(clock.now());
    this.stack.flush();
    // The modem alone goes on: what the mesh would still send has no numbers reserved any more.
    const pump = new Pump(clock, this.modem);
    this.#listenToModem(pump);
    this.modem.stop(clock.now());
    pump.settle();
  }

  /** At once, as when the power goes: nothing is stored, the modem is left as it is. */
  halt(): void {
    this.#hal.bearer.onReceive = undefined;
    this.#hal.modem.serial.onReadable = undefined;
    this.#pump.stop();
  }

  get deadline(): number {
    return Math.min(this.#nextHealth, this.#nextFeed);
  }

  tick(now: number): void {
    if (now >= this.#nextFeed) {
      this.#hal.board.feedWatchdog();
      this.#nextFeed = now + WATCHDOG_INTERVAL;
    }
    if (now < this.#nextHealth) return;
    const alone = this.#healthDue + SESSIONS_WAITED * this.#healthInterval;
    // A radio session that somebody else begins carries the report for nothing. Only the first one never waits.
    const mayWait = this.#saving && this.#reported && !this.uplink.isOpen(now);
    if (!mayWait || now >= alone) this.#tellHealth(now);
    else this.#nextHealth = alone;
  }

  #tellHealth(now: number): void {
    // Before there is a way out, a report would only wait and be old when it leaves.
    const early = this.modem.state !== "ready" && this.modem.state !== "asleep";
    this.#healthDue = now + (early ? FIRST_HEALTH : this.#healthInterval);
    this.#nextHealth = this.#healthDue;
    if (early || this.#link.busy) return;
    this.#reported = true;
    const report = this.health(now);
    this.#link.post(report.payload, now, (outcome) => {
      if (outcome === "accepted") report.told();
    });
  }

  /** How this gateway is: what its next health report says. */
  health(now: number): HealthReport {
    const { board } = this.#hal;
    const { rsrp, rat } = this.modem.signal;
    const battery = board.batteryVoltage();
    const state: GatewayState = {
      uptime: Math.floor((now - this.#startedAt) / 1000),
      resetReason: board.resetReason,
      modem: this.modem.state,
      queue: this.uplink.queue.length,
      ...(battery !== undefined && { battery: Math.round(battery) }),
      ...(rsrp !== undefined && { rsrp }),
      ...(rat !== undefined && { rat: RAT_NAMES[rat] }),
    };
    return this.#health.report(state, this.drops(), this.modem.maxDatagram - PROTECTION, now);
  }

  /** Everything that was dropped or went wrong since the start, by reason. */
  drops(): Map<string, number> {
    const drops = new Map<string, number>();
    for (const [name, count] of this.stack.counters.entries()) {
      if (name.startsWith("drop.") && !EXPECTED_DROPS.has(name)) drops.set(`mesh: ${name.slice(5)}`, count);
    }
    for (const [name, count] of this.hop.counters.entries()) drops.set(`hop: ${name}`, count);
    for (const [name, count] of this.modem.counters.entries()) drops.set(`modem: ${name}`, count);
    for (const [name, count] of this.counters.entries()) drops.set(name, count);
    const { overruns } = this.#hal.modem.serial;
    if (overruns > 0) drops.set("modem: serial overruns", overruns);
    return drops;
  }

  #fromMesh({ source, opcode, parameters, ttl }: MeshMessage): void {
    if (opcode !== OPCODE_COAP_STATUS) {
      this.counters.add("mesh: unknown opcode");
      return;
    }
    const now = this.#hal.clock.now();
    this.#health.hear(source, this.#identity.mesh.ttl - ttl + 1, now);
    this.#forward(source, parameters, now);
  }

  /** A message from a node (or from this gateway itself) on its way to the server. */
  #forward(source: number, message: Uint8Array, now: number): void {
    const upstream = this.hop.fromMesh(source, message, now);
    if (!(upstream instanceof Refusal)) {
      this.uplink.push(upstream, source, (message[2] << 8) | message[3], now);
    } else if (upstream.answer !== undefined) {
      this.#deliver(source, upstream.answer, now);
    }
  }

  #fromUpstream(datagram: Uint8Array, now: number): void {
    this.uplink.heard(now);
    const downstream = this.hop.fromUpstream(datagram, now);
    if (!(downstream instanceof Refusal)) {
      this.#deliver(downstream.destination, downstream.bytes, now);
    } else if (downstream.answer !== undefined) {
      const { answer } = downstream;
      this.uplink.push(answer, this.#identity.mesh.address, (answer[2] << 8) | answer[3], now);
    }
  }

  /** A message for a node, or for this gateway itself. */
  #deliver(destination: number, message: Uint8Array, now: number): void {
    if (destination === this.#identity.mesh.address) this.#link.receive(message, now);
    else if (!this.stack.send(destination, OPCODE_COAP_STATUS, message)) this.counters.add("mesh: no room");
  }
}

/** Drops that belong to every healthy mesh: echoes, copies by other ways, segments repeated until they are acknowledged. */
const EXPECTED_DROPS: ReadonlySet<string> = new Set([
  "drop.duplicate",
  "drop.own",
  "drop.ad-type",
  "drop.destination",
  "drop.segment-late",
  "drop.segment-duplicate",
]);
