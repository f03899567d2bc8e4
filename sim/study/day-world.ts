/** The network of `runDay` and its life: sensors that report, power cuts, a recorder, new keys and a new IV Index. */

import { ConfigClient } from "../../firmware/mesh/config-client.js";
import * as ask from "../../firmware/mesh/config-messages.js";
import { OPCODE_COAP_STATUS } from "../../firmware/mesh/numbers.js";
import type { MeshConfig } from "../../firmware/mesh/stack.js";
import { Air } from "../air/air.js";
import type { Position } from "../air/interference.js";
import { logDistance } from "../air/propagation.js";
import { VirtualClock } from "../clock.js";
import { Random } from "../random.js";
import { MeshNode, STUDY_NET_KEY } from "./mesh-node.js";
import { SequenceWatch } from "./sequence-watch.js";

export interface DayOptions {
  /** All members: a gateway, a relay for every ten, and sensors. */
  readonly nodes: number;
  readonly hours: number;
  /** Seconds between two messages of a sensor. */
  readonly interval: number;
  readonly loss: number;
  /** Seconds between two power cuts, anywhere. */
  readonly cutEvery: number;
  readonly seed: number;
}

export const DAY_DEFAULTS: DayOptions = {
  nodes: 200,
  hours: 24,
  interval: 1800,
  loss: 0.1,
  cutEvery: 120,
  seed: 1,
};

const GATEWAY = 1;
export const NEW_NET_KEY = new Uint8Array(16).fill(0x33);
const NEW_APP_KEY = new Uint8Array(16).fill(0x44);
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
/** Square metres per node: a reach of some 60 m has tens of neighbours. */
const AREA = 180;
/** A message that was not acknowledged is sent again after this, ms. */
const AGAIN = 15_000;
/** Messages that a sensor keeps; what does not fit is lost. */
const OUTBOX = 20;

interface Waiting {
  readonly serial: number;
  readonly since: number;
}

/** The network, its messages, and what happens to them. */
export class DayWorld {
  readonly clock = new VirtualClock();
  readonly air: Air;
  readonly random: Random;
  readonly options: DayOptions;
  readonly nodes: MeshNode[] = [];
  readonly watch = new SequenceWatch([STUDY_NET_KEY, NEW_NET_KEY]);
  readonly outbox = new Map<MeshNode, Waiting[]>();
  readonly arrivals = new Map<number, number>();
  readonly attemptsHeard = new Map<number, number>();
  readonly acknowledged: number[] = [];
  readonly latencies: number[] = [];
  readonly highestIv = new Map<MeshNode, number>();
  /** Who has which new key already. */
  readonly updated = new Set<number>();
  client: ConfigClient | undefined;
  phase = "before";
  messages = 0;
  attempts = 0;
  powerCuts = 0;
  cutsInWrites = 0;
  replayed = 0;
  ivBack = 0;

  constructor(options: DayOptions) {
    this.options = options;
    this.random = new Random(options.seed);
    this.air = new Air({
      clock: this.clock,
      random: this.random.fork("air"),
      propagation: logDistance({ shadowing: 3 }),
      loss: options.loss,
    });
    this.#build();
    this.#recorder();
    this.#after(1000 * options.cutEvery, () => this.#cut());
  }

  get gateway(): MeshNode {
    return this.nodes[0];
  }

  #build(): void {
    const { nodes } = this.options;
    const side = Math.sqrt(nodes * AREA);
    const relays = Math.max(4, Math.floor(nodes / 10));
    const columns = Math.ceil(Math.sqrt(relays));
    const rows = Math.ceil(relays / columns);
    for (let i = 0; i < nodes; i++) {
      const random = this.random.fork(`place ${i}`);
      const relay = i > 0 && i <= relays;
      const place = i - 1;
      const position: Position =
        i === 0
          ? { x: side / 2, y: side / 2 }
          : relay
            ? {
                x: (((place % columns) + 0.5) * side) / columns,
                y: ((Math.floor(place / columns) + 0.5) * side) / rows,
              }
            : { x: random.between(0, side), y: random.between(0, side) };
      const node = this.#add(GATEWAY + i, position, relay);
      this.nodes.push(node);
      if (i > 0 && !relay) this.#sensor(node);
    }
  }

  #add(address: number, position: Position, relay: boolean): MeshNode {
    const config: Partial<MeshConfig> = {
      deviceKey: deviceKey(address),
      ivUpdateTestMode: true,
      defaultTtl: 7,
      relay,
      ...(address === GATEWAY && { limits: { rxSessions: 32, replayEntries: this.options.nodes + 8 } }),
    };
    return new MeshNode({
      air: this.air,
      address,
      position,
      random: this.random.fork(`node ${address}`),
      config,
      onStart: (node) => {
        this.#watchIv(node);
        if (address === GATEWAY) this.#startGateway(node);
      },
      onTransmit: (node, adStructure) => {
        this.#watchIv(node);
        // The constructor of a stack sends nothing, so there is one.
        this.watch.see(node.address, adStructure, node.stack.iv.current);
      },
    });
  }

  #startGateway(node: MeshNode): void {
    for (let i = 0; i < this.options.nodes; i++) {
      node.stack.keys.setRemoteDeviceKey(GATEWAY + i, deviceKey(GATEWAY + i));
    }
    node.stack.onMessage = ({ parameters }) => {
      const view = new DataView(parameters.buffer, parameters.byteOffset);
      const serial = view.getUint32(0);
      const attempt = view.getUint32(4);
      this.attemptsHeard.set(attempt, (this.attemptsHeard.get(attempt) ?? 0) + 1);
      if (this.arrivals.has(serial)) return;
      this.arrivals.set(serial, this.clock.now());
    };
    const client = new ConfigClient({
      send: (destination, opcode, parameters, options) =>
        node.stack.send(destination, opcode, parameters, options),
      now: () => this.clock.now(),
    });
    node.stack.onAccess = (message) => client.handle(message);
    this.client = client;
    node.run(client);
  }

  #sensor(node: MeshNode): void {
    const { interval } = this.options;
    const random = node.random.fork("messages");
    const waiting: Waiting[] = [];
    this.outbox.set(node, waiting);
    const report = () => {
      if (waiting.length === OUTBOX) waiting.shift();
      waiting.push({ serial: ++this.messages, since: this.clock.now() });
      if (waiting.length === 1) attempt();
      this.#after(1000 * interval * random.between(0.9, 1.1), report);
    };
    const attempt = () => {
      const first = waiting[0];
      if (first === undefined) return;
      const again = () => {
        if (waiting[0] === first) attempt();
      };
      if (!node.powered) {
        this.#after(AGAIN, again);
        return;
      }
      const payload = new Uint8Array(20);
      const number = ++this.attempts;
      const view = new DataView(payload.buffer);
      view.setUint32(0, first.serial);
      view.setUint32(4, number);
      const { stack } = node;
      const done = (outcome: string) => {
        // A stack whose power went says nothing any more.
        if (outcome !== "acknowledged" || node.stack !== stack) return;
        this.acknowledged.push(number);
        const at = this.arrivals.get(first.serial);
        if (at !== undefined) this.latencies.push(at - first.since);
        if (waiting[0] === first) waiting.shift();
        this.#after(1000, attempt);
      };
      stack.send(GATEWAY, OPCODE_COAP_STATUS, payload, { done });
      this.#after(AGAIN * random.between(0.9, 1.1), again);
    };
    this.#after(1000 * interval * random.next(), report);
  }

  /** Somewhere the power goes: between two things or in the middle of a write. It comes back after a while. */
  #cut(): void {
    const random = this.random;
    this.#after(random.exponential(1000 * this.options.cutEvery), () => this.#cut());
    const node = random.pick(this.nodes);
    if (!node.powered) return;
    this.powerCuts++;
    const back = () =>
      this.#after(random.between(2000, 60_000), () => {
        if (!node.powered) node.powerOn();
      });
    if (random.chance(0.5)) {
      node.cutPower();
      back();
      return;
    }
    node.cutPowerInWrite(1 + random.below(3));
    const wait = () => {
      if (node.powered) this.#after(1000, wait);
      else {
        this.cutsInWrites++;
        back();
      }
    };
    this.#after(1000, wait);
  }

  /** One that has no key, records what it hears, and sends it again later: after minutes, after hours. */
  #recorder(): void {
    const random = this.random.fork("recorder");
    const side = Math.sqrt(this.options.nodes * AREA);
    const radio = this.air.attach({ name: "recorder", position: { x: side / 2 + 5, y: side / 2 } });
    const tape: Uint8Array[] = [];
    radio.onReceive = (data) => {
      if (!random.chance(0.01)) return;
      if (tape.length < 2000) tape.push(data.slice());
      else tape[random.below(2000)] = data.slice();
    };
    const play = () => {
      this.#after(5000, play);
      if (tape.length > 0 && radio.send(random.pick(tape), 1, 20)) this.replayed++;
    };
    this.#after(5000, play);
  }

  #watchIv(node: MeshNode): void {
    const iv = node.stack.iv.current;
    const before = this.highestIv.get(node) ?? 0;
    if (iv < before) this.ivBack++;
    else this.highestIv.set(node, iv);
  }

  /** Gives every node the new keys over the air; who does not answer is asked again until it does. */
  #distribute(): void {
    this.phase = "key refresh, phase 1";
    const wanted = new Set(this.nodes.map(({ address }) => address));
    const serve = (address: number) => {
      const { client } = this;
      const again = () => this.#after(10_000, () => serve(address));
      // A gateway without power loses what it was doing.
      if (client === undefined || !this.gateway.powered) return again();
      let over = false;
      const step = (request: ask.ConfigRequest, next: () => void) =>
        client.request(address, request, (result) => {
          if (over) return;
          over = result.kind === "timed-out";
          if (over) again();
          else next();
        });
      this.#after(10 * MINUTE, () => {
        if (over || this.updated.has(address)) return;
        over = true;
        serve(address);
      });
      step(ask.netKeyUpdate(0, NEW_NET_KEY), () =>
        step(ask.appKeyUpdate(0, 0, NEW_APP_KEY), () => {
          this.updated.add(address);
        }),
      );
      this.gateway.settle();
    };
    for (const address of wanted) serve(address);
  }

  #setPhase(phase: 2 | 3): void {
    this.phase = `key refresh, phase ${phase}`;
    const { client } = this;
    if (client === undefined || !this.gateway.powered) {
      this.#after(10_000, () => this.#setPhase(phase));
      return;
    }
    client.request(GATEWAY, ask.keyRefreshPhaseSet(0, phase), (result) => {
      if (result.kind === "timed-out") this.#setPhase(phase);
    });
    this.gateway.settle();
  }

  /** The middle of the day: an IV Update from its begin to its end, and after it a key refresh. */
  plan(): void {
    const { hours } = this.options;
    const at = (share: number, work: () => void) => this.#after(share * hours * HOUR, work);
    const start = () => {
      this.phase = "IV update";
      if (!this.gateway.powered || !this.gateway.stack.startIvUpdate()) this.#after(10_000, start);
    };
    const finish = () => {
      this.phase = "IV updated";
      if (!this.gateway.powered || !this.gateway.stack.iv.finish(this.clock.now())) this.#after(5000, finish);
    };
    at(0.35, start);
    at(0.45, finish);
    at(0.5, () => this.#distribute());
    // The next phase waits for everybody.
    const second = () => {
      if (this.updated.size < this.nodes.length) this.#after(MINUTE, second);
      else {
        this.#setPhase(2);
        this.#after(0.05 * hours * HOUR, () => this.#setPhase(3));
      }
    };
    at(0.55, second);
  }

  #after(ms: number, work: () => void): void {
    this.clock.post(this.clock.now() + ms, work);
  }

  get waiting(): number {
    let waiting = 0;
    for (const messages of this.outbox.values()) waiting += messages.length;
    return waiting;
  }
}

function deviceKey(address: number): Uint8Array {
  const key = new Uint8Array(16).fill(0x55);
  key[0] = address >> 8;
  key[1] = address;
  return key;
}
