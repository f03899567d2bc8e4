/** How a hostile gateway changes a message without its keys: its OSCORE option, its payload, what it has seen before. */

import { Refusal } from "../../firmware/bytes/refusal.js";
import type { CoapMessage } from "../../firmware/coap/message.js";
import { OptionNumber } from "../../firmware/coap/numbers.js";
import { getOption } from "../../firmware/coap/options.js";
import { decodeOscoreOption, encodeOscoreOption, type OscoreOption } from "../../firmware/oscore/option.js";
import type { Random } from "../random.js";
import { flipBit } from "./attack.js";

/** A datagram on its way, parsed. */
export interface Passing {
  readonly bytes: Uint8Array;
  readonly message: CoapMessage;
}

/** What an attack has to work with. */
export interface GatewayMaterial {
  readonly passing: Passing;
  /** Earlier ones of the same direction, oldest first. */
  readonly past: readonly Passing[];
  /** Sender IDs that were seen. */
  readonly kids: ReadonlyMap<string, Uint8Array>;
  readonly random: Random;
  /** Nothing goes out behind this one that was held back: held back itself, it would not change its place. */
  readonly mayHold: boolean;
  /** Gives a message a message ID and token of the attacker's own. */
  readonly rename: (message: CoapMessage) => CoapMessage;
  /** A message was read: what must never happen. */
  readonly understood: () => void;
}

export const TAG = 8;

/** The Sender ID that a message names in the open. */
export function kidOf(message: CoapMessage): Uint8Array | undefined {
  return oscoreOf(message)?.kid;
}

export function oscoreOf(message: CoapMessage): OscoreOption | undefined {
  const value = getOption(message, OptionNumber.OSCORE);
  if (value === undefined) return undefined;
  const option = decodeOscoreOption(value);
  return option instanceof Refusal ? undefined : option;
}

/** The message with another value of its OSCORE option; without it when `value` is `undefined`. */
export function withOption(message: CoapMessage, value: Uint8Array | undefined): CoapMessage {
  return {
    ...message,
    options: message.options.flatMap((option) => {
      if (option.number !== OptionNumber.OSCORE) return [option];
      return value === undefined ? [] : [{ number: OptionNumber.OSCORE, value }];
    }),
  };
}

/** Changes the message, or says that it cannot be changed in this way. */
export type Change = (message: CoapMessage, material: GatewayMaterial) => CoapMessage | undefined;

function changeOption(change: (value: Uint8Array, random: Random) => Uint8Array | undefined): Change {
  return (message, { random }) => {
    const value = getOption(message, OptionNumber.OSCORE);
    const changed = value && change(value, random);
    return changed && withOption(message, changed);
  };
}

export function changeFields(
  change: (option: OscoreOption, material: GatewayMaterial) => OscoreOption | undefined,
): Change {
  return (message, material) => {
    const option = oscoreOf(message);
    const changed = option && change(option, material);
    return changed && withOption(message, encodeOscoreOption(changed));
  };
}

/** A changed payload; OSCORE messages have one, with a tag at its end. */
function changePayload(change: (payload: Uint8Array, random: Random) => Uint8Array): Change {
  return (message, { random }) =>
    message.payload.length <= TAG ? undefined : { ...message, payload: change(message.payload, random) };
}

export const flipCiphertext = changePayload((payload, random) =>
  flipBit(payload, random, 0, payload.length - TAG),
);
export const flipTag = changePayload((payload, random) => flipBit(payload, random, payload.length - TAG));
export const cutTag = changePayload((payload, random) =>
  payload.slice(0, payload.length - 1 - random.below(TAG)),
);
export const cutCiphertext = changePayload((payload, random) =>
  payload.slice(0, 1 + random.below(payload.length - TAG)),
);
/** Reserved bits aside, any change of the flags makes the fields mean something else. */
export const flipFlags = changeOption((value, random) => {
  if (value.length > 0) return flipBit(value, random, 0, 1);
  return Uint8Array.of(1 << random.below(8));
});
export const cutOption = changeOption((value) =>
  value.length > 1 ? value.slice(0, value.length - 1) : undefined,
);

export function randomPayload(message: CoapMessage, { random }: GatewayMaterial): CoapMessage {
  return { ...message, payload: random.bytes(Math.max(message.payload.length, TAG + 2)) };
}

export function isProtected({ message }: Passing): boolean {
  return oscoreOf(message) !== undefined;
}

export function pickPast({ past, random }: GatewayMaterial): Passing | undefined {
  const usable = past.filter(isProtected);
  return usable.length === 0 ? undefined : random.pick(usable);
}

export function otherKid({ kids, passing, random }: GatewayMaterial): Uint8Array | undefined {
  const own = kidOf(passing.message)?.join();
  const others = [...kids].filter(([name]) => name !== own).map(([, kid]) => kid);
  return others.length === 0 ? undefined : random.pick(others);
}

/** One more than a Partial IV, in its shortest form. */
export function nextPartialIv(partialIv: Uint8Array): Uint8Array {
  let value = 1;
  for (let i = 0; i < partialIv.length; i++) value += partialIv[i] * 256 ** (partialIv.length - 1 - i);
  const bytes: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Uint8Array.from(bytes);
}
