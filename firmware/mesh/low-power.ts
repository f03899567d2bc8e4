import type { Counters } from "../bytes/counters.js";
import { ALL_FRIENDS } from "./addresses.js";
import {
  decodeFriendOffer,
  decodeFriendUpdate,
  encodeFriendClear,
  encodeFriendRequest,
  encodeSubscriptions,
  type FriendOffer,
  SUBSCRIPTIONS_PER_MESSAGE,
} from "./friendship.js";
import type { IvIndex } from "./iv-index.js";
import type { KeyStore, NetworkCredentials, Subnet } from "./keys.js";
import type { NodeState } from "./node-state.js";
import { ControlOpcode } from "./numbers.js";
import type { UpperPdu } from "./reassembly.js";

/** Offers come 100 ms after the request at the earliest, and are waited for 1 s (Mesh Profile §3.6.6.4.1). */
const OFFERS_FROM = 90;
const OFFERS_FOR = 1100;
const REQUEST_AGAIN = 6000;
/** While nobody offers, the pause doubles up to this: each request listens for a second. */
const REQUEST_AGAIN_MOST = 3_600_000;
/** Polls without an answer before the friend is given up: the same number while establishing (§3.6.6.4.2). */
const POLLS = 6;
/** Pause between a poll that found something and the next one, so that a relay of messages is not starved. */
const POLL_AGAIN = 20;
/** While something is to come, which the friend keeps: the first poll, and the longest pause that it grows to. */
const POLL_BUSY = 400;
const POLL_BUSY_MOST = 3000;
/** Once more when it has come, for what somebody had kept until this node was heard. */
const POLL_AFTER = 2000;
/** Without the friend that seems to keep nothing. */
const DISTRUST_FOR = 120_000;
const NEVER = Number.POSITIVE_INFINITY;

/** How a Low Power node sleeps and polls. */
export interface LowPowerSettings {
  /** Milliseconds from a poll to its answer's window: time to sleep. 10 to 255, default 100. */
  readonly receiveDelay?: number;
  /** Milliseconds after which the friend gives up without a poll. Default 5 minutes. */
  readonly pollTimeout?: number;
  /** Milliseconds between two polls when nothing is expected. Default: a quarter of the PollTimeout. */
  readonly pollInterval?: number;
  /** Messages that a friend must be able to keep, as a power of two. Default 3. */
  readonly minQueueSizeLog?: number;
}

/** What the Low Power feature needs of the stack that it is part of. */
export interface LowPowerOptions extends LowPowerSettings {
  readonly keys: KeyStore;
  readonly state: NodeState;
  readonly iv: IvIndex;
  readonly counters: Counters;
  /** [0, 1) */
  readonly random: () => number;
  /** Something is to come: an acknowledgment, an answer, the rest of a message. */
  readonly expects: () => boolean;
  /** Sends an unsegmented control message from the primary element at once. */
  readonly sendControl: (
    credentials: NetworkCredentials,
    opcode: number,
    dst: number,
    ttl: number,
    parameters: Uint8Array,
  ) => boolean;
  /** Moves a key refresh on, as a beacon would. */
  readonly keyRefresh: (subnet: Subnet, flag: boolean) => void;
  /** The receiver must be on from now on, or may be off. */
  readonly listen: (on: boolean) => void;
  /** A friend's address when there is a friendship, `undefined` when it is over. */
  readonly onFriend: (friend: number | undefined) => void;
}

type Phase = "off" | "waiting" | "offers" | "polling" | "subscribing" | "asleep";

/** The Low Power feature (Mesh Profile §3.6.6): sleeps, and asks its friend now and then for what has come. */
export class LowPower {
  deadline = NEVER;
  readonly #options: LowPowerOptions;
  readonly #pollTimeout: number;
  readonly #receiveDelay: number;
  #phase: Phase = "off";
  #listening = true;
  #listenFrom = NEVER;
  #listenUntil = NEVER;
  #nextAt = NEVER;
  #requestAgain = REQUEST_AGAIN;
  /** Of the polls for what is to come; 0 when nothing is. */
  #pause = 0;
  #counter: number;
  #previous = 0;
  #subnet: Subnet | undefined;
  #best: (FriendOffer & { readonly source: number; readonly value: number }) | undefined;
  #friend = 0;
  #window = 255;
  #established = false;
  #fsn = 0;
  #unanswered = 0;
  #transaction = 0;
  /** What the friend has to listen to, and what it has confirmed. */
  readonly #confirmed: number[] = [];
  #asked: { readonly opcode: number; readonly addresses: readonly number[] } | undefined;

  constructor(options: LowPowerOptions) {
    this.#options = options;
    this.#pollTimeout = options.pollTimeout ?? 300_000;
    this.#receiveDelay = options.receiveDelay ?? 100;
    this.#counter = Math.floor(options.random() * 0x10000);
  }

  /** Unicast address of the friend, `undefined` without one. */
  get friend(): number | undefined {
    return this.#established ? this.#friend : undefined;
  }

  /** Whether there is neither a friend nor anybody who may become one: nobody hears for this node but itself. */
  get alone(): boolean {
    return this.#phase === "off" || this.#phase === "waiting";
  }

  /** Whether the receiver is needed now. */
  get listening(): boolean {
    return this.#listening;
  }

  /** Looks for a friend, and keeps one from now on. */
  start(now: number): void {
    if (this.#phase !== "off") return;
    this.#phase = "waiting";
    this.#nextAt = now;
    this.#settle();
  }

  /** Gives up the friend, and listens all the time again. */
  stop(): void {
    this.#lose();
    this.#phase = "off";
    this.#nextAt = NEVER;
    this.#window = 0;
    this.#listenFrom = NEVER;
    this.#listenUntil = NEVER;
    this.#listen(true);
    this.#settle();
  }

  /** Something was sent that an answer may come to: asks the friend soon. */
  expect(now: number): void {
    this.#pause = POLL_BUSY;
    if (this.#phase === "asleep") this.#nextAt = Math.min(this.#nextAt, now + POLL_BUSY);
    this.#settle();
  }

  /** Nothing comes by the friend that should: hears for itself for a while, and then looks for a friend. */
  distrust(now: number): void {
    const { keys, counters, sendControl } = this.#options;
    const credentials = keys.subnets().next().value?.transmit.credentials;
    if (!this.#established || credentials === undefined) return;
    counters.add("friend.distrusted");
    // It would go on acknowledging what is for this node.
    const clear = encodeFriendClear(this.#options.state.address, this.#counter);
    sendControl(credentials, ControlOpcode.FRIEND_CLEAR, this.#friend, 0, clear);
    this.#lose();
    this.#phase = "waiting";
    this.#listenFrom = NEVER;
    this.#listenUntil = NEVER;
    this.#nextAt = now + DISTRUST_FOR * (0.5 + this.#options.random());
    this.#settle();
  }

  /** Polls, listens and sleeps as is due at `now` (ms). */
  tick(now: number): void {
    if (this.deadline > now) return;
    if (this.#listenFrom <= now) {
      this.#listenFrom = NEVER;
      this.#listen(true);
    }
    if (this.#listenUntil <= now) {
      this.#listenUntil = NEVER;
      this.#windowOver(now);
    }
    if (this.#nextAt <= now) {
      this.#nextAt = NEVER;
      if (this.#phase === "waiting") this.#request(now);
      else if (this.#phase === "asleep") this.#ask(now);
    }
    this.#settle();
  }

  /** A PDU by the friendship's credentials has come: an answer to the poll, whatever is in it. */
  answered(peer: number, now: number): void {
    if (peer !== this.#friend || (this.#phase !== "polling" && this.#phase !== "subscribing")) return;
    if (this.#phase === "subscribing") return;
    this.#fsn ^= 1;
    this.#unanswered = 0;
    // Unless it is a Friend Update that says otherwise, there may be more.
    this.#sleep(now, POLL_AGAIN);
    this.#settle();
  }

  /** Takes the control messages that are a Low Power node's business. */
  receive(upper: UpperPdu, now: number): void {
    if (upper.header === ControlOpcode.FRIEND_OFFER) this.#onOffer(upper);
    else if (upper.credentials.friendshipWith !== this.#friend)
      this.#options.counters.add("drop.friend-message");
    else if (upper.header === ControlOpcode.FRIEND_UPDATE) this.#onUpdate(upper, now);
    else if (upper.header === ControlOpcode.SUBSCRIPTION_LIST_CONFIRM) this.#onConfirm(upper, now);
    this.#settle();
  }

  #request(now: number): void {
    const { keys, state, sendControl, minQueueSizeLog } = this.#options;
    this.#subnet = keys.subnets().next().value;
    if (this.#subnet === undefined) return;
    this.#counter = (this.#counter + 1) & 0xffff;
    this.#best = undefined;
    const request = encodeFriendRequest({
      rssiFactor: 1,
      windowFactor: 0,
      minQueueSizeLog: minQueueSizeLog ?? 3,
      receiveDelay: this.#receiveDelay,
      pollTimeout: Math.round(this.#pollTimeout / 100),
      previousAddress: this.#previous,
      elements: state.elements,
      counter: this.#counter,
    });
    sendControl(this.#subnet.transmit.credentials, ControlOpcode.FRIEND_REQUEST, ALL_FRIENDS, 0, request);
    this.#phase = "offers";
    this.#listen(false);
    this.#listenFrom = now + OFFERS_FROM;
    this.#listenUntil = now + OFFERS_FROM + OFFERS_FOR;
  }

  #onOffer(upper: UpperPdu): void {
    const offer = decodeFriendOffer(upper.payload);
    if (offer === undefined || this.#phase !== "offers") return;
    // The link in both directions counts most, then the room for messages.
    const value = Math.min(offer.rssi, upper.rssi) + offer.queueSize / 16;
    if (this.#best === undefined || value > this.#best.value) {
      this.#best = { ...offer, source: upper.src, value };
    }
  }

  #windowOver(now: number): void {
    if (this.#phase === "offers") this.#choose(now);
    else if (this.#phase === "polling" || this.#phase === "subscribing") {
      this.#listen(false);
      this.#unanswered++;
      if (this.#unanswered >= POLLS) {
        this.#options.counters.add("friend.lost");
        this.#lose();
        this.#wait(now);
      } else {
        this.#phase = "asleep";
        this.#ask(now);
      }
    }
  }

  #choose(now: number): void {
    const { keys, state } = this.#options;
    const best = this.#best;
    if (best === undefined || this.#subnet === undefined) {
      // Nobody is there: hear the network as any node does, and ask again.
      this.#wait(now);
      return;
    }
    this.#friend = best.source;
    this.#window = best.receiveWindow;
    this.#fsn = 0;
    this.#unanswered = 0;
    this.#established = false;
    this.#confirmed.length = 0;
    keys.addFriendship(this.#subnet, best.source, state.address, best.source, this.#counter, best.counter);
    this.#phase = "asleep";
    this.#ask(now);
  }

  /** Until the next request; then longer. */
  #wait(now: number): void {
    this.#phase = "waiting";
    this.#nextAt = now + this.#requestAgain * (0.5 + this.#options.random());
    this.#requestAgain = Math.min(2 * this.#requestAgain, REQUEST_AGAIN_MOST);
  }

  /** A poll, or a change of the subscription list if there is one to tell. */
  #ask(now: number): void {
    const { keys, sendControl } = this.#options;
    const credentials = keys.friendshipCredentials(this.#friend);
    if (credentials === undefined) return;
    const change = this.#established ? this.#change() : undefined;
    if (change === undefined) {
      this.#phase = "polling";
      sendControl(credentials, ControlOpcode.FRIEND_POLL, this.#friend, 0, Uint8Array.of(this.#fsn));
    } else {
      this.#phase = "subscribing";
      this.#asked = change;
      sendControl(
        credentials,
        change.opcode,
        this.#friend,
        0,
        encodeSubscriptions(this.#transaction, change.addresses),
      );
    }
    this.#listen(false);
    // §3.6.6.4.2: nothing comes before ReceiveDelay, and all of it within the window (or some of our own time later).
    this.#listenFrom = now + this.#receiveDelay;
    this.#listenUntil = now + this.#receiveDelay + this.#window;
  }

  #change(): { opcode: number; addresses: number[] } | undefined {
    const { state } = this.#options;
    const wanted = [...state.groups(), ...state.labels.map(({ address }) => address)];
    const missing = wanted.filter((address) => !this.#confirmed.includes(address));
    if (missing.length > 0) {
      return {
        opcode: ControlOpcode.SUBSCRIPTION_LIST_ADD,
        addresses: missing.slice(0, SUBSCRIPTIONS_PER_MESSAGE),
      };
    }
    const needless = this.#confirmed.filter((address) => !wanted.includes(address));
    if (needless.length === 0) return undefined;
    return {
      opcode: ControlOpcode.SUBSCRIPTION_LIST_REMOVE,
      addresses: needless.slice(0, SUBSCRIPTIONS_PER_MESSAGE),
    };
  }

  #onConfirm(upper: UpperPdu, now: number): void {
    if (this.#phase !== "subscribing" || upper.payload.length !== 1) return;
    if (upper.payload[0] !== this.#transaction || this.#asked === undefined) return;
    for (const address of this.#asked.addresses) {
      const at = this.#confirmed.indexOf(address);
      if (this.#asked.opcode === ControlOpcode.SUBSCRIPTION_LIST_ADD) this.#confirmed.push(address);
      else if (at >= 0) this.#confirmed.splice(at, 1);
    }
    this.#transaction = (this.#transaction + 1) & 0xff;
    this.#unanswered = 0;
    this.#sleep(now, this.#change() === undefined ? this.#interval() : POLL_AGAIN);
  }

  #onUpdate(upper: UpperPdu, now: number): void {
    const update = decodeFriendUpdate(upper.payload);
    if (update === undefined || this.#subnet === undefined) return;
    this.#options.iv.heard(update.ivIndex, update.ivUpdate, now);
    if (this.#options.keys.ofNextKey(upper.credentials)) {
      this.#options.keyRefresh(this.#subnet, update.keyRefresh);
    }
    if (!this.#established) {
      this.#established = true;
      this.#requestAgain = REQUEST_AGAIN;
      this.#previous = this.#friend;
      this.#options.counters.add("friend.established");
      this.#options.onFriend(this.#friend);
    }
    const more = update.moreData || this.#change() !== undefined;
    this.#sleep(now, more ? POLL_AGAIN : this.#interval());
  }

  #interval(): number {
    const pause = this.#pause;
    if (this.#options.expects()) {
      this.#pause = Math.min(1.5 * Math.max(pause, POLL_BUSY), POLL_BUSY_MOST);
      return Math.max(pause, POLL_BUSY);
    }
    this.#pause = 0;
    if (pause > 0) return POLL_AFTER;
    const interval = this.#options.pollInterval ?? this.#pollTimeout / 4;
    return Math.min(interval, this.#pollTimeout / 2);
  }

  #sleep(now: number, milliseconds: number): void {
    this.#phase = "asleep";
    this.#listen(false);
    this.#listenFrom = NEVER;
    this.#listenUntil = NEVER;
    this.#nextAt = now + milliseconds;
  }

  #lose(): void {
    if (this.#friend !== 0) this.#options.keys.removeFriendship(this.#friend);
    const had = this.#established;
    this.#friend = 0;
    this.#established = false;
    this.#asked = undefined;
    // Until there is a new one the node hears for itself.
    this.#listen(true);
    if (had) this.#options.onFriend(undefined);
  }

  #listen(on: boolean): void {
    if (this.#listening === on) return;
    this.#listening = on;
    this.#options.listen(on);
  }

  #settle(): void {
    this.deadline = Math.min(this.#listenFrom, this.#listenUntil, this.#nextAt);
  }
}
