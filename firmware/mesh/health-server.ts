import { ByteReader } from "../bytes/reader.js";
import { ByteWriter } from "../bytes/writer.js";
import { Health, readU16le, writeU16le } from "./foundation.js";
import type { NodeState } from "./node-state.js";

/** Faults that one message can carry: a fault array is at most this long here. */
const FAULTS_MAX = 16;

/** What a message asked for: the answer, if there is one. */
export interface HealthAnswer {
  readonly opcode: number;
  readonly parameters: Uint8Array;
}

/** The Health Server model (Mesh Profile §4.4.3): faults that are there and were there, attention, its fast period. */
export class HealthServer {
  readonly #state: NodeState;
  readonly #companyId: number;
  readonly #save: () => void;
  readonly #current: number[] = [];
  readonly #registered: number[] = [];
  #testId = 0;
  #attentionUntil = 0;
  /** A test was asked for: run it and set or clear faults; §4.4.3.2.4 leaves its meaning to the company. */
  onTest: ((testId: number) => void) | undefined;
  /** The device shall draw a person's attention for so many seconds, or stop to with 0. */
  onAttention: ((seconds: number) => void) | undefined;
  deadline = Number.POSITIVE_INFINITY;

  /** @param save stores the node's state, of which the fast period is one */
  constructor(state: NodeState, companyId: number, save: () => void) {
    this.#state = state;
    this.#companyId = companyId;
    this.#save = save;
  }

  /** Present faults, by their numbers (§4.2.15.1). */
  get faults(): readonly number[] {
    return this.#current;
  }

  /** A fault has come. @returns false when it was there before */
  raise(fault: number): boolean {
    if (!this.#registered.includes(fault) && this.#registered.length < FAULTS_MAX)
      this.#registered.push(fault);
    if (this.#current.includes(fault) || this.#current.length >= FAULTS_MAX) return false;
    this.#current.push(fault);
    return true;
  }

  /** A fault has gone; it stays registered until a client clears it. */
  settle(fault: number): void {
    const at = this.#current.indexOf(fault);
    if (at >= 0) this.#current.splice(at, 1);
  }

  /** While there are faults, the publish period is divided by two to the power of this (§4.2.25). */
  get periodDivisor(): number {
    return this.#current.length > 0 ? this.#state.healthPeriod : 0;
  }

  /** Parameters of a Health Current Status (§4.3.3.1). */
  currentStatus(): Uint8Array {
    return this.#faultStatus(this.#companyId, this.#current);
  }

  /** Draws attention, also before provisioning. */
  attend(seconds: number, now: number): void {
    this.#attentionUntil = now + seconds * 1000;
    this.deadline = seconds > 0 ? this.#attentionUntil : Number.POSITIVE_INFINITY;
    this.onAttention?.(seconds);
  }

  /** Publishes, and fades the attention timer, as is due at `now` (ms). */
  tick(now: number): void {
    if (this.deadline > now) return;
    this.deadline = Number.POSITIVE_INFINITY;
    this.onAttention?.(0);
  }

  /** Handles a message; `undefined` when it has no answer. */
  handle(opcode: number, parameters: Uint8Array, now: number): HealthAnswer | undefined {
    const reader = new ByteReader(parameters);
    switch (opcode) {
      case Health.FAULT_GET:
      case Health.FAULT_CLEAR:
      case Health.FAULT_CLEAR_UNACKNOWLEDGED: {
        const company = readU16le(reader);
        // §4.4.3.2.2: a company that the node does not know gets no answer.
        if (company !== this.#companyId || reader.remaining > 0) return undefined;
        if (opcode !== Health.FAULT_GET) this.#registered.length = 0;
        return opcode === Health.FAULT_CLEAR_UNACKNOWLEDGED ? undefined : this.#registeredStatus();
      }
      case Health.FAULT_TEST:
      case Health.FAULT_TEST_UNACKNOWLEDGED: {
        const test = reader.u8();
        const company = readU16le(reader);
        if (test === undefined || company !== this.#companyId || reader.remaining > 0) return undefined;
        this.#testId = test;
        this.onTest?.(test);
        return opcode === Health.FAULT_TEST_UNACKNOWLEDGED ? undefined : this.#registeredStatus();
      }
      case Health.PERIOD_GET:
        return reader.remaining > 0 ? undefined : this.#periodStatus();
      case Health.PERIOD_SET:
      case Health.PERIOD_SET_UNACKNOWLEDGED: {
        const divisor = reader.u8();
        if (divisor === undefined || divisor > 15 || reader.remaining > 0) return undefined;
        this.#state.healthPeriod = divisor;
        this.#save();
        return opcode === Health.PERIOD_SET_UNACKNOWLEDGED ? undefined : this.#periodStatus();
      }
      case Health.ATTENTION_GET:
        return reader.remaining > 0 ? undefined : this.#attentionStatus(now);
      case Health.ATTENTION_SET:
      case Health.ATTENTION_SET_UNACKNOWLEDGED: {
        const seconds = reader.u8();
        if (seconds === undefined || reader.remaining > 0) return undefined;
        this.attend(seconds, now);
        return opcode === Health.ATTENTION_SET_UNACKNOWLEDGED ? undefined : this.#attentionStatus(now);
      }
      default:
        return undefined;
    }
  }

  #registeredStatus(): HealthAnswer {
    return { opcode: Health.FAULT_STATUS, parameters: this.#faultStatus(this.#companyId, this.#registered) };
  }

  #periodStatus(): HealthAnswer {
    return { opcode: Health.PERIOD_STATUS, parameters: Uint8Array.of(this.#state.healthPeriod) };
  }

  #attentionStatus(now: number): HealthAnswer {
    const seconds = Math.max(0, Math.ceil((this.#attentionUntil - now) / 1000));
    return { opcode: Health.ATTENTION_STATUS, parameters: Uint8Array.of(seconds) };
  }

  #faultStatus(company: number, faults: readonly number[]): Uint8Array {
    const writer = new ByteWriter(3 + faults.length).u8(this.#testId);
    writeU16le(writer, company);
    for (const fault of faults) writer.u8(fault);
    return writer.finish();
  }
}
