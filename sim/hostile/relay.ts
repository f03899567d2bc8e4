import { Refusal } from "../../firmware/bytes/refusal.js";
import { KeyStore, type NetworkCredentials } from "../../firmware/mesh/keys.js";
import { MessageCache } from "../../firmware/mesh/message-cache.js";
import { NetworkCodec } from "../../firmware/mesh/network.js";
import { AdType } from "../../firmware/mesh/numbers.js";
import type { AdvertisingBearer, Crypto } from "../../hal/hal.js";
import type { VirtualClock } from "../clock.js";
import type { Random } from "../random.js";
import { type AttackKind, AttackLog, type Choice, Rotation } from "./attack.js";
import { Overheard, type OverheardMessage, type OverheardPdu, transportPdus } from "./overheard.js";
import { type Outgoing, RELAY_ATTACKS, type RelayMaterial } from "./relay-attacks.js";

export interface HostileRelayOptions extends Choice {
  readonly clock: VirtualClock;
  readonly bearer: AdvertisingBearer;
  readonly crypto: Crypto;
  /** What a relay holds: stolen with it. */
  readonly netKey: Uint8Array;
  readonly ivIndex: number;
  readonly random: Random;
  /** Time between two attacks, ms. Default 1,000. */
  readonly interval?: number;
  /** Whether it also does its duty, so that nobody wonders. Default true. */
  readonly relay?: boolean;
  /**
   * Probability that it passes on a changed PDU in place of the right one, under the same SEQ: where it is the only
   * way, that is what arrives. Default 0.
   */
  readonly inPlace?: number;
}

/** Transmissions of everything that it sends: count and ms. */
const TRANSMIT = { count: 3, interval: 20 } as const;
const SEQ_MAX = 0xffffff;
/** Fresh numbers begin this far above what the victim has used, so that the victim's own do not collide with them. */
const LEAP = 0x800;
const OLD_KEYS_REMEMBERED = 512;

/**
 * A relay in hostile hands: it has the NetKey, so network headers are open to it and it can encrypt what it likes for
 * the network; it has no AppKey and no OSCORE context. It attacks at a steady pace with all that it has overheard.
 *
 * What it can do with a NetKey and nobody can prevent: delay, drop, jam. What it must not be able to do: read a
 * reading, or have one accepted that its node did not send.
 */
export class HostileRelay {
  readonly log = new AttackLog();
  readonly #options: HostileRelayOptions;
  readonly #codec: NetworkCodec;
  readonly #credentials: NetworkCredentials;
  readonly #overheard = new Overheard();
  readonly #rotation: Rotation<RelayMaterial, Outgoing>;
  readonly #inPlace: Rotation<RelayMaterial, Outgoing>;
  readonly #used = new Map<number, number>();
  #started = false;
  #life = 0;

  /** Takes over `bearer.onReceive` at {@link start}. */
  constructor(options: HostileRelayOptions) {
    this.#options = options;
    const keys = new KeyStore(options.crypto);
    this.#credentials = keys.addSubnet(0, options.netKey).current.credentials;
    this.#codec = new NetworkCodec(keys, new MessageCache(OLD_KEYS_REMEMBERED));
    const { random } = options;
    this.#rotation = new Rotation(RELAY_ATTACKS, options, random.fork("attacks"));
    const flips = RELAY_ATTACKS.filter(({ inPlace }) => inPlace === true);
    this.#inPlace = new Rotation(flips, {}, random.fork("in place"));
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#options.bearer.onReceive = (data) => this.#hear(data);
    this.#scheduleAttack();
  }

  stop(): void {
    this.#started = false;
    this.#life++;
    this.#options.bearer.onReceive = undefined;
  }

  #scheduleAttack(): void {
    const { clock, interval = 1000, random } = this.#options;
    const life = this.#life;
    clock.post(clock.now() + interval * random.between(0.5, 1.5), () => {
      if (life !== this.#life) return;
      this.#attack();
      this.#scheduleAttack();
    });
  }

  #hear(data: Uint8Array): void {
    if (data[1] !== AdType.MESH_MESSAGE) return;
    const pdu = this.#codec.decode(data, this.#options.ivIndex);
    if (pdu instanceof Refusal) return;
    const heard = this.#overheard.add(pdu, data);
    const { relay = true, inPlace = 0, random } = this.#options;
    if (!relay || pdu.ttl < 2) return;
    const ttl = pdu.ttl - 1;
    if (random.chance(inPlace)) {
      const done = this.#inPlace.next(this.#material(heard, { ...heard, ttl }));
      if (done !== undefined && this.#send(done.result)) {
        this.#note(done.attack.kind, `${done.attack.what}, in place of the right one`);
        return;
      }
    }
    // Decoded a moment ago, and nothing was decoded since: the codec still has it.
    this.#options.bearer.send(this.#codec.relay(pdu, ttl), TRANSMIT.count, TRANSMIT.interval);
  }

  #attack(): void {
    const { pdus } = this.#overheard;
    if (pdus.length === 0) return;
    const done = this.#rotation.next(this.#material(pdus[pdus.length - 1], undefined));
    if (done !== undefined && this.#send(done.result)) this.#note(done.attack.kind, done.attack.what);
  }

  #note(kind: AttackKind, what: string): void {
    this.log.add(kind, this.#options.clock.now(), what);
  }

  #material(latest: OverheardPdu, inPlace: OverheardPdu | undefined): RelayMaterial {
    const { random, crypto, netKey } = this.#options;
    return {
      overheard: this.#overheard,
      latest,
      inPlace,
      random,
      crypto,
      netKey,
      nid: this.#credentials.nid,
      freshSeq: (src, count = 1) => this.#freshSeq(src, count),
      understood: () => {
        this.log.understood++;
      },
    };
  }

  /** @returns the first of `count` numbers that `src` has not used, and will not use soon */
  #freshSeq(src: number, count: number): number {
    const newest = this.#overheard.newestSeq.get(src) ?? 0;
    const first = Math.max(newest + LEAP, (this.#used.get(src) ?? 0) + 1);
    if (first + count > SEQ_MAX) return 0;
    this.#used.set(src, first + count - 1);
    return first;
  }

  /** @returns false when the transmit queue has no room for all of it */
  #send({ frames = [], pdus = [], messages = [], later }: Outgoing): boolean {
    const { bearer, clock } = this.#options;
    const all: (Uint8Array | Omit<OverheardPdu, "raw">)[] = [...frames, ...pdus];
    for (const message of messages) all.push(...pdusOf(message));
    if (bearer.free < all.length) return false;
    for (const one of all) {
      const frame = one instanceof Uint8Array ? one : this.#encode(one);
      bearer.send(frame, TRANSMIT.count, TRANSMIT.interval);
    }
    if (later !== undefined) {
      const life = this.#life;
      clock.post(clock.now() + later.delay, () => {
        if (life === this.#life) this.#send(later.what);
      });
    }
    return true;
  }

  #encode(pdu: Omit<OverheardPdu, "raw">): Uint8Array {
    const { ivIndex, ctl, ttl, seq, src, dst, transport } = pdu;
    return this.#codec.encode(this.#credentials, ivIndex, ctl, ttl, seq, src, dst, transport);
  }
}

function pdusOf(message: OverheardMessage): Omit<OverheardPdu, "raw">[] {
  const { ivIndex, ttl, src, dst, seq } = message;
  return transportPdus(message).map((transport, i) => ({
    ivIndex,
    ctl: false,
    ttl,
    seq: seq + i,
    src,
    dst,
    transport,
  }));
}
