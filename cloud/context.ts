import { equal } from "../firmware/bytes/compare.js";
import type { CoapMessage } from "../firmware/coap/message.js";
import { OptionNumber } from "../firmware/coap/numbers.js";
import type { SecurityContext } from "../firmware/oscore/context.js";
import { ReplayWindow } from "../firmware/oscore/replay.js";
import type { ContextRecord, ReplayRecord } from "./store/store.js";

/** Numbers below the highest that are told apart, whatever the policy: so that the feed can say "again" or "late". */
const HISTORY = 64;
const NO_BYTES = new Uint8Array(0);

/** The newest accepted request, kept to recognise a copy of it. */
interface Latest {
  /** OSCORE option's value and ciphertext. */
  readonly request: Uint8Array;
  /** What went out for it, see endpoint.ts. */
  readonly answer: Uint8Array;
}

/**
 * One node's OSCORE context on the server's side. The replay state is always in memory, the keys are derived when the
 * node first speaks: ten thousand silent nodes cost little.
 */
export class DeviceContext {
  readonly id: number;
  readonly node: number;
  /** By the vault. */
  readonly sealedKeys: Uint8Array;
  /** Under which the registry finds it. */
  lookup: readonly [id: string, idContext: string] = ["", ""];
  /** How far below the highest a number may be: 1 takes rising numbers only. */
  replayWindow: number;
  security: SecurityContext | undefined;
  latest: Latest | undefined;
  #window: ReplayWindow;
  /** What the store has. */
  #committed: ReplayRecord;

  constructor(record: ContextRecord) {
    this.id = record.id;
    this.node = record.node;
    this.sealedKeys = record.keys;
    this.replayWindow = record.replayWindow;
    this.#committed = record;
    this.#window = new ReplayWindow(HISTORY);
    this.restore();
  }

  /** Goes back to what the store has: what was accepted since did not get there. */
  restore(): void {
    const { seen, highest, lastRequest, lastAnswer } = this.#committed;
    const window = seen.length === 0 ? undefined : ReplayWindow.load(seen, HISTORY);
    this.#window = window ?? new ReplayWindow(HISTORY);
    // Bytes that are no window are taken for "everything up to the highest was seen".
    if (window === undefined && highest >= 0) this.#window.startAt(highest);
    this.latest =
      lastRequest === undefined || lastAnswer === undefined
        ? undefined
        : { request: lastRequest, answer: lastAnswer };
  }

  /** Whether a number may be accepted (RFC 8613 §7.4), and if not, whether it came again or too late. */
  check(partialIv: number): "new" | "replay" | "reordered" {
    if (!this.#window.check(partialIv)) return "replay";
    return partialIv > this.#window.top - this.replayWindow ? "new" : "reordered";
  }

  /** Notes a request as accepted. Only its commit makes it so for good. */
  accept(partialIv: number, latest: Latest): ReplayRecord {
    const isHighest = partialIv > this.#window.top;
    this.#window.accept(partialIv);
    if (isHighest) this.latest = latest;
    return {
      highest: this.#window.top,
      seen: this.#window.save(),
      lastRequest: this.latest?.request,
      lastAnswer: this.latest?.answer,
    };
  }

  committed(state: ReplayRecord): void {
    this.#committed = state;
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
