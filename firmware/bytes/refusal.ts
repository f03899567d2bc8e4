/**
 * What a decoder returns for bytes that it will not take.
 *
 * A bad packet from the air is an expected event, so it is a result and not an exception. `reason` is a short stable
 * name that counters, metrics and tests use; `detail` says to a person which field and which value.
 */
export class Refusal<Reason extends string = string> {
  readonly reason: Reason;
  readonly detail: string | undefined;

  constructor(reason: Reason, detail?: string) {
    this.reason = reason;
    this.detail = detail;
  }

  /** The reason, and the detail where there is one. */
  toString(): string {
    return this.detail === undefined ? this.reason : `${this.reason}: ${this.detail}`;
  }
}
