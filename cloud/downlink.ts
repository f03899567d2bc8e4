import { Refusal } from "../firmware/bytes/refusal.js";
import type { CoapMessage } from "../firmware/coap/message.js";
import type { Content, RequestHandle, RequestHandler } from "../firmware/coap/message-layer.js";
import { OptionNumber } from "../firmware/coap/numbers.js";
import { insertOption, stringOption } from "../firmware/coap/options.js";
import type { Device } from "./device.js";
import { meshAddressText } from "./model.js";

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

export type DeliveryState =
  /** for the node to be heard, or for the requests before it */
  | "waiting"
  /** on its way */
  | "sent"
  | "answered"
  | "failed";

/** A request to a node, from its submission to its answer. */
export interface Delivery {
  readonly id: string;
  readonly device: Device;
  /** What it is, for people: "GET /t". */
  readonly label: string;
  /** ms since 1970 */
  readonly created: number;
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly answer: CoapMessage | undefined;
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
  readonly makeId: () => string;
  readonly clock: () => number;
  readonly wallTime: () => number;
}

/** A node that has just sent listens for so long. */
const LISTENING_MS = 10_000;
/** Then a request that was never answered, or never sent, is given up. */
const LIFETIME_MS = 24 * 3_600_000;
/** Times that a request is sent which may be carried out more than once. */
const ATTEMPTS = 3;
const PER_DEVICE = 16;
const TOTAL = 2000;
/** An answer is kept for so long for whoever asks for it. */
const KEPT_MS = 600_000;

class Task implements Delivery {
  readonly id: string;
  readonly device: Device;
  readonly label: string;
  readonly created: number;
  readonly make: () => Attempt | Refusal;
  readonly repeatable: boolean;
  /** Of the clock: when it is given up, then when it is forgotten. */
  until: number;
  state: DeliveryState = "waiting";
  attempts = 0;
  answer: CoapMessage | undefined;
  failure: string | undefined;
  readonly settled: Promise<void>;
  #settle: () => void = () => {};

  constructor(
    id: string,
    device: Device,
    label: string,
    make: () => Attempt | Refusal,
    repeatable: boolean,
    created: number,
    until: number,
  ) {
    this.id = id;
    this.device = device;
    this.label = label;
    this.make = make;
    this.repeatable = repeatable;
    this.created = created;
    this.until = until;
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  end(now: number, answer: CoapMessage | undefined, failure: string | undefined): void {
    this.state = answer === undefined ? "failed" : "answered";
    this.answer = answer;
    this.failure = failure;
    this.until = now + KEPT_MS;
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

  constructor(options: DownlinksOptions) {
    this.#options = options;
  }

  /**
   * @param make called for each attempt, because no Partial IV may be used twice; a refusal ends it
   * @param repeatable whether the node may carry it out more than once
   * @returns why it was not taken: the device has no mesh address, or too much waits already
   */
  submit(
    device: Device,
    label: string,
    make: () => Attempt | Refusal,
    repeatable: boolean,
  ): Delivery | Refusal<"no-mesh-address" | "too-many-requests"> {
    if (device.record.meshAddress === undefined) return new Refusal("no-mesh-address");
    const queue = this.#queues.get(device) ?? [];
    if (queue.length >= PER_DEVICE || this.#tasks.size >= TOTAL) return new Refusal("too-many-requests");
    const { clock, wallTime, makeId } = this.#options;
    const now = clock();
    const task = new Task(makeId(), device, label, make, repeatable, wallTime(), now + LIFETIME_MS);
    this.#tasks.set(task.id, task);
    this.#deadline = Math.min(this.#deadline, task.until);
    queue.push(task);
    this.#queues.set(device, queue);
    this.#next(device, now);
    return task;
  }

  find(id: string): Delivery | undefined {
    return this.#tasks.get(id);
  }

  /** An authentic message of a device came: it listens now. */
  heard(device: Device, now: number): void {
    if (this.#queues.size > 0 && this.#queues.has(device)) this.#next(device, now);
  }

  /** A device is no longer registered. */
  forget(device: Device): void {
    for (const task of this.#queues.get(device) ?? []) {
      task.end(this.#options.clock(), undefined, "the node was removed");
      this.#deadline = Math.min(this.#deadline, task.until);
    }
    this.#queues.delete(device);
  }

  /** Not later than when something expires. */
  get deadline(): number {
    return this.#deadline;
  }

  tick(now: number): void {
    this.#deadline = Number.POSITIVE_INFINITY;
    for (const task of this.#tasks.values()) {
      if (task.until <= now) {
        if (task.state === "answered" || task.state === "failed") this.#tasks.delete(task.id);
        else this.#end(task, now, undefined, "the node was not heard in time");
      }
      if (this.#tasks.has(task.id)) this.#deadline = Math.min(this.#deadline, task.until);
    }
  }

  /** Sends what is first in a device's queue, if the device listens. */
  #next(device: Device, now: number): void {
    const task = this.#queues.get(device)?.[0];
    const { reachable } = device;
    if (task === undefined || task.state !== "waiting") return;
    if (reachable === undefined || now - reachable.at > LISTENING_MS) return;
    const attempt = task.make();
    if (attempt instanceof Refusal) this.#end(task, now, undefined, `${attempt}`);
    else this.#send(task, attempt, reachable.source, now);
  }

  #send(task: Task, attempt: Attempt, endpoint: string, now: number): void {
    const { outer } = attempt;
    const options = outer.options.slice();
    const host = `${meshAddressText(task.device.record.meshAddress ?? 0)}.mesh`;
    insertOption(options, stringOption(OptionNumber.URI_HOST, host));
    task.state = "sent";
    task.attempts++;
    const handle = this.#options.request(
      endpoint,
      { ...outer, options },
      {
        onResponse: (response, at) => {
          const answer = attempt.take(response);
          if (answer instanceof Refusal) return "ignore";
          if (!("outer" in answer)) this.#end(task, at, copyOf(answer), undefined);
          else if (task.attempts < ATTEMPTS) this.#send(task, answer, endpoint, at);
          else this.#end(task, at, undefined, "the node asks again and again");
          return "done";
        },
        onFailure: (failure, at) => {
          if (task.state !== "sent") return;
          if (task.repeatable && task.attempts < ATTEMPTS) task.state = "waiting";
          else this.#end(task, at, undefined, failure);
        },
      },
      now,
    );
    if (handle instanceof Refusal) this.#end(task, now, undefined, handle.reason);
  }

  #end(task: Task, now: number, answer: CoapMessage | undefined, failure: string | undefined): void {
    if (task.state === "answered" || task.state === "failed") return;
    task.end(now, answer, failure);
    this.#deadline = Math.min(this.#deadline, task.until);
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
