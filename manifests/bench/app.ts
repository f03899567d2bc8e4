/**
 * What the firmware's work costs on the chip (DESIGN §6). Each figure is a line `FIGURE name value us`; the last line is
 * `bench: done`.
 */

import { hex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { encodeMessage } from "../../firmware/coap/codec.js";
import { type CoapMessage, Type } from "../../firmware/coap/message.js";
import { Code } from "../../firmware/coap/numbers.js";
import { OPCODE_COAP_STATUS } from "../../firmware/mesh/numbers.js";
import { MeshStack } from "../../firmware/mesh/stack.js";
import { deriveContext } from "../../firmware/oscore/context.js";
import { protectRequest, protectResponse } from "../../firmware/oscore/protect.js";
import { unprotectRequest, unprotectResponse } from "../../firmware/oscore/unprotect.js";
import { encodeReadings } from "../../firmware/reading/codec.js";
import type { KeyValueStore } from "../../hal/hal.js";
import { cpuCycles } from "../../hal/nrf52/chip.js";
import { BoardCrypto } from "../../hal/nrf52/crypto.js";
import { Console } from "../shared/console.js";

const TURNS = 40;
const NET_KEY = hex("7dd7364cd842ad18c17c2b820c84c3d6");
const APP_KEY = hex("63964771734fbd76e3b40519d1d94a48");

/** What the flash costs in time is no CPU time: these figures are without it. */
class MemoryStore implements KeyValueStore {
  readonly #values = new Map<string, Uint8Array>();
  get(key: string): Uint8Array | undefined {
    return this.#values.get(key);
  }
  set(key: string, value: Uint8Array): void {
    this.#values.set(key, value.slice());
  }
  delete(key: string): void {
    this.#values.delete(key);
  }
  keys(): string[] {
    return [...this.#values.keys()];
  }
}

export function start(): void {
  const console = new Console(false);
  const crypto = new BoardCrypto();
  // Nobody else uses the ports meanwhile, so it may wait for room.
  const tell = (line: string) => {
    while (!console.hasRoom);
    console.log(line);
  };
  const cost: Cost = (name, work, turns = TURNS, after = undefined) => {
    work(0);
    after?.();
    let cycles = 0;
    let from = cpuCycles();
    for (let turn = 1; turn <= turns; turn++) {
      work(turn);
      if (after === undefined) continue;
      cycles += cpuCycles() - from;
      after();
      from = cpuCycles();
    }
    if (after === undefined) cycles = cpuCycles() - from;
    tell(`FIGURE ${name} ${Math.round(cycles / 64 / turns)} us`);
  };

  protecting(crypto, cost);
  meshing(crypto, cost);
  tell("bench: done");
}

/**
 * @param work what is measured, given the number of the turn
 * @param after what each turn leaves to be done, and is not measured
 */
type Cost = (name: string, work: (turn: number) => void, turns?: number, after?: () => void) => void;

function protecting(crypto: BoardCrypto, cost: Cost): void {
  const parameters = {
    masterSecret: hex("0102030405060708090a0b0c0d0e0f10"),
    masterSalt: hex("9e7ca92223786340"),
  };
  const [none, one] = [hex(""), hex("01")];
  const client = deriveContext(crypto, { ...parameters, senderId: one, recipientId: none });
  const server = deriveContext(crypto, { ...parameters, senderId: none, recipientId: one });
  const reading = () => encodeReadings([{ age: 0, temperature: 2240, humidity: 5100 }]);
  const message = (payload: Uint8Array): CoapMessage => ({
    type: Type.CON,
    code: Code.POST,
    messageId: 1,
    token: none,
    options: [],
    payload,
  });
  const ready = message(reading());

  cost("encode a reading", () => reading());
  cost("protect a reading", (turn) => protectRequest(client, ready, turn));
  cost("protect a reading, as bytes", (turn) =>
    encodeMessage(protectRequest(client, message(reading()), turn).message),
  );
  // An exchange takes one answer, and an answer is opened in place.
  const exchanges = Array.from({ length: 11 }, (_, turn) => {
    const { exchange, message: request } = protectRequest(client, ready, 500 + turn);
    const received = unprotectRequest(server, request);
    if (received instanceof Refusal) throw new Error(received.reason);
    const outcome = { ...ready, type: Type.ACK, code: Code.CHANGED, payload: none };
    return { exchange, answer: protectResponse(received.exchange, outcome) };
  });
  cost(
    "unprotect an answer",
    (turn) => {
      const { exchange, answer } = exchanges[turn]!;
      const result = unprotectResponse(exchange, answer);
      if (result instanceof Refusal) throw new Error(result.reason);
    },
    10,
  );
  cost(
    "derive a context",
    () => deriveContext(crypto, { ...parameters, senderId: one, recipientId: none }),
    5,
  );
}

function meshing(crypto: BoardCrypto, cost: Cost): void {
  let now = 0;
  const stack = (address: number, transmit: (pdu: Uint8Array) => void, relay: boolean, appKey: boolean) =>
    new MeshStack({
      crypto,
      storage: new MemoryStore(),
      random: () => 0.5,
      now: () => now,
      transmit: (pdu) => {
        transmit(pdu);
        return true;
      },
      config: {
        unicastAddress: address,
        netKeys: [{ index: 0, key: NET_KEY }],
        appKeys: appKey ? [{ index: 0, key: APP_KEY }] : [],
        deviceKey: new Uint8Array(16).fill(address),
        ivIndex: 0,
        defaultTtl: 5,
        relay,
        subscriptions: [],
      },
    });
  const settle = (node: MeshStack) => {
    // Segments are paced: their time comes at once here.
    while (node.deadline < now + 5000) {
      now = Math.max(now, node.deadline);
      node.tick(now);
    }
  };

  const pdus: Uint8Array[] = [];
  const sender = stack(0x0003, (pdu) => pdus.push(pdu.slice()), false, true);
  const short = new Uint8Array(8);
  const long = new Uint8Array(26);
  cost("publish unsegmented", () => {
    sender.send(0xc001, OPCODE_COAP_STATUS, short);
    settle(sender);
  });
  cost(
    "publish a reading of 3 segments",
    () => {
      // Until they are out once; whether they are sent again is for the acknowledgment to say.
      const until = pdus.length + 3;
      sender.send(0x0001, OPCODE_COAP_STATUS, long);
      while (pdus.length < until) {
        now = Math.max(now, sender.deadline);
        sender.tick(now);
      }
    },
    10,
    () => {
      now += 60_000;
      settle(sender);
    },
  );

  let relayed = 0;
  const relay = stack(0x0010, () => relayed++, true, false);
  // Each PDU once: a second time it would be known.
  let at = 0;
  cost("relay a network PDU", () => relay.receive(pdus[at++]!, -60, now), Math.min(TURNS, pdus.length - 1));
  settle(relay);

  const gateway = stack(0x0001, () => {}, false, true);
  gateway.onMessage = () => {};
  at = 0;
  const before = at;
  cost("receive an unsegmented message", () => gateway.receive(pdus[at++]!, -60, now), 20);
  at = before;
  cost("drop a known PDU", () => gateway.receive(pdus[at++]!, -60, now), 20);
  const noise = pdus[0]!.slice();
  // Another NID.
  noise[2] ^= 1;
  cost("drop a PDU of another network", () => gateway.receive(noise, -60, now));
}
