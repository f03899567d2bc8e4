import { equal } from "../firmware/bytes/compare.js";
import { Refusal } from "../firmware/bytes/refusal.js";
import type { CoapMessage } from "../firmware/coap/message.js";
import { OptionNumber } from "../firmware/coap/numbers.js";
import { type ContextParameters, deriveContext, type SecurityContext } from "../firmware/oscore/context.js";
import { ReplayWindow } from "../firmware/oscore/replay.js";
import { SequenceNumbers, type SequenceRefusal } from "../firmware/oscore/sequence.js";
import type { Change, ServerContext } from "../firmware/oscore/store.js";
import type { Crypto } from "../hal/hal.js";
import type { Device } from "./device.js";
import type { ContextRef, ReplayRecord } from "./store/store.js";

/** Numbers below the highest that are told apart, whatever the policy: so that the feed can say "again" or "late". */
const HISTORY = 64;
const NO_BYTES = new Uint8Array(0);

/** The newest accepted request, kept to recognise a copy of it. */
interface Latest {
  /** OSCORE option's value and ciphertext. */
  readonly request: Uint8Array;
  /** What went out for it, see answer.ts. */
  readonly answer: Uint8Array;
}

export interface DeviceContextOptions {
  readonly crypto: Crypto;
  /** From our side: the node's ID is the Recipient ID. */
  readonly parameters: ContextParameters;
  readonly replay: ReplayRecord;
  readonly replayWindow: number;
  /** Takes Sender Sequence Numbers of ours out of the store, before it returns; `undefined` when they are lost. */
  readonly reserve: (context: ContextRef, count: number) => number | undefined;
}

/**
 * One node's OSCORE context on the server's side. The replay state is always in memory, the keys are derived when the
 * node first speaks: ten thousand silent nodes cost little.
 */
export class DeviceContext implements ServerContext, ContextRef {
  /** 0 until the store has it. */
  id: number;
  readonly device: Device;
  readonly parameters: ContextParameters;
  readonly expires = Number.POSITIVE_INFINITY;
  readonly ends = Number.POSITIVE_INFINITY;
  readonly rederivable = true;
  /** How far below the highest a number may be: 1 takes rising numbers only. */
  replayWindow: number;
  latest: Latest | undefined;
  readonly #options: DeviceContextOptions;
  readonly #numbers: SequenceNumbers;
  #security: SecurityContext | undefined;
  /** `undefined` when it was lost: only Echo or new keys lead on then (RFC 8613 App. B.1.2). */
  #window: ReplayWindow | undefined;
  /** What the store has. */
  #committed: ReplayRecord;

  constructor(id: number, device: Device, options: DeviceContextOptions) {
    this.id = id;
    this.device = device;
    this.#options = options;
    this.parameters = options.parameters;
    this.replayWindow = options.replayWindow;
    this.#committed = options.replay;
    this.#numbers = new SequenceNumbers({
      reserve: (count) => options.reserve(this, count) ?? new Refusal("sequence-lost", "not in the store"),
    });
    this.restore();
  }

  get security(): SecurityContext {
    this.#security ??= deriveContext(this.#options.crypto, this.parameters);
    return this.#security;
  }

  get window(): { check(partialIv: number): boolean } | undefined {
    return this.#window === undefined ? undefined : this.#policy;
  }

  readonly #policy = { check: (partialIv: number): boolean => this.verdict(partialIv) === "new" };

  next(): number | SequenceRefusal {
    return this.#numbers.next();
  }

  /** Goes back to what the store has: what was accepted since did not get there. */
  restore(): void {
    const { seen, lastRequest, lastAnswer } = this.#committed;
    // Bytes that are no window are a lost window.
    this.#window = seen === undefined ? undefined : ReplayWindow.load(seen, HISTORY);
    this.latest =
      lastRequest === undefined || lastAnswer === undefined
        ? undefined
        : { request: lastRequest, answer: lastAnswer };
  }

  /** Whether a number may be accepted (RFC 8613 §7.4), and if not, whether it came again or too late. */
  verdict(partialIv: number): "new" | "replay" | "reordered" {
    const window = this.#window;
    if (window === undefined || !window.check(partialIv)) return "replay";
    return partialIv > window.top - this.replayWindow ? "new" : "reordered";
  }

  /** Notes a request as accepted. Only its commit makes it so for good. */
  accept(change: Change<DeviceContext>, latest: Latest): ReplayRecord {
    const { partialIv } = change;
    this.#window ??= new ReplayWindow(HISTORY);
    const window = this.#window;
    if (partialIv > window.top) this.latest = latest;
    if (change.kind === "resume") window.startAt(partialIv);
    else window.accept(partialIv);
    return {
      highest: window.top,
      seen: window.save(),
      lastRequest: this.latest?.request,
      lastAnswer: this.latest?.answer,
    };
  }

  committed(state: ReplayRecord): void {
    this.#committed = state;
  }

  /** The context that App. B.2 puts into the place of this one. */
  successor({ idContext, security }: Change<DeviceContext> & { kind: "replace" }): DeviceContext {
    const context = new DeviceContext(0, this.device, {
      ...this.#options,
      parameters: { ...this.parameters, idContext },
      replay: FRESH,
      replayWindow: this.replayWindow,
    });
    context.#security = security;
    return context;
  }

  /** Whether this is the newest accepted request once more, byte by byte as far as OSCORE protects it. */
  isLatest(message: CoapMessage): boolean {
    if (this.latest === undefined) return false;
    const { request } = this.latest;
    const option = oscoreValue(message);
    const { payload } = message;
    return (
      request.length === option.length + payload.length &&
      equal(request.subarray(0, option.length), option) &&
      equal(request.subarray(option.length), payload)
    );
  }
}

/** Of keys under which nothing was received yet. */
export const FRESH: ReplayRecord = {
  highest: -1,
  seen: new ReplayWindow(HISTORY).save(),
  lastRequest: undefined,
  lastAnswer: undefined,
};

/** A copy of what {@link DeviceContext.isLatest} compares. */
export function protectedPart(message: CoapMessage): Uint8Array {
  const option = oscoreValue(message);
  const part = new Uint8Array(option.length + message.payload.length);
  part.set(option);
  part.set(message.payload, option.length);
  return part;
}

function oscoreValue(message: CoapMessage): Uint8Array {
  for (const { number, value } of message.options) if (number === OptionNumber.OSCORE) return value;
  return NO_BYTES;
}
