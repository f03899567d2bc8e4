import { type Model, type ModelRegistry, publishPeriodMs } from "./models.js";

/** A publication's retransmissions and its next period (Mesh Profile §4.2.2.2, §4.2.2.6). */
interface Schedule {
  nextAt: number;
  retransmitAt: number;
  retransmitsLeft: number;
  opcode: number;
  parameters: Uint8Array;
}

/** What publishing needs of the access layer. */
export interface PublisherOptions {
  readonly models: ModelRegistry;
  /** Sends to the model's publish address. */
  readonly send: (model: Model, opcode: number, parameters: Uint8Array) => boolean;
  /** A model's period is over: it publishes what it has. */
  readonly due: (model: Model, now: number) => void;
  /** How much shorter a model's period is for now: the Health Server's divisor (§4.2.25). */
  readonly divisor: (model: Model) => number;
}

const NEVER = Number.POSITIVE_INFINITY;

/** Publishes for models: when a message is to be told, again as often as was configured, and by time. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #schedules = new Map<Model, Schedule>();
  deadline = NEVER;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** A model's publication was set or read from storage: its period begins now. */
  configured(model: Model, now: number): void {
    const schedule = this.#schedule(model);
    schedule.retransmitsLeft = 0;
    schedule.retransmitAt = NEVER;
    schedule.nextAt = now;
    this.#plan(model, schedule, now);
    this.#settle();
  }

  /**
   * Publishes a message of a model.
   * @returns false when the model does not publish, or there is no room for it now
   */
  publish(model: Model, opcode: number, parameters: Uint8Array, now: number): boolean {
    const { publication } = model;
    if (publication === undefined || !this.#options.send(model, opcode, parameters)) return false;
    const schedule = this.#schedule(model);
    schedule.opcode = opcode;
    schedule.parameters = parameters.slice();
    schedule.retransmitsLeft = publication.retransmit & 7;
    schedule.retransmitAt =
      schedule.retransmitsLeft > 0 ? now + ((publication.retransmit >> 3) + 1) * 50 : NEVER;
    this.#settle();
    return true;
  }

  /** Publishes what is due at `now` (ms). */
  tick(now: number): void {
    if (this.deadline > now) return;
    for (const [model, schedule] of this.#schedules) {
      const { publication } = model;
      if (publication === undefined) {
        this.#schedules.delete(model);
        continue;
      }
      if (schedule.retransmitAt <= now) {
        this.#options.send(model, schedule.opcode, schedule.parameters);
        schedule.retransmitsLeft--;
        schedule.retransmitAt =
          schedule.retransmitsLeft > 0 ? now + ((publication.retransmit >> 3) + 1) * 50 : NEVER;
      }
      if (schedule.nextAt <= now) {
        this.#plan(model, schedule, now);
        this.#options.due(model, now);
      }
    }
    this.#settle();
  }

  #plan(model: Model, schedule: Schedule, now: number): void {
    const period = publishPeriodMs(model.publication?.period ?? 0);
    schedule.nextAt = period === 0 ? NEVER : now + Math.max(100, period / 2 ** this.#options.divisor(model));
  }

  #schedule(model: Model): Schedule {
    let schedule = this.#schedules.get(model);
    if (schedule === undefined) {
      schedule = {
        nextAt: NEVER,
        retransmitAt: NEVER,
        retransmitsLeft: 0,
        opcode: 0,
        parameters: new Uint8Array(0),
      };
      this.#schedules.set(model, schedule);
    }
    return schedule;
  }

  #settle(): void {
    let deadline = NEVER;
    for (const { nextAt, retransmitAt } of this.#schedules.values()) {
      deadline = Math.min(deadline, nextAt, retransmitAt);
    }
    this.deadline = deadline;
  }
}
