/** What a hostile gateway tries, on the way to the server and on the way to the nodes. */

import { concat } from "../../firmware/bytes/compare.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeOptions, encodeMessage } from "../../firmware/coap/codec.js";
import { Type } from "../../firmware/coap/message.js";
import { Code, OptionNumber } from "../../firmware/coap/numbers.js";
import { encodeOscoreOption } from "../../firmware/oscore/option.js";
import { decodeReport, encodeReadings } from "../../firmware/reading/codec.js";
import { decodeSenml } from "../../firmware/reading/senml.js";
import type { Random } from "../random.js";
import { type Attack, type AttackKind, flipBit } from "./attack.js";
import {
  type Change,
  changeFields,
  cutCiphertext,
  cutOption,
  cutTag,
  flipCiphertext,
  flipFlags,
  flipTag,
  type GatewayMaterial,
  isProtected,
  kidOf,
  nextPartialIv,
  oscoreOf,
  otherKid,
  pickPast,
  randomPayload,
  TAG,
  withOption,
} from "./datagram-changes.js";

/** What goes on. */
export interface Tampered {
  readonly before?: readonly Uint8Array[];
  /** Default: the datagram itself. */
  readonly instead?: readonly Uint8Array[];
  readonly after?: readonly Uint8Array[];
  /** The datagram waits for the next one. */
  readonly hold?: boolean;
}

type GatewayAttack = Attack<GatewayMaterial, Tampered>;

/** To the server: a changed copy before the true one, which still arrives. */
function before(kind: AttackKind, what: string, change: Change): GatewayAttack {
  return {
    kind,
    what,
    run: (material) => {
      const changed = change(material.passing.message, material);
      return changed && { before: [encodeMessage(material.rename(changed))] };
    },
  };
}

/** The same, changed where no message can be: in its bytes. */
function beforeAsBytes(
  kind: AttackKind,
  what: string,
  change: (bytes: Uint8Array, random: Random, payloadLength: number) => Uint8Array,
): GatewayAttack {
  return {
    kind,
    what,
    run: ({ passing: { message }, rename, random }) => {
      const bytes = new Uint8Array(encodeMessage(rename(message)));
      return { before: [change(bytes, random, message.payload.length)] };
    },
  };
}

/**
 * To the server: a copy whose change lies outside of what OSCORE protects, so that before the true one it would be
 * taken for it, and rightly. Behind it, it is one too many.
 */
function after(kind: AttackKind, what: string, change: Change): GatewayAttack {
  return {
    kind,
    what,
    run: (material) => {
      const changed = change(material.passing.message, material);
      return changed && { after: [encodeMessage(material.rename(changed))] };
    },
  };
}

/** To a node: a changed answer in place of the true one, with its message ID and token, or nobody would look at it. */
function instead(kind: AttackKind, what: string, change: Change): GatewayAttack {
  return {
    kind,
    what,
    run: (material) => {
      const changed = change(material.passing.message, material);
      return changed && { instead: [encodeMessage(changed)] };
    },
  };
}

/** Whether bytes are a report, as they are or behind the code and options of an OSCORE plaintext. */
function isReport(bytes: Uint8Array): boolean {
  if (!(decodeReport(bytes) instanceof Refusal) || !(decodeSenml(bytes) instanceof Refusal)) return true;
  const inner = decodeOptions(bytes.subarray(1));
  return !(inner instanceof Refusal) && !(decodeReport(inner.payload) instanceof Refusal);
}

const READ: GatewayAttack = {
  kind: "read",
  what: "payload as a report",
  run: ({ passing, understood }) => {
    const { payload } = passing.message;
    if (isReport(payload) || isReport(payload.subarray(0, Math.max(0, payload.length - TAG)))) understood();
    return {};
  },
};

const HOLD: GatewayAttack = {
  kind: "reorder",
  what: "a datagram held back",
  run: ({ mayHold }) => (mayHold ? { hold: true } : undefined),
};

/** On the way to the server. */
export const UP_ATTACKS: readonly GatewayAttack[] = [
  READ,

  beforeAsBytes("flip", "version", (bytes, random) => {
    bytes[0] ^= random.pick([0x40, 0x80, 0xc0]);
    return bytes;
  }),
  beforeAsBytes("flip", "token length", (bytes, random) => {
    bytes[0] = (bytes[0] & 0xf0) | (9 + random.below(7));
    return bytes;
  }),
  after("flip", "outer code", (message) => ({
    ...message,
    code: message.code === Code.POST ? Code.FETCH : Code.POST,
  })),
  before("flip", "option flags", flipFlags),
  before(
    "flip",
    "Partial IV",
    changeFields((option, { random }) => {
      const { partialIv } = option;
      return partialIv && { ...option, partialIv: flipBit(partialIv, random) };
    }),
  ),
  before(
    "flip",
    "a Partial IV far ahead",
    changeFields((option) => ({ ...option, partialIv: Uint8Array.of(0x7f, 0xff, 0xff, 0xff) })),
  ),
  before(
    "flip",
    "kid",
    changeFields((option, { random }) => {
      const { kid } = option;
      if (kid === undefined) return undefined;
      return { ...option, kid: kid.length === 0 ? random.bytes(3) : flipBit(kid, random) };
    }),
  ),
  before(
    "flip",
    "kid context",
    changeFields((option, { random }) => ({ ...option, kidContext: random.bytes(2) })),
  ),
  before("flip", "ciphertext", flipCiphertext),
  before("flip", "tag", flipTag),
  before("flip", "OSCORE option taken out", (message) => withOption(message, undefined)),
  before("flip", "OSCORE option twice", (message) => ({
    ...message,
    options: message.options.flatMap((option) =>
      option.number === OptionNumber.OSCORE ? [option, option] : [option],
    ),
  })),

  {
    kind: "replay",
    what: "the same datagram",
    run: ({ passing }) => ({ after: [passing.bytes] }),
  },
  {
    kind: "replay",
    what: "an old datagram",
    run: (material) => {
      const old = pickPast(material);
      return old && { after: [old.bytes] };
    },
  },
  after("replay", "the same message under a new message ID", (message) => message),
  {
    kind: "replay",
    what: "an old message under a new message ID",
    run: (material) => {
      const old = pickPast(material);
      return old && { after: [encodeMessage(material.rename(old.message))] };
    },
  },

  HOLD,

  before("truncate", "tag", cutTag),
  before("truncate", "ciphertext", cutCiphertext),
  before("truncate", "payload", (message) => ({ ...message, payload: new Uint8Array(0) })),
  before("truncate", "OSCORE option", cutOption),
  // Not behind the payload's beginning: a message without its end is a message with a wrong tag, which is above.
  beforeAsBytes("truncate", "datagram", (bytes, random, payloadLength) =>
    bytes.slice(0, 1 + random.below(bytes.length - payloadLength - 1)),
  ),

  {
    kind: "inject",
    what: "random bytes",
    run: ({ random }) => ({ before: [random.bytes(1 + random.below(60))] }),
  },
  {
    kind: "inject",
    what: "a reading without protection",
    run: ({ rename, random }) => ({
      before: [
        encodeMessage(
          rename({
            type: Type.CON,
            code: Code.POST,
            messageId: random.below(0x10000),
            token: new Uint8Array(0),
            options: [],
            payload: encodeReadings([{ age: 0, temperature: 9999, humidity: 9999 }]),
          }),
        ),
      ],
    }),
  },
  before("inject", "a forged message with the next Partial IV", (message, material) => {
    const option = oscoreOf(message);
    if (option?.partialIv === undefined) return undefined;
    const value = encodeOscoreOption({ ...option, partialIv: nextPartialIv(option.partialIv) });
    return withOption(randomPayload(message, material), value);
  }),
  before("inject", "a forged message from nobody", (message, material) => {
    const kid = material.random.bytes(4);
    const value = encodeOscoreOption({ partialIv: Uint8Array.of(1), kid });
    return withOption(randomPayload(message, material), value);
  }),

  before(
    "other-kid",
    "a message under another node's kid",
    changeFields((option, material) => {
      const kid = otherKid(material);
      return kid && { ...option, kid };
    }),
  ),
  before("other-kid", "another node's old ciphertext under this kid", (message, material) => {
    const own = kidOf(message)?.join();
    const others = material.past.filter((past) => isProtected(past) && kidOf(past.message)?.join() !== own);
    if (own === undefined || others.length === 0) return undefined;
    return { ...message, payload: material.random.pick(others).message.payload };
  }),
];

/** On the way to the nodes. */
export const DOWN_ATTACKS: readonly GatewayAttack[] = [
  READ,

  instead("flip", "ciphertext of an answer", flipCiphertext),
  instead("flip", "tag of an answer", flipTag),
  instead("flip", "option flags of an answer", flipFlags),
  instead("flip", "Partial IV of an answer", (message) => {
    const option = oscoreOf(message);
    if (option === undefined) return undefined;
    const { partialIv } = option;
    // Without one, the request's is meant; with one, another nonce.
    const changed = partialIv === undefined ? Uint8Array.of(1) : nextPartialIv(partialIv);
    return withOption(message, encodeOscoreOption({ ...option, partialIv: changed }));
  }),
  instead("flip", "an answer stripped of its OSCORE option", (message) =>
    isProtected({ bytes: message.payload, message }) ? withOption(message, undefined) : undefined,
  ),

  instead("replay", "an old answer in place of the new one", (message, material) => {
    const old = pickPast(material);
    if (old === undefined) return undefined;
    const { code, options, payload } = old.message;
    return { ...message, code, options, payload };
  }),

  instead("other-kid", "another node's answer in place of this one", (message, material) => {
    const others = material.past.filter(
      (past) => isProtected(past) && past.message.token.join() !== message.token.join(),
    );
    if (others.length === 0) return undefined;
    const { code, options, payload } = material.random.pick(others.slice(-4)).message;
    return { ...message, code, options, payload };
  }),

  HOLD,

  instead("truncate", "tag of an answer", cutTag),
  instead("truncate", "payload of an answer", (message) => ({ ...message, payload: new Uint8Array(0) })),

  instead("inject", "a forged answer with protection", (message, material) =>
    isProtected({ bytes: message.payload, message }) ? randomPayload(message, material) : undefined,
  ),
  instead("inject", "a forged success without protection", (message) => ({
    ...message,
    code: Code.CHANGED,
    options: [],
    payload: new Uint8Array(0),
  })),
  instead("inject", "a forged error without protection", (message, { random }) => ({
    ...message,
    code: random.pick([Code.UNAUTHORIZED, Code.BAD_REQUEST, Code.SERVICE_UNAVAILABLE]),
    options: [],
    payload: new Uint8Array(0),
  })),

  instead(
    "other-kid",
    "an answer in another's name",
    changeFields((option, { kids, random }) =>
      kids.size === 0
        ? undefined
        : { ...option, kid: concat(random.pick([...kids.values()]), random.bytes(1)) },
    ),
  ),
];
