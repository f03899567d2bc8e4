import type { Counters } from "../bytes/counters.js";
import { AdType } from "./numbers.js";

/**
 * The PB-ADV bearer (Mesh Profile §5.2.1) and generic provisioning above it (§5.3): a link between a provisioner and
 * one device, over which provisioning PDUs go in acknowledged transactions.
 */

/** Generic Provisioning Control Format, the lower two bits (§5.3.1). */
const Format = { START: 0, ACKNOWLEDGMENT: 1, CONTINUATION: 2, CONTROL: 3 } as const;
const Control = { LINK_OPEN: 0, LINK_ACK: 1, LINK_CLOSE: 2 } as const;

/** Why a link was closed (§5.3.1.4.3). */
export const CloseReason = { SUCCESS: 0, TIMEOUT: 1, FAIL: 2 } as const;
export type CloseReason = (typeof CloseReason)[keyof typeof CloseReason];

/** Bytes of a PDU in the first segment and in each further one (§5.3.1.1, §5.3.1.3). */
const FIRST = 20;
const FURTHER = 23;
/** The longest provisioning PDU is a public key with its type. */
const PDU_MAX = 65;

/** §5.3.3: a transaction that is not acknowledged within this ends the link. */
const TRANSACTION_TIMEOUT = 30_000;
/** §5.3.2: and a Link Open that is not acknowledged within this. */
const OPEN_TIMEOUT = 60_000;
/** A whole transaction, or a Link Open, is sent again after this. */
const RETRY = 700;
/** Link Close is not acknowledged, so it is sent several times (§5.3.1.4.3). */
const CLOSE_TIMES = 3;
const COUNT = 2;
const INTERVAL = 20;

/** Octets of the generic provisioning checksum, four bits at a time (§5.3.1.1, 3GPP TS 27.010). */
const FCS_TABLE: readonly number[] = [
  0x00, 0x1c, 0x38, 0x24, 0x70, 0x6c, 0x48, 0x54, 0xe0, 0xfc, 0xd8, 0xc4, 0x90, 0x8c, 0xa8, 0xb4,
];

/** The checksum of a provisioning PDU. */
export function fcs(pdu: Uint8Array): number {
  let value = 0xff;
  for (let i = 0; i < pdu.length; i++) {
    value ^= pdu[i];
    value = (value >> 4) ^ FCS_TABLE[value & 15];
    value = (value >> 4) ^ FCS_TABLE[value & 15];
  }
  return value ^ 0xff;
}

/** What a link of PB-ADV is put between. */
export interface PbAdvLinkOptions {
  readonly linkId: number;
  /** The provisioner's transactions are numbered from 0x00, the device's from 0x80 (§5.2.1). */
  readonly provisioner: boolean;
  readonly counters: Counters;
  /** [0, 1) */
  readonly random: () => number;
  /** The bearer. */
  readonly transmit: (adStructure: Uint8Array, count: number, intervalMs: number) => boolean;
  /** A provisioning PDU has come; valid during the call only. */
  readonly onPdu: (pdu: Uint8Array, now: number) => void;
  /** The other end has acknowledged the link. */
  readonly onOpen?: (now: number) => void;
  /** The link is over; `reason` is what it was closed with, by whichever side. */
  readonly onClosed: (reason: CloseReason, now: number) => void;
}

type LinkState = "idle" | "opening" | "open" | "closing" | "closed";

const NEVER = Number.POSITIVE_INFINITY;

/** One link. Whoever owns it routes the AD structures with its Link ID here. */
export class PbAdvLink {
  readonly #options: PbAdvLinkOptions;
  readonly #frame = new Uint8Array(31);
  readonly #incoming = new Uint8Array(PDU_MAX);
  readonly #queue: Uint8Array[] = [];
  #state: LinkState = "idle";
  #uuid: Uint8Array | undefined;
  #giveUpAt = NEVER;
  #retryAt = NEVER;
  #acknowledgeAt = NEVER;
  #closeTimes = 0;
  #closeReason: CloseReason = CloseReason.SUCCESS;
  /** Number of the transaction that is being sent, or comes next. */
  #sending: number;
  /** Number of the last transaction that came whole, -1 before the first. */
  #received = -1;
  #segN = 0;
  #total = 0;
  #checksum = 0;
  /** Bits of the segments that are here; 0: no transaction has begun. */
  #segments = 0;
  #collecting = -1;

  constructor(options: PbAdvLinkOptions) {
    this.#options = options;
    this.#sending = options.provisioner ? 0x00 : 0x80;
  }

  get state(): LinkState {
    return this.#state;
  }

  get linkId(): number {
    return this.#options.linkId;
  }

  get deadline(): number {
    return Math.min(this.#retryAt, this.#acknowledgeAt, this.#giveUpAt);
  }

  /** The provisioner's side: opens a link to the device with this UUID. */
  open(uuid: Uint8Array, now: number): void {
    this.#state = "opening";
    this.#uuid = uuid.slice();
    this.#giveUpAt = now + OPEN_TIMEOUT;
    this.#retryAt = now;
    this.tick(now);
  }

  /** The device's side: a Link Open with its UUID has come. */
  accept(now: number): void {
    this.#state = "open";
    this.#control(Control.LINK_ACK);
    this.#options.onOpen?.(now);
  }

  /** Sends a provisioning PDU, after those that wait; copied. */
  send(pdu: Uint8Array, now: number): void {
    if (this.#state !== "open") return;
    this.#queue.push(pdu.slice());
    if (this.#queue.length > 1) return;
    this.#giveUpAt = now + TRANSACTION_TIMEOUT;
    this.#retryAt = now;
    this.tick(now);
  }

  /** Closes the link, once what waits to be sent has been acknowledged, or at once. */
  close(reason: CloseReason, now: number): void {
    if (this.#state === "closed" || this.#state === "closing") return;
    this.#state = "closing";
    this.#queue.length = 0;
    this.#closeReason = reason;
    this.#closeTimes = CLOSE_TIMES;
    if (this.#acknowledgeAt !== NEVER) this.#acknowledge();
    this.#giveUpAt = NEVER;
    this.#retryAt = now;
    this.tick(now);
  }

  /** Repeats and gives up what is due at `now` (ms). */
  tick(now: number): void {
    if (this.#acknowledgeAt <= now) this.#acknowledge();
    if (this.#giveUpAt <= now) {
      if (this.#state === "opening") this.#end(CloseReason.TIMEOUT, now);
      else this.close(CloseReason.TIMEOUT, now);
      return;
    }
    if (this.#retryAt > now) return;
    // Not all at the same moment as a neighbour's (§5.3.3: 20 to 50 ms at random).
    this.#retryAt = now + RETRY + this.#options.random() * 100;
    if (this.#state === "opening") this.#control(Control.LINK_OPEN, this.#uuid);
    else if (this.#state === "open") this.#sendTransaction();
    else if (this.#state === "closing") this.#sendClose(now);
    else this.#retryAt = NEVER;
  }

  /** Takes a PDU of this link: the AD structure's data behind the Link ID. */
  receive(data: Uint8Array, now: number): void {
    if (this.#state === "idle" || this.#state === "closed" || data.length < 2) return;
    const transaction = data[0];
    const pdu = data.subarray(1);
    switch (pdu[0] & 3) {
      case Format.CONTROL:
        this.#receiveControl(pdu, now);
        break;
      case Format.ACKNOWLEDGMENT:
        if (pdu[0] === Format.ACKNOWLEDGMENT && pdu.length === 1) this.#acknowledged(transaction, now);
        else this.#drop("pb-adv-format");
        break;
      default:
        if (this.#state === "open") {
          const reason = this.#collect(transaction, pdu, now);
          if (reason !== undefined) this.#drop(reason);
        }
    }
  }

  #receiveControl(pdu: Uint8Array, now: number): void {
    const opcode = pdu[0] >> 2;
    if (opcode === Control.LINK_ACK && this.#state === "opening" && pdu.length === 1) {
      this.#state = "open";
      this.#giveUpAt = NEVER;
      this.#retryAt = NEVER;
      this.#options.onOpen?.(now);
    } else if (opcode === Control.LINK_OPEN && this.#state === "open" && !this.#options.provisioner) {
      // Our acknowledgment was lost (§5.3.2).
      this.#control(Control.LINK_ACK);
    } else if (opcode === Control.LINK_CLOSE && pdu.length === 2) {
      const reason =
        pdu[1] === 0 ? CloseReason.SUCCESS : pdu[1] === 1 ? CloseReason.TIMEOUT : CloseReason.FAIL;
      this.#end(reason, now);
    }
  }

  #acknowledged(transaction: number, now: number): void {
    if (this.#state !== "open" || this.#queue.length === 0 || transaction !== this.#sending) return;
    this.#queue.shift();
    this.#sending = following(this.#sending);
    if (this.#queue.length === 0) {
      this.#giveUpAt = NEVER;
      this.#retryAt = NEVER;
      return;
    }
    this.#giveUpAt = now + TRANSACTION_TIMEOUT;
    this.#retryAt = now;
    this.tick(now);
  }

  /** @returns why a segment was not taken */
  #collect(transaction: number, pdu: Uint8Array, now: number): string | undefined {
    if (transaction === this.#received) {
      // Our acknowledgment was lost.
      this.#scheduleAcknowledgment(now);
      return undefined;
    }
    const expected =
      this.#received < 0 ? (this.#options.provisioner ? 0x80 : 0x00) : following(this.#received);
    if (transaction !== expected) return "pb-adv-transaction";
    if (this.#collecting !== transaction) {
      this.#collecting = transaction;
      this.#segments = 0;
      this.#total = 0;
    }
    const reason = (pdu[0] & 3) === Format.START ? this.#collectStart(pdu) : this.#collectContinuation(pdu);
    if (reason !== undefined) return reason;
    const all = (1 << (this.#segN + 1)) - 1;
    if (this.#total === 0 || (this.#segments & all) !== all) return undefined;
    const whole = this.#incoming.subarray(0, this.#total);
    this.#collecting = -1;
    if (fcs(whole) !== this.#checksum) return "pb-adv-fcs";
    this.#received = transaction;
    this.#scheduleAcknowledgment(now);
    this.#options.onPdu(whole, now);
    return undefined;
  }

  #collectStart(pdu: Uint8Array): string | undefined {
    if (pdu.length < 5) return "pb-adv-format";
    const segN = pdu[0] >> 2;
    const total = (pdu[1] << 8) | pdu[2];
    const data = pdu.subarray(4);
    const fits =
      total > 0 && total <= PDU_MAX && segN === (total <= FIRST ? 0 : Math.ceil((total - FIRST) / FURTHER));
    if (!fits || data.length !== Math.min(total, FIRST)) return "pb-adv-format";
    this.#segN = segN;
    this.#total = total;
    this.#checksum = pdu[3];
    this.#incoming.set(data);
    this.#segments |= 1;
    return undefined;
  }

  #collectContinuation(pdu: Uint8Array): string | undefined {
    const index = pdu[0] >> 2;
    const data = pdu.subarray(1);
    const at = FIRST + (index - 1) * FURTHER;
    // How long the last one is cannot be known before the start has come; what does not fit the checksum goes later.
    if (
      index < 1 ||
      at >= PDU_MAX ||
      data.length < 1 ||
      data.length > FURTHER ||
      at + data.length > PDU_MAX
    ) {
      return "pb-adv-format";
    }
    this.#incoming.set(data, at);
    this.#segments |= 1 << index;
    return undefined;
  }

  #scheduleAcknowledgment(now: number): void {
    // §5.3.3: after a random 20 to 50 ms.
    if (this.#acknowledgeAt === NEVER) this.#acknowledgeAt = now + 20 + this.#options.random() * 30;
  }

  #acknowledge(): void {
    this.#acknowledgeAt = NEVER;
    this.#frame[7] = Format.ACKNOWLEDGMENT;
    this.#put(this.#received, 1);
  }

  #sendTransaction(): void {
    const [pdu] = this.#queue;
    if (pdu === undefined) {
      this.#retryAt = NEVER;
      return;
    }
    const segN = pdu.length <= FIRST ? 0 : Math.ceil((pdu.length - FIRST) / FURTHER);
    const frame = this.#frame;
    frame[7] = (segN << 2) | Format.START;
    frame[8] = pdu.length >> 8;
    frame[9] = pdu.length;
    frame[10] = fcs(pdu);
    const first = pdu.subarray(0, FIRST);
    frame.set(first, 11);
    this.#put(this.#sending, 4 + first.length);
    for (let index = 1; index <= segN; index++) {
      const at = FIRST + (index - 1) * FURTHER;
      const data = pdu.subarray(at, at + FURTHER);
      frame[7] = (index << 2) | Format.CONTINUATION;
      frame.set(data, 8);
      this.#put(this.#sending, 1 + data.length);
    }
  }

  #sendClose(now: number): void {
    if (this.#closeTimes-- > 0) this.#control(Control.LINK_CLOSE, Uint8Array.of(this.#closeReason));
    else this.#end(this.#closeReason, now);
  }

  #control(opcode: number, parameters?: Uint8Array): void {
    this.#frame[7] = (opcode << 2) | Format.CONTROL;
    if (parameters !== undefined) this.#frame.set(parameters, 8);
    this.#put(0, 1 + (parameters?.length ?? 0));
  }

  /** Sends what is in the frame from its eighth byte on. */
  #put(transaction: number, length: number): void {
    const frame = this.#frame;
    const { linkId } = this.#options;
    frame[0] = 6 + length;
    frame[1] = AdType.PB_ADV;
    frame[2] = linkId >>> 24;
    frame[3] = linkId >>> 16;
    frame[4] = linkId >>> 8;
    frame[5] = linkId;
    frame[6] = transaction;
    // When the queue is full the retry sends it.
    if (!this.#options.transmit(frame.subarray(0, 7 + length), COUNT, INTERVAL)) {
      this.#options.counters.add("queue-full");
    }
  }

  #end(reason: CloseReason, now: number): void {
    this.#state = "closed";
    this.#retryAt = NEVER;
    this.#acknowledgeAt = NEVER;
    this.#giveUpAt = NEVER;
    this.#queue.length = 0;
    this.#options.onClosed(reason, now);
  }

  #drop(reason: string): void {
    this.#options.counters.add(`drop.${reason}`);
  }
}

/** The number after a transaction's, each side within its own half (§5.2.1). */
function following(transaction: number): number {
  return (transaction & 0x80) | ((transaction + 1) & 0x7f);
}

/** The UUID of a Link Open, from the AD structure's data behind Link ID and transaction number. */
export function linkOpenUuid(data: Uint8Array): Uint8Array | undefined {
  return data.length === 17 && data[0] === ((Control.LINK_OPEN << 2) | Format.CONTROL)
    ? data.subarray(1)
    : undefined;
}
