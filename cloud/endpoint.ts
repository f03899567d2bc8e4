import { Refusal } from "../firmware/bytes/refusal.js";
import { encodeMessage } from "../firmware/coap/codec.js";
import { type Content, type Exchange, MessageLayer } from "../firmware/coap/message-layer.js";
import { isUnwanted } from "../firmware/coap/no-response.js";
import { Code } from "../firmware/coap/numbers.js";
import { protectResponse } from "../firmware/oscore/protect.js";
import type { Change } from "../firmware/oscore/store.js";
import { requestOptionOf } from "../firmware/oscore/unprotect.js";
import type { Health } from "../firmware/reading/reading.js";
import type { Crypto } from "../hal/hal.js";
import { CommitQueue, exchangesOf, type Pending } from "./commit-queue.js";
import type { DeviceContext } from "./context.js";
import type { Device } from "./device.js";
import { type Delivery, Downlinks } from "./downlink.js";
import { ErrorLimits } from "./error-limits.js";
import type { EventLog, Happening } from "./events.js";
import { type Admitted, type Denied, Gatekeeper, plainError, replayed } from "./gatekeeper.js";
import { GatewaySources } from "./gateway-sources.js";
import { healthEvents, healthFigures, healthText, mergeHealth } from "./health.js";
import type { Live } from "./live.js";
import type { Metrics } from "./metrics.js";
import { type EventRecord, eventJson, type ReadingRecord, readingJson, type Severity } from "./model.js";
import { recordsOf } from "./reading-records.js";
import { denialEvent, malformedEvent, ObservedCounters } from "./refusals.js";
import type { Registry } from "./registry.js";
import { understand } from "./report.js";
import { requestJson } from "./request-json.js";
import type { Store, Takeover } from "./store/store.js";
import { keysRenewedEvent, settingsChangedEvent, storeFailedEvent } from "./system-events.js";
import { UnknownSenders } from "./unknown.js";

/** What the server keeps of readings: what they say, the OSCORE message as received, or both (DESIGN §4.10). */
export const STORAGE_MODES = ["plaintext", "sealed", "both"] as const;
export type StorageMode = (typeof STORAGE_MODES)[number];

export interface EndpointOptions {
  readonly registry: Registry;
  readonly store: Store;
  readonly events: EventLog;
  readonly live: Live;
  readonly metrics: Metrics;
  readonly crypto: Crypto;
  /** `destination` is the source string that {@link CloudEndpoint.handle} got; the bytes are the receiver's to keep. */
  readonly send: (datagram: Uint8Array, destination: string) => void;
  readonly storage: StorageMode;
  /** ms since 1970 */
  readonly wallTime: () => number;
  /** For the histogram of commits only. */
  readonly stopwatch: () => number;
  /** ms, of the clock of `handle` and `tick`, for what begins outside of them. Default: the time of the last of these. */
  readonly clock?: (() => number) | undefined;
  readonly makeId: () => string;
}

/** Requests that may wait for a commit; beyond, the answer is "later". */
const MAXIMUM_PENDING = 8192;
/** Seconds after which an overloaded or failing store is worth another try. */
const TRY_AGAIN = 30;

/**
 * For requests to nodes: the way is long (RFC 7252 §4.8.1), and behind one gateway are many of them, which have nothing
 * to do with each other.
 */
const LONG_WAY = { ackTimeout: 6000, maxRetransmit: 3, nstart: 8 };
const NO_READINGS: readonly ReadingRecord[] = [];
/**
 * The server's CoAP and OSCORE endpoint (DESIGN §3). Sans-IO: datagrams come in through `handle`, leave through `send`.
 *
 * What it acknowledges is on the disk: a request is checked and decrypted at once, but its reading, the replay window
 * and the answer wait for the commit that all requests of one turn share (DESIGN §4.9).
 */
export class CloudEndpoint {
  /** Requests to nodes. */
  readonly downlinks: Downlinks;
  readonly unknown = new UnknownSenders();
  /** Attempts refused since the start, here and at the gateways. */
  refused = 0;
  readonly #options: EndpointOptions;
  readonly #layer: MessageLayer;
  readonly #gatekeeper: Gatekeeper;
  readonly #queue: CommitQueue;
  /** Devices whose description changed by something else than a reading. */
  readonly #changed = new Set<Device>();
  readonly #gateways = new GatewaySources();
  readonly #errors = new ErrorLimits();
  /** Of the datagram in hand. */
  #source = "";
  #length = 0;
  #now = 0;
  #trouble: string | undefined;
  /** Called when the deadline has moved outside of `handle` and `tick`. */
  onWake: () => void = () => {};

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.#gatekeeper = new Gatekeeper(options.registry, options.crypto);
    const { store, events, metrics, stopwatch } = options;
    this.#queue = new CommitQueue(store, events, metrics, stopwatch, {
      stored: (pending) => this.#stored(pending),
      again: (pending) => {
        metrics.requests.add("duplicate");
        for (const exchange of exchangesOf(pending)) {
          this.#answer(exchange, pending.context.latestAnswer, this.#now);
        }
      },
      taken: (pending) => this.#taken(pending),
      undone: (pending) => this.#undone(pending),
      revoked: ({ device, context }, former) => {
        if (device.context === context) options.registry.replace(device, former);
      },
      replaced: (device) => options.registry.refresh(device.record.id),
      committed: (happened) => this.#committed(happened),
      failed: (error) => this.#failed(error),
    });
    this.downlinks = new Downlinks({
      request: (endpoint, content, handler, now) => {
        const handle = this.#layer.request(endpoint, content, handler, now);
        this.onWake();
        return handle;
      },
      cancel: (handle, now) => this.#layer.cancel(handle, now),
      makeId: options.makeId,
      clock: () => options.clock?.() ?? this.#now,
      wallTime: options.wallTime,
      onChanged: (delivery) => this.#asked(delivery),
    });
    this.#layer = new MessageLayer({
      send: (endpoint, bytes) => {
        options.metrics.datagrams.add("out");
        options.send(bytes, endpoint);
      },
      random: (length) => options.crypto.random(length),
      onRequest: (exchange, now) => this.#request(exchange, now),
      transmission: LONG_WAY,
      limits: { peers: 65_536, remembered: 65_536, pending: 2 * MAXIMUM_PENDING },
      counters: new ObservedCounters((reason, by) => this.#dropped(reason, by)),
    });
  }

  /** Where a gateway's last report came from, as known from before a restart. */
  recall(gateway: Device, source: string): void {
    this.#gateways.note(gateway, source);
  }

  /** Forgets a device that is no longer registered. */
  forget(device: Device): void {
    this.#gateways.forget(device);
    this.downlinks.forget(device);
    this.#queue.forget(device);
    this.#changed.delete(device);
  }

  /** Notes an event of the system itself. */
  note(reason: string, detail: string, severity: Severity): void {
    this.#happened({ kind: "system", severity, reason, detail, distinct: detail });
    this.onWake();
  }

  /** Why nothing can be accepted now; `undefined` when all is well. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** What is remembered of what came by: all of it bounded, by limits or by lifetimes. */
  get tables(): { readonly peers: number; readonly remembered: number; readonly unanswered: number } {
    const { peers, remembered, pending } = this.#layer;
    return { peers, remembered, unanswered: pending };
  }

  /**
   * Takes a datagram. Whatever its bytes are, it is answered, or dropped and counted.
   * @param datagram is the endpoint's to keep: parts of it are remembered
   * @param source "host:port"
   */
  handle(datagram: Uint8Array, source: string, now: number): void {
    this.#now = now;
    this.#source = source;
    this.#length = datagram.length;
    this.#options.metrics.datagrams.add("in");
    this.#layer.receive(source, datagram, now);
  }

  /** When {@link tick} wants to be called; in the past or now when something waits for its commit. */
  get deadline(): number {
    return Math.min(this.#layer.deadline, this.downlinks.deadline, this.#queue.deadline);
  }

  /** Commits what waits, answers, sends what is due. */
  tick(now: number): void {
    this.#now = now;
    if (this.#layer.deadline <= now) this.#layer.tick(now);
    if (this.downlinks.deadline <= now) this.downlinks.tick(now);
    if (this.#queue.deadline <= now) this.flush();
  }

  /** Commits what waits, now; what comes while a commit is under way is committed behind it. */
  flush(): void {
    this.#queue.flush(this.#present);
  }

  /** Commits what waits now. Resolves when that has come to its end, well or not. */
  settle(): Promise<void> {
    return this.#queue.settle(this.#present);
  }

  /** A commit may end outside of `handle` and `tick`. */
  readonly #present = (): number => {
    this.#now = Math.max(this.#now, this.#options.clock?.() ?? 0);
    return this.#now;
  };

  // ── A request comes in ──────────────────────────────────────────────────────────────────────────────────────────

  #request(exchange: Exchange, now: number): void {
    const admission = this.#gatekeeper.admit(exchange.request, now);
    if (admission.kind === "denied") this.#deny(exchange, admission, now);
    else if (admission.kind === "again") this.#again(exchange, admission.context, now);
    else if (admission.kind === "challenged") {
      this.#options.metrics.requests.add("challenged");
      this.#layer.respond(exchange, admission.answer, now);
    } else if (this.#queue.length < MAXIMUM_PENDING) this.#accept(exchange, admission);
    else {
      this.#options.metrics.requests.add("overload");
      this.#layer.respond(exchange, plainError(Code.SERVICE_UNAVAILABLE, TRY_AGAIN), now);
    }
  }

  #again(exchange: Exchange, context: DeviceContext, now: number): void {
    this.#options.metrics.requests.add("duplicate");
    const pending = context.waiting;
    if (pending !== undefined) {
      pending.copies ??= [];
      pending.copies.push(exchange);
      return;
    }
    this.#answer(exchange, context.latestAnswer, now);
  }

  #answer(exchange: Exchange, answer: Content | undefined, now: number): void {
    if (answer === undefined) this.#layer.ignore(exchange, now);
    else this.#layer.respond(exchange, answer, now);
  }

  #accept(exchange: Exchange, { device, request, change }: Admitted): void {
    const { metrics, wallTime, storage, registry } = this.#options;
    const { message, partialIv } = request;
    const received = wallTime();
    const { content, report, refusal } = understand(message, partialIv);
    if (refusal !== undefined) metrics.drop("report", refusal);
    const protectedAnswer = protectResponse(request.exchange, content);
    const answer = isUnwanted(message, content.code) ? undefined : protectedAnswer;
    const { context, takeover } = this.#contextFor(change);
    const gateway = device.record.kind === "gateway" ? undefined : this.#gateways.at(exchange.endpoint);
    const live =
      report?.kind === "readings"
        ? recordsOf(report.readings, device, partialIv, received, gateway, registry.hops(device))
        : NO_READINGS;
    const sealed = storage !== "plaintext" && live.length > 0 ? encodeMessage(exchange.request) : undefined;
    context.accept(change, exchange.request, answer);
    const pending: Pending = {
      context,
      change,
      takeover,
      partialIv,
      received,
      readings: storage === "sealed" ? NO_READINGS : live,
      sealed,
      device,
      former: takeover === undefined ? undefined : change.context,
      answer,
      exchange,
      copies: undefined,
      live,
      gateway: gateway?.record.id,
    };
    if (report?.kind === "health") this.#takeHealth(device, report.health, exchange.endpoint, received);
    this.#queue.add(pending, this.#now);
  }

  /** The context that a request counts under: the one it came with, or the one that it puts into its place. */
  #contextFor(change: Change<DeviceContext>): { context: DeviceContext; takeover: Takeover | undefined } {
    if (change.kind !== "replace") return { context: change.context, takeover: undefined };
    const renewed = this.#options.registry.takeOver(change);
    this.#happened(keysRenewedEvent(change.context.device.record.name));
    return renewed;
  }

  #takeHealth(device: Device, report: Health, source: string, received: number): void {
    const { record } = device;
    const isGateway = record.kind === "gateway";
    if (isGateway) this.#gateways.note(device, source);
    const merged = mergeHealth(device.health, report, received);
    device.health = merged.state;
    this.#queue.setHealth(device, {
      node: record.id,
      time: received,
      source,
      body: healthText(merged.state),
      ...(isGateway && { figures: healthFigures(merged.state) }),
    });
    this.#changed.add(device);
    for (const happening of healthEvents(
      merged,
      isGateway ? { gateway: record.name } : { node: record.name },
    )) {
      this.#happened(happening);
    }
  }

  /** A request to a node is new, or has another state. */
  #asked(delivery: Delivery): void {
    const { live, metrics, registry } = this.#options;
    const { device, state, result } = delivery;
    if (delivery.ended !== undefined) metrics.downlinks.add(state);
    if (live.wanted("request")) live.emit("request", requestJson(delivery));
    if (result === undefined || !("settings" in result)) return;
    device.settings = { ...result.settings, time: delivery.ended ?? 0 };
    // Not followed slowly: who measures more rarely from now on is not silent.
    device.interval = result.settings.interval * 1000;
    live.emit("node", registry.info(device));
    if (!delivery.label.startsWith("PUT")) return;
    this.#happened(settingsChangedEvent(device.record.name, result.settings));
    this.onWake();
  }

  // ── What is not accepted ────────────────────────────────────────────────────────────────────────────────────────

  #deny(exchange: Exchange, denied: Denied, now: number): void {
    const { device, layer, reason, answer } = denied;
    this.#options.metrics.drop(layer, reason);
    if (device !== undefined) {
      device.refuse(this.#options.wallTime());
      this.#changed.add(device);
    }
    const { endpoint } = exchange;
    const gateway = this.#through(endpoint);
    if (reason === "oscore-context") {
      const option = requestOptionOf(exchange.request);
      if (option !== undefined && !(option instanceof Refusal)) {
        this.unknown.add(option.kid, gateway, this.#options.wallTime());
      }
    }
    this.#happened(denialEvent(denied, endpoint, gateway));
    const error = this.#errors.limit(answer, endpoint, this.#length, now);
    if (error !== undefined) this.#layer.respond(exchange, error, now);
    else {
      this.#options.metrics.drop("coap", "error-limit");
      // A reset of four bytes always goes.
      this.#layer.reject(exchange, now);
    }
  }

  /** The message layer did not take something. */
  #dropped(reason: string, by: number): void {
    if (reason === "coap-ping") return;
    this.#options.metrics.drop("coap", reason, by);
    const happening = malformedEvent(reason, this.#source, this.#through(this.#source));
    if (happening !== undefined) this.#happened(happening);
  }

  /** Name of the gateway that speaks from there. */
  #through(source: string): string | undefined {
    return this.#gateways.at(source)?.record.name;
  }

  #happened(happening: Happening): void {
    this.#options.metrics.events.add(happening.reason, happening.count);
    if (happening.kind === "security") this.refused += happening.count ?? 1;
    this.#options.events.add(happening, this.#options.wallTime(), this.#now);
  }

  // ── Behind the commit ───────────────────────────────────────────────────────────────────────────────────────────

  #committed(events: readonly EventRecord[]): void {
    const { live, registry } = this.#options;
    this.#trouble = undefined;
    for (const event of events) live.emit("event", eventJson(event));
    for (const device of this.#changed) live.emit("node", registry.info(device));
    this.#changed.clear();
    this.onWake();
  }

  #stored({ device, received, answer, exchange, copies, live: readings, gateway }: Pending): void {
    const { metrics, live, registry, storage } = this.#options;
    metrics.requests.add("stored");
    device.heard(received);
    device.reachable = { source: exchange.endpoint, at: this.#now };
    if (gateway !== undefined) device.gateway = gateway;
    this.#answer(exchange, answer, this.#now);
    if (copies !== undefined) for (const copy of copies) this.#answer(copy, answer, this.#now);
    for (const reading of readings) {
      // Where nothing readable is stored, nobody can tell whether it was there before.
      if (reading.id === 0 && storage !== "sealed") {
        metrics.readings.add("duplicate");
        continue;
      }
      const isCorrected = reading.id < 0;
      reading.id = Math.abs(reading.id);
      metrics.readings.add(isCorrected ? "corrected" : "stored");
      const { last } = device;
      if (last === undefined || reading.time >= last.time || reading.id === last.id) device.last = reading;
      if (!live.wanted("reading")) continue;
      const json = readingJson(reading, registry.nameOf);
      live.emit("reading", isCorrected ? { ...json, corrected: true } : json);
    }
    this.downlinks.heard(device, this.#now);
  }

  #taken(pending: Pending): void {
    const denied = replayed(pending.device, pending.partialIv, "replay");
    for (const exchange of exchangesOf(pending)) this.#deny(exchange, denied, this.#now);
  }

  #undone(pending: Pending): void {
    for (const exchange of exchangesOf(pending)) {
      this.#layer.respond(exchange, plainError(Code.SERVICE_UNAVAILABLE, TRY_AGAIN), this.#now);
    }
  }

  #failed(error: Error): void {
    this.#trouble = `the store does not take anything: ${error.message}`;
    this.#happened(storeFailedEvent(this.#trouble));
    this.onWake();
  }
}
