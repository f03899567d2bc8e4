import { isUnicast } from "../../firmware/mesh/addresses.js";
import { AdType, ControlOpcode } from "../../firmware/mesh/numbers.js";
import type { Crypto } from "../../hal/hal.js";
import type { Random } from "../random.js";
import { type Attack, type AttackKind, flipBit } from "./attack.js";
import type { Overheard, OverheardMessage, OverheardPdu } from "./overheard.js";

/** What an attack has to work with. */
export interface RelayMaterial {
  readonly overheard: Overheard;
  /** The PDU heard last. */
  readonly latest: OverheardPdu;
  /** Set when the changed PDU is to go on in place of the right one: under its own SEQ. */
  readonly inPlace: OverheardPdu | undefined;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly netKey: Uint8Array;
  readonly nid: number;
  /** `count` numbers in a row, unused by `src`; 0 when there are none left. */
  readonly freshSeq: (src: number, count?: number) => number;
  /** A message was read: what must never happen. */
  readonly understood: () => void;
}

/** What goes on the air, in this order. */
export interface Outgoing {
  /** AD structures as they are. */
  readonly frames?: readonly Uint8Array[];
  /** To be encrypted for the network. */
  readonly pdus?: readonly Omit<OverheardPdu, "raw">[];
  /** To be cut into segments where they were, and encrypted for the network. */
  readonly messages?: readonly OverheardMessage[];
  readonly later?: { readonly delay: number; readonly what: Outgoing };
}

export interface RelayAttack extends Attack<RelayMaterial, Outgoing> {
  /** Also good for changing a PDU on its way. */
  readonly inPlace?: boolean;
}

/** Where the fields lie in an AD structure with a network PDU (Mesh Profile §3.4.4). */
const RAW = { first: 2, header: 3, encrypted: 9 } as const;
const NET_MIC = 4;
const NOTHING: Outgoing = {};

/** The latest message, half of the time the latest one of the kind that is rarer. */
function pickMessage({ overheard, random }: RelayMaterial): OverheardMessage | undefined {
  const { messages } = overheard;
  if (messages.length === 0) return undefined;
  const wanted = random.chance(0.5);
  for (let i = messages.length - 1; i >= 0; i--) if (messages[i].segmented === wanted) return messages[i];
  return messages[messages.length - 1];
}

function pickSegment({ overheard }: RelayMaterial): OverheardPdu | undefined {
  const { pdus } = overheard;
  for (let i = pdus.length - 1; i >= 0; i--) if (!pdus[i].ctl && pdus[i].transport[0] > 0x7f) return pdus[i];
  return undefined;
}

/** Frames as heard, changed on the air without the key. */
function onAir(what: string, change: (raw: Uint8Array, random: Random) => Uint8Array): RelayAttack {
  return {
    kind: "flip",
    what,
    inPlace: true,
    run: ({ latest, random }) => ({ frames: [change(latest.raw, random)] }),
  };
}

/** One PDU, changed and encrypted again; under a fresh SEQ, or in place of the right one under the same. */
function onPdu(
  kind: AttackKind,
  what: string,
  change: (
    pdu: OverheardPdu,
    material: RelayMaterial,
  ) => Partial<Omit<OverheardPdu, "raw" | "seq">> | undefined,
): RelayAttack {
  return {
    kind,
    what,
    inPlace: kind === "flip",
    run: (material) => {
      const pdu = material.inPlace ?? material.latest;
      const changed = change(pdu, material);
      if (changed === undefined) return undefined;
      const src = changed.src ?? pdu.src;
      const seq = material.inPlace === undefined ? material.freshSeq(src) : pdu.seq;
      return seq === 0 ? undefined : { pdus: [{ ...pdu, ...changed, seq }] };
    },
  };
}

/** A segment of a message, changed: with its own SEQ still fresh enough to belong to the same message. */
function onSegment(
  kind: AttackKind,
  what: string,
  change: (transport: Uint8Array) => Uint8Array,
): RelayAttack {
  return {
    kind,
    what,
    run: (material) => {
      const segment = pickSegment(material);
      const seq = segment === undefined ? 0 : material.freshSeq(segment.src);
      if (segment === undefined || seq === 0) return undefined;
      return { pdus: [{ ...segment, seq, transport: change(new Uint8Array(segment.transport)) }] };
    },
  };
}

/** A whole message with something changed in it, sent anew so that it gets as far as the TransMIC. */
function onMessage(
  kind: AttackKind,
  what: string,
  change: (message: OverheardMessage, material: RelayMaterial) => Partial<OverheardMessage> | undefined,
): RelayAttack {
  return {
    kind,
    what,
    run: (material) => {
      const message = pickMessage(material);
      const changed = message && change(message, material);
      if (message === undefined || changed === undefined) return undefined;
      const next = { ...message, ...changed };
      const seq = material.freshSeq(next.src, 33);
      return seq === 0 ? undefined : { messages: [{ ...next, seq }] };
    },
  };
}

function otherUnicast({ overheard, random }: RelayMaterial, ...not: readonly number[]): number | undefined {
  const known = [...overheard.newestSeq.keys()].filter((address) => !not.includes(address));
  return known.length === 0 ? undefined : random.pick(known);
}

/** Tries the keys that it has, and those that a careless network would use, on the AppKey's layer. */
function readMessage(material: RelayMaterial): Outgoing | undefined {
  const message = pickMessage(material);
  if (message === undefined) return undefined;
  const { crypto, netKey } = material;
  const { seq, src, dst, ivIndex, szmic, upper } = message;
  const nonce = new Uint8Array(13);
  const view = new DataView(nonce.buffer);
  nonce[0] = 0x01;
  nonce[1] = szmic ? 0x80 : 0;
  view.setUint32(1, ((nonce[1] << 24) | seq) >>> 0);
  view.setUint16(5, src);
  view.setUint16(7, dst);
  view.setUint32(9, ivIndex);
  for (const key of [netKey, new Uint8Array(16), new Uint8Array(16).fill(0xff)]) {
    const opened = crypto.ccm(key, szmic ? 8 : 4).open(nonce, new Uint8Array(0), upper);
    if (opened !== undefined) material.understood();
  }
  return NOTHING;
}

function truncated(raw: Uint8Array, random: Random): Uint8Array {
  const cut = raw.slice(0, 3 + random.below(raw.length - 3));
  cut[0] = cut.length - 1;
  return cut;
}

function randomFrame(type: number, length: number, random: Random): Uint8Array {
  return Uint8Array.of(length + 1, type, ...random.bytes(length));
}

/** Everything that a relay can do to a mesh with the NetKey and without an AppKey. */
export const RELAY_ATTACKS: readonly RelayAttack[] = [
  { kind: "read", what: "access payload with the keys it has", run: readMessage },

  onAir("IVI or NID", (raw, random) => flipBit(raw, random, RAW.first, RAW.first + 1)),
  onAir("obfuscated header", (raw, random) => flipBit(raw, random, RAW.header, RAW.encrypted)),
  onAir("encrypted transport PDU", (raw, random) =>
    flipBit(raw, random, RAW.encrypted, raw.length - NET_MIC),
  ),
  onAir("NetMIC", (raw, random) => flipBit(raw, random, raw.length - NET_MIC)),

  onPdu("flip", "SEQ", (_pdu, { inPlace }) => (inPlace === undefined ? {} : undefined)),
  onPdu("flip", "SRC", (pdu, material) => {
    const src = otherUnicast(material, pdu.src);
    return src === undefined ? undefined : { src };
  }),
  onPdu("flip", "DST", (pdu, material) => {
    const dst = otherUnicast(material, pdu.src, pdu.dst);
    return dst === undefined ? undefined : { dst };
  }),
  onPdu("flip", "CTL", (pdu) => (pdu.transport.length > 12 ? undefined : { ctl: !pdu.ctl })),
  onPdu("flip", "SEG", ({ transport }) => ({
    transport: Uint8Array.of(transport[0] ^ 0x80, ...transport.subarray(1)),
  })),
  onPdu("flip", "AKF or AID", ({ transport, ctl }, { random }) =>
    ctl ? undefined : { transport: flipBit(transport, random, 0, 1) },
  ),
  onPdu("flip", "transport PDU", ({ transport }, { random }) => ({
    transport: flipBit(transport, random, Math.min(1, transport.length - 1)),
  })),

  onSegment("flip", "SZMIC", (transport) => {
    transport[1] ^= 0x80;
    return transport;
  }),
  onSegment("flip", "SeqZero", (transport) => {
    transport[1] ^= 0x40;
    return transport;
  }),
  onSegment("flip", "SegO", (transport) => {
    transport[2] |= 3;
    transport[3] |= 0xe0;
    return transport;
  }),
  onSegment("flip", "SegN", (transport) => {
    transport[3] ^= 0x01;
    return transport;
  }),

  onMessage("flip", "access payload", ({ upper, szmic }, { random }) => ({
    upper: flipBit(upper, random, 0, upper.length - (szmic ? 8 : 4)),
  })),
  onMessage("flip", "TransMIC", ({ upper, szmic }, { random }) => ({
    upper: flipBit(upper, random, upper.length - (szmic ? 8 : 4)),
  })),

  {
    kind: "replay",
    what: "the same PDU",
    run: ({ latest }) => ({ frames: [latest.raw] }),
  },
  {
    kind: "replay",
    what: "an old PDU",
    // Old enough that message caches have forgotten it, once there is one: then the replay list has to know it.
    run: ({ overheard, random }) => ({
      frames: [overheard.pdus[random.below(1 + (overheard.pdus.length >> 1))].raw],
    }),
  },
  {
    kind: "replay",
    what: "the same PDU with another TTL",
    run: ({ latest }) => ({ pdus: [{ ...latest, ttl: latest.ttl === 127 ? 126 : 127 }] }),
  },
  onMessage("replay", "a message under a new SEQ", () => ({})),

  {
    kind: "reorder",
    what: "a PDU held back",
    run: ({ latest, random }) => ({
      later: { delay: random.between(500, 8000), what: { frames: [latest.raw] } },
    }),
  },
  {
    kind: "reorder",
    what: "PDUs backwards",
    run: ({ overheard }) =>
      overheard.pdus.length < 3
        ? undefined
        : {
            frames: overheard.pdus
              .slice(-4)
              .reverse()
              .map(({ raw }) => raw),
          },
  },

  {
    kind: "truncate",
    what: "network PDU",
    run: ({ latest, random }) => ({ frames: [truncated(latest.raw, random)] }),
  },
  onPdu("truncate", "transport PDU", ({ transport }, { random }) =>
    transport.length < 2
      ? undefined
      : { transport: transport.slice(0, 1 + random.below(transport.length - 1)) },
  ),
  onSegment("truncate", "segment", (transport) => transport.slice(0, transport.length - 1)),
  onMessage("truncate", "access payload", ({ upper, segmented }, { random }) =>
    upper.length < 6 || (segmented && upper.length < 14)
      ? undefined
      : { upper: upper.slice(0, upper.length - 1 - random.below(Math.min(8, upper.length - 5))) },
  ),

  {
    kind: "inject",
    what: "random bytes",
    run: ({ random, nid }) => {
      const type = random.pick([AdType.MESH_MESSAGE, AdType.MESH_BEACON, AdType.PB_ADV]);
      const frame = randomFrame(type, 1 + random.below(29), random);
      // Often with the right NID, so that they are tried with the key.
      if (random.chance(0.5)) frame[2] = (frame[2] & 0x80) | nid;
      return { frames: [frame] };
    },
  },
  onMessage("inject", "a forged message", ({ upper }, { random }) => ({
    upper: random.bytes(upper.length),
  })),
  onMessage("inject", "a message from nobody", ({ upper }, { random, overheard }) => {
    const src = 0x7000 + random.below(0xfff);
    return overheard.newestSeq.has(src) ? undefined : { src, upper: random.bytes(upper.length) };
  }),
  {
    kind: "inject",
    what: "a forged segment acknowledgment",
    run: (material) => {
      const segment = pickSegment(material);
      if (segment === undefined || !isUnicast(segment.dst)) return undefined;
      // Only just above what the other side has sent: further ahead it would drown that side's own for long.
      const seq = (material.overheard.newestSeq.get(segment.dst) ?? 0) + 1;
      const { ivIndex, ttl, transport } = segment;
      const acknowledgment = Uint8Array.of(
        ControlOpcode.SEGMENT_ACKNOWLEDGMENT,
        transport[1] & 0x7f,
        transport[2] & 0xfc,
        ...[0xff, 0xff, 0xff, 0xff],
      );
      const { src: dst, dst: src } = segment;
      return { pdus: [{ ivIndex, ctl: true, ttl, seq, src, dst, transport: acknowledgment }] };
    },
  },
];
