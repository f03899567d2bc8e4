import { Refusal } from "../firmware/bytes/refusal.js";
import type { CoapMessage } from "../firmware/coap/message.js";
import type { Content, RequestHandle, RequestHandler } from "../firmware/coap/message-layer.js";
import { OptionNumber } from "../firmware/coap/numbers.js";
import { insertOption, stringOption } from "../firmware/coap/options.js";
import type { Device } from "./device.js";
import { meshAddressText, type NodeResult, type RequestState } from "./model.js";

/** One way of putting a request to a node: what goes out, and what an answer to it is worth. */
export interface Attempt {
  /** The outer message, without Uri-Host. */
  readonly outer: Content;
  /**
   * @returns the answer; a refusal for one that proves nothing (the wait goes on); another attempt where the node asks
   * for one
   */
  take(answer: CoapMessage): CoapMessage | Refusal | Attempt;
}

/** What is asked of a node. */
export interface NodeRequest {
  /** What it is, for people: "GET /t". */
  readonly label: string;
  /** Called for each attempt, because no Partial IV may be used twice; a refusal ends it. */
  readonly make: () => Attempt | Refusal;
  /** Whether the node may carry it out more than once. */
  readonly repeatable: boolean;
  /** What an answer says, as JSON; `undefined` for one that says nothing. Default: never anything. */
  readonly read?: ((answer: CoapMessage) => NodeResult | undefined) | undefined;
}

/** A request to a node, from its submission to its answer. */
export interface Delivery {
  readonly id: string;
  readonly device: Device;
  readonly label: string;
  /** ms since 1970 */
  readonly created: number;
  readonly state: RequestState;
  readonly attempts: number;
  /** ms since 1970: when it was answered or had failed */
  readonly ended: number | undefined;
  readonly answer: CoapMessage | undefined;
  /** As {@link NodeRequest.read} gave it. */
  readonly result: NodeResult | undefined;
  /** Why it failed. */
  readonly failure: string | undefined;
  /** Resolves when it is answered or has failed. */
  readonly settled: Promise<void>;
}

export interface DownlinksOptions {
  /** As MessageLayer.request. */
  readonly request: (
    endpoint: string,
    content: Content,
    handler: RequestHandler,
    now: number,
  ) => RequestHandle | Refusal;
  /** As MessageLayer.cancel. */
  readonly cancel: (handle: RequestHandle, now: number) => void;
  readonly makeId: () => string;
  readonly clock: () => number;
  readonly wallTime: () => number;
  /** Told of each new request and of each new state of one. */
  readonly onChanged: (delivery: Delivery) => void;
}

/** A node that has just sent listens for so long. */
const LISTENING_MS = 10_000;
/** Then a request that was never answered, or never sent, is given up. */
const LIFETIME_MS = 24 * 3_600_000;
/** Times that a request is tried which may be carried out more than once, each time when the node was heard. */
const TRIES = 6;
/** Times that it is sent once more because the node wants to see that it is fresh. */
const PROOFS = 4;
const PER_DEVICE = 16;
const TOTAL = 2000;
/** An answer is kept for so long for whoever asks for it. */
const KEPT_MS = 600_000;
/** Until sequence numbers that are on their way from the database will have come. */
const NUMBERS_MS = 500;

class Task implements Delivery {
  readonly id: string;
  readonly device: Device;
  readonly request: NodeRequest;
  readonly created: number;
  /** Of the clock: when it is given up, then when it is forgotten. */
  until: number;
  state: RequestState = "waiting";
  attempts = 0;
  tries = 0;
  proofs = 0;
  /** When and as what it last left, of the clock. */
  sentAt = 0;
  handle: RequestHandle | undefined;
  ended: number | undefined;
  answer: CoapMessage | undefined;
  result: NodeResult | undefined;
  failure: string | undefined;
  readonly settled: Promise<void>;
  readonly #settle: () => void;

  constructor(id: string, device: Device, request: NodeRequest, created: number, until: number) {
    this.id = id;
    this.device = device;
    this.request = request;
    this.created = created;
    this.until = until;
    let settle = (): void => {};
    this.settled = new Promise((resolve) => {
      settle = resolve;
    });
    this.#settle = settle;
  }

  get label(): string {
    return this.request.label;
  }

  get isOver(): boolean {
    return this.ended !== undefined;
  }

  end(ended: number, until: number, answer: CoapMessage | undefined, failure: string | undefined): void {
    this.state = answer === undefined ? "failed" : "answered";
    this.ended = ended;
    this.answer = answer;
    this.result = answer && this.request.read?.(answer);
    this.failure = failure;
    this.until = until;
    this.#settle();
  }
}

/**
 * Requests to nodes. A node on a battery listens only after it has sent: its requests wait for that, one at a time, and
 * leave through the gateway that it was last heard through, with the node named in the outer Uri-Host (DESIGN §4.7).
 */
export class Downlinks {
  readonly #options: DownlinksOptions;
  readonly #tasks = new Map<string, Task>();
  #deadline = Number.POSITIVE_INFINITY;
  readonly #queues = new Map<Device, Task[]>();
  /** Devices for whose requests there was no sequence number at hand. */
  readonly #unnumbered = new Set<Device>();

  constructor(options: DownlinksOptions) {
    this.#options = options;
  }

  /** @returns why it was not taken: the device has no mesh address, or too much waits already */
  submit(device: Device, request: NodeRequest): Delivery | Refusal<"no-mesh-address" | "too-many-requests"> {
    if (device.record.meshAddress === undefined) return new Refusal("no-mesh-address");
    const queue = this.#queues.get(device) ?? [];
    if (queue.length >= PER_DEVICE || this.#tasks.size >= TOTAL) return new Refusal("too-many-requests");
    const { clock, wallTime, makeId, onChanged } = this.#options;
    const now = clock();
    const task = new Task(makeId(), device, request, wallTime(), now + LIFETIME_MS);
    this.#tasks.set(task.id, task);
    this.#deadline = Math.min(this.#deadline, task.until);
    queue.push(task);
    this.#queues.set(device, queue);
    onChanged(task);
    this.#next(device, now);
    return task;
  }

  find(id: string): Delivery | undefined {
    return this.#tasks.get(id);
  }

  /** A device's requests: those under way, and those that ended lately. In the order of their submission. */
  of(device: Device): Delivery[] {
    return [...this.#tasks.values()].filter((task) => task.device === device);
  }

  /** Takes a request back that has not left yet. @returns false when it has, or has ended */
  cancel(id: string): boolean {
    const task = this.#tasks.get(id);
    if (task?.state !== "waiting") return false;
    this.#end(task, this.#options.clock(), undefined, "taken back");
    return true;
  }

  /** An authentic message of a device came: it listens now. */
  heard(device: Device, now: number): void {
    const task = this.#queues.size > 0 ? this.#queues.get(device)?.[0] : undefined;
    if (task === undefined) return;
    const isUnheard = task.state === "sent" && now - task.sentAt > LISTENING_MS;
    if (isUnheard && task.request.repeatable && task.tries < TRIES) {
      // It slept, or has moved to another gateway: its copies will hardly meet it, and now it listens.
      if (task.handle !== undefined) this.#options.cancel(task.handle, now);
      task.state = "waiting";
    }
    this.#next(device, now);
  }

  /** A device is no longer registered. */
  forget(device: Device): void {
    const queue = this.#queues.get(device) ?? [];
    this.#queues.delete(device);
    for (const task of queue) this.#end(task, this.#options.clock(), undefined, "the node was removed");
  }

  /** Not later than when something expires. */
  get deadline(): number {
    return this.#deadline;
  }

  tick(now: number): void {
    this.#deadline = Number.POSITIVE_INFINITY;
    for (const task of this.#tasks.values()) {
      if (task.until <= now) {
        if (task.isOver) this.#tasks.delete(task.id);
        else this.#end(task, now, undefined, "the node was not heard in time");
      }
      if (this.#tasks.has(task.id)) this.#deadline = Math.min(this.#deadline, task.until);
    }
    const unnumbered = [...this.#unnumbered];
    this.#unnumbered.clear();
    for (const device of unnumbered) this.#next(device, now);
  }

  /** Sends what is first in a device's queue, if the device listens. */
  #next(device: Device, now: number): void {
    const task = this.#queues.get(device)?.[0];
    const { reachable } = device;
    if (task === undefined || task.state !== "waiting") return;
    if (reachable === undefined || now - reachable.at > LISTENING_MS) return;
    const attempt = task.request.make();
    if (!(attempt instanceof Refusal)) {
      task.tries++;
      this.#send(task, attempt, reachable.source, now);
    } else if (attempt.reason === "sequence-busy") this.#await(device, now);
    else this.#end(task, now, undefined, `${attempt}`);
  }

  /** Where several servers share a store, numbers may be on their way from it. */
  #await(device: Device, now: number): void {
    this.#unnumbered.add(device);
    this.#deadline = Math.min(this.#deadline, now + NUMBERS_MS);
  }

  #send(task: Task, attempt: Attempt, endpoint: string, now: number): void {
    const { outer } = attempt;
    const options = outer.options.slice();
    const host = `${meshAddressText(task.device.record.meshAddress ?? 0)}.mesh`;
    insertOption(options, stringOption(OptionNumber.URI_HOST, host));
    task.state = "sent";
    task.attempts++;
    task.sentAt = now;
    this.#options.onChanged(task);
    const handle = this.#options.request(
      endpoint,
      { ...outer, options },
      {
        onResponse: (response, at) => {
          // The node was removed meanwhile.
          if (task.isOver) return "done";
          const answer = attempt.take(response);
          if (answer instanceof Refusal) return "ignore";
          // It listens, and goes on listening: there may be more for it.
          task.device.reachable = { source: endpoint, at };
          if (!("outer" in answer)) this.#end(task, at, copyOf(answer), undefined);
          else if (task.proofs++ < PROOFS) this.#send(task, answer, endpoint, at);
          else this.#end(task, at, undefined, "the node asks again and again");
          return "done";
        },
        onFailure: (failure, at) => {
          if (task.state !== "sent") return;
          if (task.request.repeatable && task.tries < TRIES) {
            task.state = "waiting";
            this.#options.onChanged(task);
          } else this.#end(task, at, undefined, failure);
        },
      },
      now,
    );
    if (handle instanceof Refusal) this.#end(task, now, undefined, handle.reason);
    else task.handle = handle;
  }

  #end(task: Task, now: number, answer: CoapMessage | undefined, failure: string | undefined): void {
    if (task.isOver) return;
    task.end(this.#options.wallTime(), now + KEPT_MS, answer, failure);
    this.#deadline = Math.min(this.#deadline, task.until);
    this.#options.onChanged(task);
    const { device } = task;
    const queue = this.#queues.get(device) ?? [];
    const at = queue.indexOf(task);
    if (at >= 0) queue.splice(at, 1);
    if (queue.length === 0) this.#queues.delete(device);
    else this.#next(device, now);
  }
}

/** The bytes of a message live as long as its datagram; an answer is kept longer. */
function copyOf(message: CoapMessage): CoapMessage {
  return {
    ...message,
    token: message.token.slice(),
    options: message.options.map(({ number, value }) => ({ number, value: value.slice() })),
    payload: message.payload.slice(),
  };
}
