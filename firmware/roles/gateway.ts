import type { Hal, MeshMessage, ModemPort } from "../../hal/hal.js";
import { Counters } from "../bytes/counters.js";
import { Refusal } from "../bytes/refusal.js";
import { CoapHop } from "../coap/hop.js";
import { OPCODE_COAP_STATUS } from "../mesh/numbers.js";
import type { MeshStack } from "../mesh/stack.js";
import type { SaraR4Config } from "../modem/config.js";
import { SaraR4, type SendOutcome } from "../modem/sara-r4.js";
import { encodeHealth } from "../reading/codec.js";
import type { Health } from "../reading/reading.js";
import type { Identity } from "./identity.js";
import { makeMeshStack } from "./mesh.js";
import { Pump, type Timed } from "./pump.js";
import { ServerLink } from "./server-link.js";
import { UplinkQueue } from "./uplink-queue.js";

/** What a gateway is connected to. */
export interface GatewayHal extends Hal {
  readonly modem: ModemPort;
}

export interface GatewayOptions {
  readonly modem: SaraR4Config;
  /** Datagrams kept while the modem is out of coverage; default 256. */
  readonly queue?: number;
  /** ms that a datagram is kept; default 24 h. */
  readonly queueLifetime?: number;
  /** ms between reports of its own health; default 60 s. */
  readonly healthInterval?: number;
}

const DAY = 86_400_000;
/** The first health report comes early: a technician waits for it. */
const FIRST_HEALTH = 1000;
/** A node not heard for so long is not reported as heard. */
const HEARD_LIFETIME = 3_600_000;
/** Nodes remembered as heard. */
const HEARD_LIMIT = 256;
/** In one report: what fits into one datagram of the modem (512 bytes in hex mode). The server puts them together. */
const HEARD_REPORTED = 24;
const DROPS_REPORTED = 8;

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
  readonly queue: UplinkQueue;
  readonly counters = new Counters();
  readonly #hal: GatewayHal;
  readonly #identity: Identity;
  readonly #healthInterval: number;
  readonly #link: ServerLink;
  readonly #pump: Pump;
  readonly #heard = new Map<number, { hops: number; at: number; reported: number }>();
  readonly #dropsReported = new Map<string, number>();
  readonly #startedAt: number;
  /** What the modem has in hand. */
  #sending: Uint8Array | undefined;
  #nextHealth = Number.POSITIVE_INFINITY;

  /** @throws Error for an identity without what a gateway needs: AppKey, security context */
  constructor(hal: GatewayHal, identity: Identity, options: GatewayOptions) {
    const { mesh, oscore } = identity;
    if (mesh.appKey === undefined || oscore === undefined) {
      throw new Error(`${identity.name} is not provisioned as a gateway`);
    }
    this.#hal = hal;
    this.#identity = identity;
    this.#healthInterval = options.healthInterval ?? 60_000;
    this.#startedAt = hal.clock.now();
    const random = (length: number) => hal.crypto.random(length);
    this.queue = new UplinkQueue(options.queue ?? 256, options.queueLifetime ?? DAY, this.counters);
    this.hop = new CoapHop({ random });
    this.stack = makeMeshStack(hal, mesh);
    this.stack.onMessage = (message) => this.#fromMesh(message);
    const { serial, powerOn, reset, vInt } = hal.modem;
    this.modem = new SaraR4({
      write: (bytes) => serial.write(bytes),
      setBaud: (baud) => serial.setBaud(baud),
      lines: { ...(powerOn && { powerOn }), ...(reset && { reset }), ...(vInt && { vInt }) },
      config: options.modem,
      onDatagram: (bytes, now) => this.#fromUpstream(bytes, now),
      onState: (_state, now) => this.#drain(now),
      onSent: (outcome, now) => this.#sent(outcome, now),
    });
    this.#link = new ServerLink({
      crypto: hal.crypto,
      storage: hal.storage,
      oscore,
      counters: this.counters,
      // Through the hop like everybody's, so that message IDs and tokens of the one socket never collide.
      send: (message) => this.#forward(mesh.address, message, hal.clock.now()),
    });
    this.#pump = new Pump(hal.clock, this, this.stack, this.modem, this.#link);
  }

  start(): void {
    const { clock, bearer, modem } = this.#hal;
    bearer.onReceive = (data, _address, rssi) => {
      this.stack.receive(data, rssi, clock.now());
      this.#pump.settle();
    };
    modem.serial.onReadable = () => {
      const bytes = modem.serial.read();
      if (bytes !== undefined) this.modem.receive(bytes, clock.now());
      this.#pump.settle();
    };
    this.#nextHealth = clock.now() + FIRST_HEALTH;
    this.modem.start(clock.now());
    this.#pump.settle();
  }

  /** Orderly: the modem is told to switch off, what was reserved and not used is given back. */
  stop(): void {
    this.modem.stop(this.#hal.clock.now());
    this.halt();
    this.stack.flush();
  }

  /** At once, as when the power goes: nothing is stored, the modem is left as it is. */
  halt(): void {
    this.#hal.bearer.onReceive = undefined;
    this.#hal.modem.serial.onReadable = undefined;
    this.#pump.stop();
  }

  get deadline(): number {
    return this.#nextHealth;
  }

  tick(now: number): void {
    if (now < this.#nextHealth) return;
    this.#hal.board.feedWatchdog();
    // Before there is a way out, a report would only wait and be old when it leaves.
    const early = this.modem.state !== "ready" && this.modem.state !== "asleep";
    this.#nextHealth = now + (early ? FIRST_HEALTH : this.#healthInterval);
    if (early || this.#link.busy) return;
    this.#link.post(encodeHealth(this.health(now)), now, () => {});
  }

  /**
   * How this gateway is: what its next health report says. Of the drops those that grew most since they were last
   * told, of the nodes those that were not told for longest.
   */
  health(now: number): Health {
    const { board } = this.#hal;
    const { rsrp, rat } = this.modem.signal;
    const battery = board.batteryVoltage();
    return {
      uptime: Math.floor((now - this.#startedAt) / 1000),
      resetReason: board.resetReason,
      modem: this.modem.state,
      queue: this.queue.length,
      drops: this.#dropsToReport(),
      heard: this.#heardToReport(now),
      ...(battery !== undefined && { battery: Math.round(battery) }),
      ...(rsrp !== undefined && { rsrp }),
      ...(rat !== undefined && { rat: RAT_NAMES[rat] }),
    };
  }

  /** Everything that was dropped or went wrong since the start, by reason. */
  drops(): Map<string, number> {
    const drops = new Map<string, number>();
    for (const [name, count] of this.stack.counters.entries()) {
      // Own echoes and copies are how a mesh works, not something that went wrong.
      if (name.startsWith("drop.") && !EXPECTED_DROPS.has(name)) drops.set(`mesh: ${name.slice(5)}`, count);
    }
    for (const [name, count] of this.hop.counters.entries()) drops.set(`hop: ${name}`, count);
    for (const [name, count] of this.modem.counters.entries()) drops.set(`modem: ${name}`, count);
    for (const [name, count] of this.counters.entries()) drops.set(name, count);
    const { overruns } = this.#hal.modem.serial;
    if (overruns > 0) drops.set("modem: serial overruns", overruns);
    return drops;
  }

  #dropsToReport(): Map<string, number> {
    const growth = (name: string, count: number) => count - (this.#dropsReported.get(name) ?? 0);
    const grown = [...this.drops()]
      .filter(([name, count]) => growth(name, count) > 0)
      .sort((a, b) => growth(...b) - growth(...a))
      .slice(0, DROPS_REPORTED);
    for (const [name, count] of grown) this.#dropsReported.set(name, count);
    return new Map(grown);
  }

  #heardToReport(now: number): Map<number, number> {
    for (const [address, { at }] of this.#heard) {
      if (now - at > HEARD_LIFETIME) this.#heard.delete(address);
    }
    const due = [...this.#heard].sort((a, b) => a[1].reported - b[1].reported).slice(0, HEARD_REPORTED);
    for (const [, node] of due) node.reported = now;
    return new Map(due.map(([address, { hops }]) => [address, hops]));
  }

  #fromMesh({ source, opcode, parameters, ttl }: MeshMessage): void {
    if (opcode !== OPCODE_COAP_STATUS) {
      this.counters.add("mesh: unknown opcode");
      return;
    }
    const now = this.#hal.clock.now();
    this.#note(source, this.#identity.mesh.ttl - ttl + 1, now);
    this.#forward(source, parameters, now);
  }

  /** The most recently heard stay. */
  #note(source: number, hops: number, now: number): void {
    const reported = this.#heard.get(source)?.reported ?? Number.NEGATIVE_INFINITY;
    this.#heard.delete(source);
    this.#heard.set(source, { hops: Math.max(1, hops), at: now, reported });
    if (this.#heard.size <= HEARD_LIMIT) return;
    for (const oldest of this.#heard.keys()) {
      this.#heard.delete(oldest);
      break;
    }
  }

  /** A message from a node (or from this gateway itself) on its way to the server. */
  #forward(source: number, message: Uint8Array, now: number): void {
    const upstream = this.hop.fromMesh(source, message, now);
    if (upstream instanceof Refusal) {
      if (upstream.answer !== undefined) this.#deliver(source, upstream.answer, now);
      return;
    }
    this.queue.push(upstream, now);
    this.#drain(now);
  }

  #fromUpstream(datagram: Uint8Array, now: number): void {
    const downstream = this.hop.fromUpstream(datagram, now);
    if (downstream instanceof Refusal) {
      if (downstream.answer !== undefined) {
        this.queue.push(downstream.answer, now);
        this.#drain(now);
      }
      return;
    }
    this.#deliver(downstream.destination, downstream.bytes, now);
  }

  /** A message for a node, or for this gateway itself. */
  #deliver(destination: number, message: Uint8Array, now: number): void {
    if (destination === this.#identity.mesh.address) this.#link.receive(message, now);
    else if (!this.stack.send(destination, OPCODE_COAP_STATUS, message)) this.counters.add("mesh: no room");
  }

  #drain(now: number): void {
    if (this.#sending !== undefined || !this.modem.canSend) return;
    const datagram = this.queue.head(now);
    if (datagram === undefined) return;
    if (datagram.length > this.modem.maxDatagram) {
      this.queue.sent(datagram);
      this.counters.add("uplink: dropped, too long");
      this.#drain(now);
      return;
    }
    this.#sending = datagram;
    if (!this.modem.send(datagram, now)) this.#sending = undefined;
  }

  #sent(outcome: SendOutcome, now: number): void {
    // What was refused, or may not have left, stays at the head: a copy too many is removed by the server.
    if (outcome === "sent" && this.#sending !== undefined) this.queue.sent(this.#sending);
    this.#sending = undefined;
    this.#drain(now);
  }
}

/** Drops that belong to every healthy mesh. */
const EXPECTED_DROPS: ReadonlySet<string> = new Set([
  "drop.duplicate",
  "drop.own",
  "drop.ad-type",
  "drop.destination",
]);
