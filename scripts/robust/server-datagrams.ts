/** Somebody on the internet, and what a stolen gateway has kept, against the server's UDP port. */

import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeMessage, encodeMessage } from "../../firmware/coap/codec.js";
import { type CoapMessage, type CoapOption, Type } from "../../firmware/coap/message.js";
import { Code, codeClass, OptionNumber } from "../../firmware/coap/numbers.js";
import { pathOptions, uintOption } from "../../firmware/coap/options.js";
import { encodeOscoreOption } from "../../firmware/oscore/option.js";
import { Random } from "../../sim/random.js";
import { Field, SERVER } from "../soak/field.js";
import { refusals, wrongReadings } from "./field-accounts.js";
import { type AttackSuite, grown } from "./result.js";

interface Salvo {
  readonly attack: string;
  readonly layer: string;
  /** One datagram, from one of many addresses. */
  readonly make: (attempt: number, random: Random, recorded: readonly Uint8Array[]) => Uint8Array;
  /** Answers of success are what must not come. */
  readonly mayBeAnswered?: boolean;
}

const INTERNET = "somebody on the internet";
const RECORDED = "somebody with recorded datagrams";

function message(code: number, options: CoapOption[], payload: Uint8Array, attempt: number): Uint8Array {
  const token = Uint8Array.of(attempt >> 8, attempt);
  const one: CoapMessage = { type: Type.CON, code, messageId: attempt & 0xffff, token, options, payload };
  return encodeMessage(one).slice();
}

const NO_BYTES = new Uint8Array(0);
const PATHS = ["/.well-known/core", "/", "/r", "/t", "/settings"];

const SALVOS: readonly Salvo[] = [
  {
    layer: INTERNET,
    attack: "requests without protection, to have long answers sent to others",
    make: (attempt) => message(Code.GET, pathOptions(PATHS[attempt % PATHS.length]), NO_BYTES, attempt),
  },
  {
    layer: INTERNET,
    attack: "block-wise uploads that never end, each from another address",
    make: (attempt, random) => {
      const block = uintOption(OptionNumber.BLOCK1, ((attempt % 64) << 4) | 0x0e);
      return message(Code.PUT, [block], random.bytes(1024), attempt);
    },
  },
  {
    layer: INTERNET,
    attack: "observations of everything",
    make: (attempt) =>
      message(
        Code.GET,
        [uintOption(OptionNumber.OBSERVE, 0), ...pathOptions(PATHS[attempt % PATHS.length])],
        NO_BYTES,
        attempt,
      ),
  },
  {
    layer: INTERNET,
    attack: "OSCORE requests under every kid, made up",
    make: (attempt, random) => {
      const kid = Uint8Array.of(attempt & 0xff).subarray(attempt % 5 === 0 ? 1 : 0);
      const value = encodeOscoreOption({ partialIv: Uint8Array.of(1 + (attempt % 250)), kid });
      return message(
        Code.POST,
        [{ number: OptionNumber.OSCORE, value }],
        random.bytes(8 + random.below(40)),
        attempt,
      );
    },
  },
  {
    layer: INTERNET,
    attack: "empty messages, acknowledgments and resets that belong to nothing",
    make: (attempt) => Uint8Array.of([0x40, 0x60, 0x70][attempt % 3], 0, attempt >> 8, attempt),
  },
  {
    layer: INTERNET,
    attack: "datagrams of random bytes of every length up to 1,500",
    make: (attempt, random) => random.bytes(1 + ((attempt * 7) % 1500)),
  },
  {
    layer: RECORDED,
    attack: "every datagram of the day again, from another address",
    make: (attempt, _random, recorded) => recorded[attempt % recorded.length],
    mayBeAnswered: true,
  },
  {
    layer: RECORDED,
    attack: "every datagram of the day again, under a new message ID and token",
    make: (attempt, _random, recorded) => {
      const old = decodeMessage(recorded[attempt % recorded.length]);
      if (old instanceof Refusal) return NO_BYTES;
      return encodeMessage({
        ...old,
        messageId: attempt & 0xffff,
        token: Uint8Array.of(7, attempt >> 8, attempt),
      }).slice();
    },
    mayBeAnswered: true,
  },
];

/** An error is at most this many times as long as what it answers (RFC 7252 §11.3 asks for little). */
const AMPLIFICATION = 3;

export const serverDatagramSuite: AttackSuite = async ({ seed, short }, onResult) => {
  for (const restart of [false, true]) {
    for (const { layer, attack, make, mayBeAnswered = false } of SALVOS) {
      if (restart && layer !== RECORDED) continue;
      const field = await new Field({ seed, nodes: 4, settings: { interval: 10 } }).start();
      const recorded: Uint8Array[] = [];
      field.gateway.onUplink = (datagram) => recorded.push(datagram);
      field.run(short ? 200 : 3600);
      const usual = refusals(field);
      if (restart) await field.server.restart();
      const stored = field.readings.length;
      const random = new Random(seed).fork(attack);
      const [bytes, effects] = [{ in: 0, out: 0 }, new Set<string>()];
      const attempts = short ? 500 : 20_000;
      for (let attempt = 0; attempt < attempts; attempt++) {
        const from = { address: `198.51.100.${attempt % 250}`, port: 40_000 + (attempt % 1000) };
        field.internet.bind(`${from.address}:${from.port}`, (_address, _port, answer) => {
          bytes.out += answer.length;
          const { code } = decodeMessage(answer) as CoapMessage;
          if (!mayBeAnswered && codeClass(code ?? 0) === 2) effects.add(`answered with success: ${code}`);
        });
        const datagram = make(attempt, random, recorded);
        bytes.in += datagram.length;
        field.internet.transmit(from, { address: SERVER.host, port: SERVER.port }, datagram);
        if (attempt % 50 === 49) field.run(0.5);
      }
      field.run(5);
      if (!mayBeAnswered && bytes.out > AMPLIFICATION * bytes.in) {
        effects.add(`${bytes.out} bytes answered to ${bytes.in}`);
      }
      for (const wrong of await wrongReadings(field)) effects.add(wrong);
      if (field.readings.length <= stored) effects.add("no node gets through any more");
      onResult({
        layer: restart ? `${layer}, after the server's restart` : layer,
        attack,
        attempts,
        refusedBy: grown(usual, refusals(field)),
        effects: [...effects],
      });
      await field.cloud.stop();
    }
  }
};
