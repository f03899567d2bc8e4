import assert from "node:assert/strict";
import fc from "fast-check";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { MessageLayer } from "../../firmware/coap/message-layer.js";
import { Code } from "../../firmware/coap/numbers.js";
import { type ClientExchange, OscoreClient } from "../../firmware/oscore/client.js";
import type { TableContext } from "../../firmware/oscore/context-table.js";
import { KeyValueContextStore } from "../../firmware/oscore/key-value-store.js";
import { OscoreServer } from "../../firmware/oscore/server.js";
import { StoredState } from "../../firmware/oscore/state.js";
import type { Aead, Crypto, KeyValueStore } from "../../hal/hal.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { MemoryStore } from "../../hal/host/storage.js";

/**
 * A node that sends readings and a server that takes them, over real message layers in virtual time. At chosen steps
 * the power of one of them fails; a step is a datagram's arrival, a timer, or a write to storage, before or after it is
 * durable. An eavesdropper sends all that was ever sent once more after every restart.
 *
 * Three things must hold however it goes: no key and nonce twice, nothing accepted twice, no reading lost.
 */

const PARAMETERS = {
  masterSecret: hex("0102030405060708090a0b0c0d0e0f10"),
  masterSalt: hex("9e7ca92223786340"),
};
const CLIENT = { ...PARAMETERS, senderId: hex(""), recipientId: hex("01") };
const SERVER = { ...PARAMETERS, senderId: hex("01"), recipientId: hex("") };
const READINGS = 4;
const LATENCY = 50;
const REBOOT = 700;

class PowerCut extends Error {}

interface Cut {
  victim: "node" | "server";
  /** the victim's step at which the power fails, counted from its start or the last cut */
  step: number;
  /** what the victim forgets besides its RAM */
  forgets: "nothing" | "state";
}

interface Plan {
  cuts: Cut[];
  /** whether the server keeps replay windows on its disk */
  durableWindows: boolean;
}

interface Event {
  at: number;
  order: number;
  run: () => void;
}

class World {
  now = 0;
  readonly plan: Plan;
  readonly steps = { node: 0, server: 0 };
  readonly #cuts: Cut[];
  readonly outbox: string[] = Array.from({ length: READINGS }, (_, index) => `0${index}ff`);
  readonly readings: string[] = [];
  readonly nodeFlash = new MemoryStore();
  readonly serverDisk = new MemoryStore();
  readonly crypto: Crypto;
  readonly recorded: Uint8Array[] = [];
  readonly problems: string[] = [];
  readonly accepted = new Set<string>();
  #node: Node | undefined;
  #server: Server | undefined;
  #events: Event[] = [];
  #order = 0;

  constructor(plan: Plan) {
    this.plan = plan;
    this.#cuts = plan.cuts.slice();
    this.crypto = uniqueNonces(hostCrypto, (problem) => this.problems.push(problem));
    new StoredState(this.nodeFlash, "oscore").initialize();
    new KeyValueContextStore(this.crypto, this.serverDisk).add(SERVER, { rederivable: true, block: 8 });
    this.#node = new Node(this);
    this.#server = new Server(this);
  }

  after(delay: number, run: () => void): void {
    this.#events.push({ at: this.now + delay, order: this.#order++, run });
  }

  /** Counts a step of whoever runs. @throws PowerCut when it is one */
  step(who: "node" | "server"): void {
    const step = this.steps[who]++;
    const cut = this.#cuts.find(({ victim }) => victim === who);
    if (cut === undefined || cut.step !== step) return;
    this.#cuts.splice(this.#cuts.indexOf(cut), 1);
    throw new PowerCut(cut.forgets);
  }

  /** Lets a device do something, and die of it. */
  let(who: "node" | "server", action: () => void): void {
    try {
      this.step(who);
      action();
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      this.#die(who, error.message === "state");
    }
  }

  #die(who: "node" | "server", forgets: boolean): void {
    this.steps[who] = 0;
    if (who === "node") this.#node = undefined;
    else this.#server = undefined;
    if (forgets && who === "node") this.nodeFlash.delete("oscore");
    if (forgets && who === "server") this.serverDisk.delete("oscore.s0");
    this.after(REBOOT, () => {
      this.let(who, () => {
        if (who === "node") this.#node = new Node(this);
        else this.#server = new Server(this);
      });
      for (const datagram of this.recorded.slice())
        this.after(LATENCY, () => this.#deliver("server", datagram));
    });
  }

  send(to: "node" | "server", datagram: Uint8Array): void {
    const copy = datagram.slice();
    if (to === "server") this.recorded.push(copy);
    this.after(LATENCY, () => this.#deliver(to, copy));
  }

  #deliver(to: "node" | "server", datagram: Uint8Array): void {
    const device = to === "node" ? this.#node : this.#server;
    if (device !== undefined) this.let(to, () => device.layer.receive("peer", datagram, this.now));
  }

  /** A store whose writes are steps of the device that owns it, before and after they are durable. */
  storage(who: "node" | "server", store: KeyValueStore): KeyValueStore {
    return {
      get: (key) => store.get(key),
      set: (key, value) => {
        this.step(who);
        store.set(key, value);
        this.step(who);
      },
      delete: (key) => store.delete(key),
      keys: () => store.keys(),
    };
  }

  run(): void {
    for (let turns = 0; turns < 20_000; turns++) {
      if (this.outbox.length === 0 && this.#events.length === 0) return;
      let due = Infinity;
      let what: (() => void) | undefined;
      for (const [who, device] of [
        ["node", this.#node],
        ["server", this.#server],
      ] as const) {
        if (device === undefined || device.deadline >= due) continue;
        due = device.deadline;
        what = () => this.let(who, () => device.tick(this.now));
      }
      const first = this.#events.reduce<Event | undefined>(
        (best, event) =>
          best === undefined || event.at < best.at || (event.at === best.at && event.order < best.order)
            ? event
            : best,
        undefined,
      );
      if (first !== undefined && first.at <= due) {
        this.#events.splice(this.#events.indexOf(first), 1);
        due = first.at;
        what = first.run;
      }
      if (what === undefined) return;
      this.now = Math.max(this.now, due);
      what();
    }
    assert.fail("the conversation does not end");
  }
}

class Node {
  readonly layer: MessageLayer;
  readonly #world: World;
  readonly #client: OscoreClient;
  #sendAt: number;

  constructor(world: World) {
    this.#world = world;
    this.#client = new OscoreClient({
      crypto: world.crypto,
      parameters: CLIENT,
      state: new StoredState(world.storage("node", world.nodeFlash), "oscore"),
      block: 3,
      rederive: true,
    });
    this.layer = new MessageLayer({
      send: (_, bytes) => world.send("server", bytes),
      random: (length) => world.crypto.random(length),
      tokenLength: 0,
      transmission: { ackTimeout: 300, maxRetransmit: 2 },
    });
    this.#sendAt = world.now;
  }

  get deadline(): number {
    return Math.min(this.layer.deadline, this.#sendAt);
  }

  tick(now: number): void {
    this.layer.tick(now);
    if (this.#sendAt > now) return;
    this.#sendAt = Infinity;
    const reading = this.#world.outbox[0];
    if (reading === undefined) return;
    const exchange = this.#client.request({
      type: 0,
      code: Code.POST,
      messageId: 0,
      token: hex(""),
      options: [],
      payload: hex(reading),
    });
    assert.ok(!(exchange instanceof Refusal), String(exchange));
    this.#send(exchange, exchange.outer);
  }

  #send(exchange: ClientExchange, outer: ClientExchange["outer"]): void {
    const { now } = this.#world;
    const handle = this.layer.request(
      "peer",
      outer,
      {
        onResponse: (response) => {
          const verdict = exchange.receive(response);
          if (verdict instanceof Refusal) return "ignore";
          if (verdict.kind === "again") this.#send(exchange, verdict.outer);
          else if (verdict.message.code === Code.CHANGED) {
            this.#world.outbox.shift();
            this.#sendAt = this.#world.now + 1000;
          } else this.#sendAt = this.#world.now + 1000;
          return "done";
        },
        onFailure: () => {
          this.#client.failed();
          this.#sendAt = this.#world.now + 1000;
        },
      },
      now,
    );
    assert.ok(!(handle instanceof Refusal));
  }
}

class Server {
  readonly layer: MessageLayer;

  constructor(world: World) {
    const store = new KeyValueContextStore(world.crypto, world.storage("server", world.serverDisk), {
      durableWindows: world.plan.durableWindows,
    });
    const oscore = new OscoreServer<TableContext>({ crypto: world.crypto, store });
    this.layer = new MessageLayer({
      send: (_, bytes) => world.send("node", bytes),
      random: (length) => world.crypto.random(length),
      onRequest: (exchange, now) => {
        const wire = `${toHex(exchange.request.options[0]?.value ?? hex(""))}:${toHex(exchange.request.payload)}`;
        oscore.receive(exchange.request, now, {
          accepted: (request) => {
            if (world.accepted.has(wire)) world.problems.push(`accepted twice: ${wire}`);
            world.accepted.add(wire);
            world.readings.push(toHex(request.message.payload));
            const answer = oscore.protect(request, { code: Code.CHANGED, options: [], payload: hex("") });
            if (answer instanceof Refusal) this.layer.ignore(exchange, now);
            else this.layer.respond(exchange, answer, now);
          },
          answered: (answer) => this.layer.respond(exchange, answer, now),
        });
      },
    });
  }

  get deadline(): number {
    return this.layer.deadline;
  }

  tick(now: number): void {
    this.layer.tick(now);
  }
}

/** A crypto whose CCM reports every nonce that a key seals with a second time. */
function uniqueNonces(crypto: Crypto, report: (problem: string) => void): Crypto {
  const used = new Set<string>();
  return Object.assign(Object.create(crypto) as Crypto, {
    ccm(key: Uint8Array, tagLength: 4 | 8 | 16): Aead {
      const aead = crypto.ccm(key, tagLength);
      const name = toHex(key);
      const note = (nonce: Uint8Array): void => {
        const use = `${name} ${toHex(nonce)}`;
        if (used.has(use)) report(`key and nonce a second time: ${toHex(nonce)}`);
        used.add(use);
      };
      return {
        tagLength,
        seal: (nonce, aad, plaintext, out) => {
          note(nonce);
          return aead.seal(nonce, aad, plaintext, out);
        },
        sealAt: (nonce, aad, bytes, at, length) => {
          note(nonce);
          aead.sealAt(nonce, aad, bytes, at, length);
        },
        open: (nonce, aad, sealed, out) => aead.open(nonce, aad, sealed, out),
        openAt: (nonce, aad, bytes, at, length) => aead.openAt(nonce, aad, bytes, at, length),
      };
    },
  });
}

function play(plan: Plan): World {
  const world = new World(plan);
  world.run();
  const story = JSON.stringify(plan);
  assert.deepEqual(world.problems, [], story);
  assert.deepEqual(world.outbox, [], `${story}: not all was sent`);
  const lost = Array.from({ length: READINGS }, (_, index) => `0${index}ff`).filter(
    (reading) => !world.readings.includes(reading),
  );
  assert.deepEqual(lost, [], `${story}: lost`);
  return world;
}

describe("power cuts at every step of a conversation", () => {
  for (const durableWindows of [true, false]) {
    for (const victim of ["node", "server"] as const) {
      for (const forgets of ["nothing", "state"] as const) {
        const title = `${victim} dies and forgets ${forgets === "nothing" ? "its RAM only" : "its state too"}`;
        it(`${title}; the server's windows are ${durableWindows ? "on disk" : "in memory"}`, () => {
          const undisturbed = play({ cuts: [], durableWindows });
          assert.equal(undisturbed.readings.length, READINGS);
          const steps = undisturbed.steps[victim];
          assert.ok(steps > 5, `${steps} steps`);
          for (let step = 0; step < steps; step++)
            play({ cuts: [{ victim, step, forgets }], durableWindows });
        });
      }
    }
  }

  it("and any number of them", () => {
    const cut = fc.record<Cut>({
      victim: fc.constantFrom("node", "server"),
      step: fc.nat({ max: 25 }),
      forgets: fc.constantFrom("nothing", "nothing", "state"),
    });
    const plan = fc.record<Plan>({
      cuts: fc.array(cut, { minLength: 2, maxLength: 6 }),
      durableWindows: fc.boolean(),
    });
    fc.assert(
      fc.property(plan, (one) => {
        play(one);
      }),
      { numRuns: 150 },
    );
  });

  it("would be noticed: a state that is brought back from an old copy reuses a nonce", () => {
    const world = new World({ cuts: [], durableWindows: true });
    const old = world.nodeFlash.get("oscore")!;
    world.run();
    world.nodeFlash.set("oscore", old);
    world.outbox.push("09ff");
    const again = new Node(world);
    again.tick(world.now);
    assert.match(world.problems.join(), /a second time/);
  });
});
