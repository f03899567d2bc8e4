/**
 * What can go wrong with a modem, for scripts and random tests. `match` is the start of a command (`+USOST`) or
 * empty for any; `count` how many times.
 */
export type Fault =
  /** The UART is dead in both directions; what the modem does goes on. */
  | { readonly kind: "silence"; readonly duration: number }
  /** A command is carried out but not answered. */
  | { readonly kind: "no-answer"; readonly match: string; readonly count: number }
  /** A command is answered with an error and not carried out. */
  | { readonly kind: "error"; readonly match: string; readonly count: number; readonly code: number }
  /** OK without the lines that belong before it; the command is not carried out. */
  | { readonly kind: "ok-without-data"; readonly match: string; readonly count: number }
  /** The answer comes so much later. */
  | { readonly kind: "slow"; readonly match: string; readonly count: number; readonly delay: number }
  /** A URC between, before or behind the lines of an answer. */
  | { readonly kind: "urc-in-answer"; readonly match: string; readonly count: number; readonly text: string }
  /** A URC while the host is in the middle of typing a command: it tears the echo. */
  | { readonly kind: "urc-while-typing"; readonly count: number; readonly text: string }
  | { readonly kind: "urc-storm"; readonly count: number; readonly interval: number; readonly text: string }
  /** URCs that never come. */
  | { readonly kind: "drop-urcs"; readonly count: number }
  /** Bytes that mean nothing. */
  | { readonly kind: "garbage"; readonly length: number }
  /** A restart without a word, now or while a command runs. */
  | { readonly kind: "reset" }
  | { readonly kind: "reset-in-command"; readonly match: string; readonly count: number }
  /** Reads give at most `size` bytes of what is there. */
  | { readonly kind: "partial-reads"; readonly size: number; readonly count: number }
  | { readonly kind: "sim-failure"; readonly duration: number }
  /** Deaf until the power or reset line is used. */
  | { readonly kind: "lock-up" }
  /** Datagrams that are taken with OK and lost. */
  | { readonly kind: "lose-sends"; readonly count: number }
  /** The network closes a socket. */
  | { readonly kind: "close-socket"; readonly socket: number }
  /** The supply breaks down: off without a word. */
  | { readonly kind: "power-cut" };

/** Faults that wait for a command. */
type CommandFault = Extract<Fault, { match: string }>;

/** Those that wait for something else, counted down. */
type CountedFault = Extract<
  Fault,
  { kind: "urc-while-typing" | "drop-urcs" | "partial-reads" | "lose-sends" }
>;

/** The faults that are armed but have not happened yet. */
export class ArmedFaults {
  readonly #commands: { readonly fault: CommandFault; left: number }[] = [];
  readonly #counted: { readonly fault: CountedFault; left: number }[] = [];
  silentUntil = -Infinity;
  simFailureUntil = -Infinity;
  locked = false;

  /** @returns false for faults that happen at once and are not armed */
  arm(fault: Fault): boolean {
    if ("match" in fault) this.#commands.push({ fault, left: fault.count });
    else if (
      fault.kind === "urc-while-typing" ||
      fault.kind === "drop-urcs" ||
      fault.kind === "partial-reads" ||
      fault.kind === "lose-sends"
    )
      this.#counted.push({ fault, left: fault.count });
    else return false;
    return true;
  }

  /** Forgets what is armed and what lasts. A modem that is locked up stays so: its lines are there for that. */
  clear(): void {
    this.#commands.length = 0;
    this.#counted.length = 0;
    this.silentUntil = -Infinity;
    this.simFailureUntil = -Infinity;
  }

  /** The fault that this command line meets, used up. `line` is without `AT`. */
  forCommand(line: string): CommandFault | undefined {
    const index = this.#commands.findIndex(({ fault }) => line.toUpperCase().startsWith(fault.match));
    if (index < 0) return undefined;
    const armed = this.#commands[index];
    if (--armed.left <= 0) this.#commands.splice(index, 1);
    return armed.fault;
  }

  /** The fault of this kind, used once more. */
  take<Kind extends CountedFault["kind"]>(kind: Kind): Extract<CountedFault, { kind: Kind }> | undefined {
    const index = this.#counted.findIndex(({ fault }) => fault.kind === kind);
    if (index < 0) return undefined;
    const armed = this.#counted[index];
    if (--armed.left <= 0) this.#counted.splice(index, 1);
    return armed.fault as Extract<CountedFault, { kind: Kind }>;
  }
}
