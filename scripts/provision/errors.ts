export type ProvisionReason =
  /** The network file: missing, there already, not ours, of a newer version, damaged or under another passphrase. */
  | "no-file"
  | "file-exists"
  | "bad-file"
  | "wrong-passphrase"
  | "file-not-written"
  /** Somebody else has it open. */
  | "locked"
  /** Two files that do not belong together, or were changed apart in a way that nobody can put together. */
  | "cannot-merge"
  /** What was asked for does not fit what is in the file. */
  | "not-found"
  | "name-taken"
  | "no-address-left"
  | "wrong-state"
  | "field-copy"
  | "bad-list"
  | "bad-label"
  /** At the board. */
  | "wrong-board"
  | "foreign-board"
  | "board"
  /** At the server. */
  | "no-server"
  | "server"
  | "unauthorized"
  | "conflict"
  /** A person said no, or Ctrl-C. */
  | "cancelled"
  | "findings";

/** What cannot be done, with a sentence for a person that says what to do about it. Exit code 1. */
export class ProvisionError extends Error {
  readonly reason: ProvisionReason;

  constructor(reason: ProvisionReason, sentence: string) {
    super(sentence);
    this.name = "ProvisionError";
    this.reason = reason;
  }
}

/** Wrong usage: exit code 2. */
export class UsageError extends Error {}
