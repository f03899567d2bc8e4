import type { Counters } from "../bytes/counters.js";
import { isGroup, isVirtual } from "./addresses.js";
import { enqueue, QUEUE_SIZE, type StoredPdu } from "./friend-queue.js";
import {
  decodeFriendClear,
  decodeFriendRequest,
  decodeSubscriptions,
  encodeFriendClear,
  encodeFriendOffer,
  encodeFriendUpdate,
  type FriendRequest,
} from "./friendship.js";
import type { IvIndex } from "./iv-index.js";
import type { KeyStore, NetworkCredentials, Subnet } from "./keys.js";
import type { NodeState } from "./node-state.js";
import { ControlOpcode } from "./numbers.js";
import type { UpperPdu } from "./reassembly.js";

/** Low Power nodes that one friend serves, addresses it listens to for each. */
const LOW_POWER_NODES_MAX = 8;
const SUBSCRIPTIONS_MAX = 16;
/** The longest there is: the bearer may be busy when the answer is due. */
const RECEIVE_WINDOW = 255;
/** An offer comes at the earliest after this (Mesh Profile §3.6.6.3.1), and is void if no poll follows it in time. */
const OFFER_DELAY = 100;
const OFFER_VALID = 1300;
const CLEAR_FIRST_REPEAT = 1000;
const FACTORS: readonly number[] = [1, 1.5, 2, 2.5];
const NEVER = Number.POSITIVE_INFINITY;

interface Friendship {
  readonly address: number;
  readonly elements: number;
  readonly subnet: Subnet;
  readonly request: FriendRequest;
  readonly friendCounter: number;
  readonly groups: number[];
  readonly queue: StoredPdu[];
  established: boolean;
  offerAt: number;
  rssi: number;
  /** FSN of the last poll, -1 before the first. */
  fsn: number;
  /** The queue's first entry was sent as the answer to the last poll, and is not known to have come. */
  sent: boolean;
  answerAt: number;
  answer: "queue" | "confirm";
  transaction: number;
  /** The network's security has changed since the last Friend Update. */
  updateDue: boolean;
  expiresAt: number;
  clearAt: number;
  clearInterval: number;
  clearUntil: number;
}

/** What the Friend feature needs of the stack that it is part of. */
export interface FriendOptions {
  readonly keys: KeyStore;
  readonly state: NodeState;
  readonly iv: IvIndex;
  readonly counters: Counters;
  /** Sends an unsegmented control message from the primary element at once. */
  readonly sendControl: (
    credentials: NetworkCredentials,
    opcode: number,
    dst: number,
    ttl: number,
    parameters: Uint8Array,
  ) => boolean;
  /** Sends a stored PDU as it is, with other credentials. */
  readonly forward: (credentials: NetworkCredentials, pdu: StoredPdu) => void;
}

/** The Friend feature (Mesh Profile §3.6.6): hears for Low Power nodes while they sleep. */
export class Friend {
  deadline = NEVER;
  readonly #options: FriendOptions;
  readonly #friendships: Friendship[] = [];
  #counter = 0;

  constructor(options: FriendOptions) {
    this.#options = options;
  }

  /** Low Power nodes that this node is friend of. */
  get size(): number {
    return this.#friendships.filter(({ established }) => established).length;
  }

  /** PollTimeout of a Low Power node in 100 ms (§4.3.2.67), 0 when this node is not its friend. */
  pollTimeout(lowPowerNode: number): number {
    const friendship = this.#find(lowPowerNode);
    return friendship?.established ? friendship.request.pollTimeout : 0;
  }

  /** Whether an address is a unicast one of a Low Power node here. */
  owns(dst: number): boolean {
    for (const { established, address, elements } of this.#friendships) {
      if (established && dst >= address && dst < address + elements) return true;
    }
    return false;
  }

  /** Whether PDUs to an address are kept for someone. */
  listensFor(dst: number): boolean {
    if (this.#friendships.length === 0) return false;
    if (this.owns(dst)) return true;
    for (const { established, groups } of this.#friendships) {
      if (established && groups.includes(dst)) return true;
    }
    return false;
  }

  /** Keeps a PDU for all whom it is for (§3.6.6.4.1); its bytes are copied. */
  store(pdu: StoredPdu): void {
    for (const friendship of this.#friendships) {
      const { established, address, elements, groups, queue } = friendship;
      if (!established || pdu.src === address) continue;
      if (!(pdu.dst >= address && pdu.dst < address + elements) && !groups.includes(pdu.dst)) continue;
      enqueue(queue, pdu, friendship.sent, this.#options.counters);
    }
  }

  /** IV Index or keys have changed: Low Power nodes are told with their next poll. */
  news(): void {
    for (const friendship of this.#friendships) friendship.updateDue = true;
  }

  /** Ends all friendships: the feature was switched off, or the node is being reset. */
  clear(): void {
    for (const { address } of this.#friendships.splice(0)) this.#options.keys.removeFriendship(address);
    this.deadline = NEVER;
  }

  /** Takes the control messages that are a friend's business. */
  receive(upper: UpperPdu, now: number): void {
    switch (upper.header) {
      case ControlOpcode.FRIEND_REQUEST:
        this.#onRequest(upper, now);
        break;
      case ControlOpcode.FRIEND_POLL:
        this.#onPoll(upper, now);
        break;
      case ControlOpcode.SUBSCRIPTION_LIST_ADD:
      case ControlOpcode.SUBSCRIPTION_LIST_REMOVE:
        this.#onSubscriptions(upper, now);
        break;
      case ControlOpcode.FRIEND_CLEAR:
        this.#onClear(upper);
        break;
      case ControlOpcode.FRIEND_CLEAR_CONFIRM:
        this.#onClearConfirm(upper);
        break;
    }
    this.#settle();
  }

  /** Offers, answers and gives up what is due at `now` (ms). */
  tick(now: number): void {
    if (this.deadline > now) return;
    for (const friendship of [...this.#friendships]) {
      if (friendship.expiresAt <= now) {
        this.#options.counters.add(friendship.established ? "friend.lost" : "friend.offer-void");
        this.#end(friendship);
        continue;
      }
      if (friendship.offerAt <= now) this.#offer(friendship, now);
      if (friendship.answerAt <= now) this.#answer(friendship);
      if (friendship.clearAt <= now) this.#sendClear(friendship, now);
    }
    this.#settle();
  }

  #find(lowPowerNode: number): Friendship | undefined {
    return this.#friendships.find(({ address }) => address === lowPowerNode);
  }

  #onRequest(upper: UpperPdu, now: number): void {
    const request = decodeFriendRequest(upper.payload);
    // §3.6.6.3.1: only who hears the request itself can be a friend.
    if (request === undefined || upper.ttl !== 0 || 2 ** request.minQueueSizeLog > QUEUE_SIZE) {
      this.#options.counters.add("drop.friend-request");
      return;
    }
    const known = this.#find(upper.src);
    if (known !== undefined) this.#end(known);
    if (this.#friendships.length >= LOW_POWER_NODES_MAX) {
      this.#options.counters.add("drop.friend-full");
      return;
    }
    // The better the link and the shorter the window, the sooner the offer comes.
    const delay = FACTORS[request.windowFactor] * RECEIVE_WINDOW - FACTORS[request.rssiFactor] * upper.rssi;
    const offerAt = now + Math.max(OFFER_DELAY, delay);
    this.#friendships.push({
      address: upper.src,
      elements: request.elements,
      subnet: upper.credentials.subnet,
      request,
      friendCounter: this.#counter,
      groups: [],
      queue: [],
      established: false,
      offerAt,
      rssi: upper.rssi,
      fsn: -1,
      sent: false,
      answerAt: NEVER,
      answer: "queue",
      transaction: 0,
      updateDue: true,
      expiresAt: offerAt + OFFER_VALID,
      clearAt: NEVER,
      clearInterval: CLEAR_FIRST_REPEAT,
      clearUntil: 0,
    });
    this.#counter = (this.#counter + 1) & 0xffff;
  }

  #offer(friendship: Friendship, now: number): void {
    const { keys, state, sendControl } = this.#options;
    const { address, subnet, request, friendCounter } = friendship;
    friendship.offerAt = NEVER;
    friendship.expiresAt = now + OFFER_VALID;
    // The credentials must be there before the first poll comes by them.
    keys.addFriendship(subnet, address, address, state.address, request.counter, friendCounter);
    const offer = encodeFriendOffer({
      receiveWindow: RECEIVE_WINDOW,
      queueSize: QUEUE_SIZE,
      subscriptionListSize: SUBSCRIPTIONS_MAX,
      rssi: Math.max(-127, Math.min(127, Math.round(friendship.rssi))),
      counter: friendCounter,
    });
    sendControl(subnet.transmit.credentials, ControlOpcode.FRIEND_OFFER, address, 0, offer);
  }

  /** Polls and subscription lists come by the friendship's own credentials, or they are not genuine. */
  #of(upper: UpperPdu): Friendship | undefined {
    if (upper.credentials.friendshipWith !== upper.src) return undefined;
    return this.#find(upper.src);
  }

  #onPoll(upper: UpperPdu, now: number): void {
    const friendship = this.#of(upper);
    if (friendship === undefined || upper.payload.length !== 1 || upper.payload[0] > 1) {
      this.#options.counters.add("drop.friend-poll");
      return;
    }
    const fsn = upper.payload[0];
    if (!friendship.established) {
      friendship.established = true;
      this.#options.counters.add("friend.established");
      this.#beginClear(friendship, now);
    }
    // §3.6.6.4.2: another FSN says that the answer to the poll before has come.
    if (fsn !== friendship.fsn && friendship.sent) {
      friendship.queue.shift();
      friendship.sent = false;
    }
    friendship.fsn = fsn;
    this.#schedule(friendship, "queue", now);
  }

  #onSubscriptions(upper: UpperPdu, now: number): void {
    const friendship = this.#of(upper);
    const list = decodeSubscriptions(upper.payload);
    if (friendship === undefined || !friendship.established || list === undefined) {
      this.#options.counters.add("drop.friend-subscription");
      return;
    }
    const { groups } = friendship;
    for (const address of list.addresses) {
      const at = groups.indexOf(address);
      if (upper.header === ControlOpcode.SUBSCRIPTION_LIST_REMOVE) {
        if (at >= 0) groups.splice(at, 1);
      } else if (at < 0 && groups.length < SUBSCRIPTIONS_MAX && (isGroup(address) || isVirtual(address))) {
        groups.push(address);
      }
    }
    friendship.transaction = list.transaction;
    this.#schedule(friendship, "confirm", now);
  }

  #schedule(friendship: Friendship, answer: "queue" | "confirm", now: number): void {
    friendship.answer = answer;
    friendship.answerAt = now + friendship.request.receiveDelay;
    friendship.expiresAt = now + friendship.request.pollTimeout * 100;
  }

  #answer(friendship: Friendship): void {
    const { keys, iv, sendControl, forward } = this.#options;
    const { address, queue, subnet } = friendship;
    friendship.answerAt = NEVER;
    const credentials = keys.friendshipCredentials(address);
    if (credentials === undefined) return;
    if (friendship.answer === "confirm") {
      const confirm = Uint8Array.of(friendship.transaction);
      sendControl(credentials, ControlOpcode.SUBSCRIPTION_LIST_CONFIRM, address, 0, confirm);
      return;
    }
    if (queue.length > 0 && !friendship.updateDue) {
      friendship.sent = true;
      forward(credentials, queue[0]);
      return;
    }
    friendship.updateDue = false;
    const update = encodeFriendUpdate({
      keyRefresh: subnet.phase === 2,
      ivUpdate: iv.updating,
      ivIndex: iv.current,
      moreData: queue.length > 0,
    });
    sendControl(credentials, ControlOpcode.FRIEND_UPDATE, address, 0, update);
  }

  /** §3.6.6.3.2: the friend before this one is told that it is not needed any more. */
  #beginClear(friendship: Friendship, now: number): void {
    const { previousAddress, pollTimeout } = friendship.request;
    if (previousAddress === 0 || this.#options.state.isOwn(previousAddress)) return;
    friendship.clearUntil = now + 2 * pollTimeout * 100;
    this.#sendClear(friendship, now);
  }

  #sendClear(friendship: Friendship, now: number): void {
    const { state, sendControl } = this.#options;
    const { subnet, request, address } = friendship;
    const parameters = encodeFriendClear(address, request.counter);
    const { credentials } = subnet.transmit;
    sendControl(
      credentials,
      ControlOpcode.FRIEND_CLEAR,
      request.previousAddress,
      state.defaultTtl,
      parameters,
    );
    const next = now + friendship.clearInterval;
    friendship.clearInterval *= 2;
    friendship.clearAt = next < friendship.clearUntil ? next : NEVER;
  }

  #onClear(upper: UpperPdu): void {
    const clear = decodeFriendClear(upper.payload);
    const friendship = clear === undefined ? undefined : this.#find(clear.lowPowerNode);
    if (clear === undefined || friendship === undefined) return;
    // §3.6.6.3.2: the counter of a later request of the same node, or of the one that made this friendship.
    const later = (clear.counter - friendship.request.counter) & 0xffff;
    if (later > 255) return;
    this.#options.counters.add("friend.cleared");
    const { subnet } = friendship;
    this.#end(friendship);
    const ttl = upper.ttl === 0 ? 0 : this.#options.state.defaultTtl;
    this.#options.sendControl(
      subnet.transmit.credentials,
      ControlOpcode.FRIEND_CLEAR_CONFIRM,
      upper.src,
      ttl,
      encodeFriendClear(clear.lowPowerNode, clear.counter),
    );
  }

  #onClearConfirm(upper: UpperPdu): void {
    const clear = decodeFriendClear(upper.payload);
    const friendship = clear === undefined ? undefined : this.#find(clear.lowPowerNode);
    if (friendship !== undefined && friendship.request.previousAddress === upper.src)
      friendship.clearAt = NEVER;
  }

  #end(friendship: Friendship): void {
    this.#friendships.splice(this.#friendships.indexOf(friendship), 1);
    this.#options.keys.removeFriendship(friendship.address);
  }

  #settle(): void {
    let deadline = NEVER;
    for (const { offerAt, answerAt, expiresAt, clearAt } of this.#friendships) {
      deadline = Math.min(deadline, offerAt, answerAt, expiresAt, clearAt);
    }
    this.deadline = deadline;
  }
}
