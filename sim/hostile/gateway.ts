import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeMessage } from "../../firmware/coap/codec.js";
import type { CoapMessage } from "../../firmware/coap/message.js";
import { Type } from "../../firmware/coap/message.js";
import { isRequest, isResponse } from "../../firmware/coap/numbers.js";
import type { Random } from "../random.js";
import { type AttackKind, AttackLog, type Choice, Rotation } from "./attack.js";
import { type GatewayMaterial, kidOf, type Passing } from "./datagram-changes.js";
import { DOWN_ATTACKS, type Tampered, UP_ATTACKS } from "./gateway-attacks.js";

export interface HostileGatewayOptions extends Choice {
  readonly random: Random;
  /** Least time between two attacks in one direction, ms. Default 0: every datagram. */
  readonly interval?: number;
  /** Whether answers to the nodes are attacked too, which costs them time. Default true. */
  readonly answers?: boolean;
}

/** Datagrams of the past that can be played again. */
const REMEMBERED = 256;
/** Own messages whose answers are to be swallowed. */
const OWN = 1024;
/** Datagrams that may pass before one that was held back follows. */
const PATIENCE = 8;

/**
 * A gateway in hostile hands: every datagram between the nodes and the server passes here, and none of the OSCORE
 * contexts is known. In between gateway and socket: {@link up} and {@link down} say what goes on instead of each
 * datagram.
 *
 * Its own messages have message IDs and tokens of their own, since a server that deduplicates would otherwise take
 * the true message for a copy of the false one; and it eats the answers to them.
 */
export class HostileGateway {
  readonly log = new AttackLog();
  readonly #options: HostileGatewayOptions;
  readonly #up: Side;
  readonly #down: Side;
  readonly #ownTokens = new Set<string>();
  readonly #ownIds = new Set<number>();
  #count = 0;

  constructor(options: HostileGatewayOptions) {
    const { random } = options;
    this.#options = options;
    this.#up = new Side(new Rotation(UP_ATTACKS, options, random.fork("up")));
    this.#down = new Side(new Rotation(DOWN_ATTACKS, options, random.fork("down")));
  }

  /**
   * A datagram from the gateway to the server.
   * @param kind only this kind; default: whichever has its turn
   * @returns what to send, in this order
   */
  up(datagram: Uint8Array, now: number, kind?: AttackKind): Uint8Array[] {
    const own = new Uint8Array(datagram);
    const message = decodeMessage(own);
    const passing: Passing | undefined =
      message instanceof Refusal || !isRequest(message.code) ? undefined : { bytes: own, message };
    return this.#tamper(this.#up, own, passing, now, kind);
  }

  /** A datagram from the server to the gateway. As {@link up}; without the answers to its own messages. */
  down(datagram: Uint8Array, now: number, kind?: AttackKind): Uint8Array[] {
    const own = new Uint8Array(datagram);
    const message = decodeMessage(own);
    if (message instanceof Refusal) return [own];
    if (this.#isForUs(message)) return [];
    if (this.#options.answers === false) return [own];
    const passing = isResponse(message.code) ? { bytes: own, message } : undefined;
    return this.#tamper(this.#down, own, passing, now, kind);
  }

  #tamper(
    side: Side,
    datagram: Uint8Array,
    passing: Passing | undefined,
    now: number,
    kind: AttackKind | undefined,
  ): Uint8Array[] {
    if (passing === undefined) return [datagram];
    const released = side.release(passing);
    let result: Tampered = {};
    if (now >= side.nextAttack) {
      const done = side.rotation.next(this.#material(side, passing, released.length === 0), kind);
      if (done !== undefined) {
        side.nextAttack = now + (this.#options.interval ?? 0);
        this.log.add(done.attack.kind, now, done.attack.what);
        result = done.result;
      }
    }
    side.remember(passing);
    if (result.hold === true) {
      side.hold(passing);
      return [];
    }
    return [
      ...(result.before ?? []),
      ...(result.instead ?? [datagram]),
      ...(result.after ?? []),
      ...released,
    ];
  }

  #material(side: Side, passing: Passing, mayHold: boolean): GatewayMaterial {
    return {
      passing,
      past: side.past,
      kids: this.#up.kids,
      mayHold,
      random: this.#options.random,
      rename: (message) => this.#rename(message),
      understood: () => {
        this.log.understood++;
      },
    };
  }

  /** The message with a message ID and a token that nobody else uses. */
  #rename(message: CoapMessage): CoapMessage {
    this.#count = (this.#count + 1) & 0x3fff;
    // The gateway counts its message IDs up: half the range away, they do not meet for long.
    const messageId = (message.messageId + 0x8000 + this.#count) & 0xffff;
    const token = this.#options.random.bytes(6);
    remember(this.#ownTokens, token.join());
    remember(this.#ownIds, messageId);
    return { ...message, messageId, token };
  }

  #isForUs({ type, messageId, token }: CoapMessage): boolean {
    if (this.#ownTokens.has(token.join())) return true;
    return (type === Type.ACK || type === Type.RST) && this.#ownIds.has(messageId);
  }
}

/** What it knows and holds of one direction. */
class Side {
  readonly rotation: Rotation<GatewayMaterial, Tampered>;
  readonly past: Passing[] = [];
  /** By their hex digits. */
  readonly kids = new Map<string, Uint8Array>();
  #held: { readonly passing: Passing; patience: number }[] = [];
  nextAttack = Number.NEGATIVE_INFINITY;

  constructor(rotation: Rotation<GatewayMaterial, Tampered>) {
    this.rotation = rotation;
  }

  remember(passing: Passing): void {
    if (this.past.length === REMEMBERED) this.past.shift();
    this.past.push(passing);
    const kid = kidOf(passing.message);
    if (kid !== undefined) this.kids.set(kid.join(), kid);
  }

  hold(passing: Passing): void {
    this.#held.push({ passing, patience: PATIENCE });
  }

  /** What was held back goes behind a later one of the same sender, or behind any when that takes too long. */
  release({ message }: Passing): Uint8Array[] {
    const kid = kidOf(message)?.join();
    const released: Uint8Array[] = [];
    this.#held = this.#held.filter((held) => {
      held.patience--;
      if (held.patience > 0 && kidOf(held.passing.message)?.join() !== kid) return true;
      released.push(held.passing.bytes);
      return false;
    });
    return released;
  }
}

function remember<T>(set: Set<T>, item: T): void {
  set.add(item);
  if (set.size <= OWN) return;
  for (const oldest of set) {
    set.delete(oldest);
    return;
  }
}
