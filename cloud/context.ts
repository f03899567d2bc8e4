import { concat, equal } from "../firmware/bytes/compare.js";
import { Refusal } from "../firmware/bytes/refusal.js";
import type { CoapMessage } from "../firmware/coap/message.js";
import type { Content } from "../firmware/coap/message-layer.js";
import { OptionNumber } from "../firmware/coap/numbers.js";
import { type ContextParameters, deriveContext, type SecurityContext } from "../firmware/oscore/context.js";
import { ReplayWindow } from "../firmware/oscore/replay.js";
import { SequenceNumbers, type SequenceRefusal } from "../firmware/oscore/sequence.js";
import type { Change, ServerContext } from "../firmware/oscore/store.js";
import type { Crypto } from "../hal/hal.js";
import { decodeAnswer, encodeAnswer } from "./answer.js";
import type { Pending } from "./commit-queue.js";
import type { Device } from "./device.js";
import type { ContextRef, ContextState, ReplayRecord } from "./store/store.js";

/** Numbers below the highest that are told apart, whatever the policy: so that the feed can say "again" or "late". */
const HISTORY = 64;
const NO_BYTES = new Uint8Array(0);

/** What all contexts share. */
export interface ContextHost {
  readonly crypto: Crypto;
  /** As `Store.reserve`. */
  readonly reserve: (context: ContextRef, count: number) => number | "lost" | "later";
}

/** The newest accepted request, kept to recognise a copy of it, and what went out for it. */
interface Latest {
  /** The OSCORE option's value. */
  readonly option: Uint8Array;
  readonly payload: Uint8Array;
  /** `undefined`: it wanted none. */
  readonly answer: Content | undefined;
}

/**
 * One node's OSCORE context on the server's side. The replay state is always in memory, the keys are derived when the
 * node first speaks: ten thousand silent nodes cost little.
 */
export class DeviceContext implements ServerContext, ContextState {
  /** 0 until the store has it. */
  id: number;
  version = 0;
  /** The commit queue's: the newest request that waits, or is being committed. */
  waiting: Pending | undefined;
  readonly device: Device;
  readonly parameters: ContextParameters;
  /** How far below the highest a number may be: 1 takes rising numbers only. */
  replayWindow: number;
  readonly #host: ContextHost;
  #latest: Latest | undefined;
  #security: SecurityContext | undefined;
  #numbers: SequenceNumbers | undefined;
  /** `undefined` when it was lost: only Echo or new keys lead on then (RFC 8613 App. B.1.2). */
  #window: ReplayWindow | undefined;

  constructor(
    id: number,
    device: Device,
    host: ContextHost,
    parameters: ContextParameters,
    replay: ReplayRecord,
    replayWindow: number,
  ) {
    this.id = id;
    this.device = device;
    this.#host = host;
    this.parameters = parameters;
    this.replayWindow = replayWindow;
    this.restore(replay);
  }

  get expires(): number {
    return Number.POSITIVE_INFINITY;
  }

  get ends(): number {
    return Number.POSITIVE_INFINITY;
  }

  get rederivable(): boolean {
    return true;
  }

  get security(): SecurityContext {
    this.#security ??= deriveContext(this.#host.crypto, this.parameters);
    return this.#security;
  }

  /** What RequestVerifier asks: our own policy, {@link check}. */
  get window(): { check(partialIv: number): boolean } | undefined {
    return this.#window === undefined ? undefined : this;
  }

  check(partialIv: number): boolean {
    return this.verdict(partialIv) === "new";
  }

  next(): number | SequenceRefusal {
    this.#numbers ??= new SequenceNumbers({
      reserve: (count) => {
        const first = this.#host.reserve(this, count);
        if (typeof first === "number") return first;
        return new Refusal(first === "lost" ? "sequence-lost" : "sequence-busy", "not in the store");
      },
    });
    return this.#numbers.next();
  }

  /** Goes back to what the store has: what was accepted since did not get there. */
  restore({ version, seen, lastRequest, lastAnswer }: ReplayRecord): void {
    this.version = version;
    // Bytes that are no window are a lost window.
    this.#window = seen === undefined ? undefined : ReplayWindow.load(seen, HISTORY);
    this.#latest = undefined;
    if (lastRequest === undefined || lastAnswer === undefined || lastRequest.length === 0) return;
    const optionEnd = 1 + lastRequest[0];
    this.#latest = {
      option: lastRequest.subarray(1, optionEnd),
      payload: lastRequest.subarray(optionEnd),
      answer: decodeAnswer(lastAnswer),
    };
  }

  /** What the store is to have. */
  state(): ReplayRecord {
    const latest = this.#latest;
    return {
      highest: this.#window?.top ?? -1,
      seen: this.#window?.save(),
      lastRequest: latest && concat(Uint8Array.of(latest.option.length), latest.option, latest.payload),
      lastAnswer: latest && encodeAnswer(latest.answer),
      version: this.version,
    };
  }

  /** Whether a number may be accepted (RFC 8613 §7.4), and if not, whether it came again or too late. */
  verdict(partialIv: number): "new" | "replay" | "reordered" {
    const window = this.#window;
    if (window === undefined || !window.check(partialIv)) return "replay";
    return partialIv > window.top - this.replayWindow ? "new" : "reordered";
  }

  /**
   * Notes a request as accepted. Only its commit makes it so for good.
   * @param outer as received; what is kept of it is copied
   */
  accept(change: Change<DeviceContext>, outer: CoapMessage, answer: Content | undefined): void {
    const { partialIv } = change;
    const resumed = change.kind === "resume" && this.#window === undefined;
    this.#window ??= new ReplayWindow(HISTORY);
    const window = this.#window;
    if (partialIv > window.top) {
      this.#latest = { option: oscoreValue(outer).slice(), payload: outer.payload.slice(), answer };
    }
    if (resumed) window.startAt(partialIv);
    else window.accept(partialIv);
  }

  /** The context that App. B.2 puts into the place of this one. */
  successor({ idContext, security }: Change<DeviceContext> & { kind: "replace" }): DeviceContext {
    const parameters = { ...this.parameters, idContext };
    const context = new DeviceContext(0, this.device, this.#host, parameters, FRESH, this.replayWindow);
    context.#security = security;
    return context;
  }

  /** Whether this is the newest accepted request once more, byte by byte as far as OSCORE protects it. */
  isLatest({ payload, options }: CoapMessage): boolean {
    const latest = this.#latest;
    if (latest === undefined || latest.payload.length !== payload.length) return false;
    // Tags differ where messages do: most often this byte decides.
    const end = payload.length - 1;
    if (latest.payload[end] !== payload[end]) return false;
    return equal(latest.payload, payload) && equal(latest.option, oscoreValue({ options }));
  }

  /** What went out for the newest accepted request; `undefined` when it wanted no answer. */
  get latestAnswer(): Content | undefined {
    return this.#latest?.answer;
  }
}

/** Of keys under which nothing was received yet. */
export const FRESH: ReplayRecord = {
  highest: -1,
  seen: new ReplayWindow(HISTORY).save(),
  lastRequest: undefined,
  lastAnswer: undefined,
  version: 0,
};

function oscoreValue({ options }: Pick<CoapMessage, "options">): Uint8Array {
  for (let i = 0; i < options.length; i++) {
    if (options[i].number === OptionNumber.OSCORE) return options[i].value;
  }
  return NO_BYTES;
}
