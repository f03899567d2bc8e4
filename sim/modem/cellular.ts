import type { Clock } from "../../hal/hal.js";
import type { Random } from "../random.js";
import type { SimulatorSettings } from "./settings.js";

/** IP and UDP headers: what the operator bills besides the payload. */
export const HEADERS = 28;

/** What the radio has done since the start, for the bench and for tests. */
export interface RadioUse {
  datagramsUp: number;
  datagramsDown: number;
  /** Payload bytes with {@link HEADERS} for each datagram. */
  bytesUp: number;
  bytesDown: number;
  /** How often the radio went from idle to connected. */
  sessions: number;
  /** Milliseconds connected, without the session that is still open. */
  connectedTime: number;
  lostUp: number;
  lostDown: number;
}

/** What the modem wants to hear of its network side. */
export interface CellularEvents {
  /** <stat> or packet service has changed. */
  onRegistration(): void;
  /** RRC connected or idle. */
  onConnected(connected: boolean): void;
}

/**
 * The cellular network as the modem meets it: coverage, registration, packet service, the radio connection, and a
 * path for datagrams that delays, reorders, loses and forgets them (NAT).
 */
export class Cellular {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #settings: SimulatorSettings;
  readonly #events: CellularEvents;

  // the world
  #coverage = true;
  #denied = false;
  /** dBm */
  rsrp: number;
  /** Packet service does not come by itself: only +CGATT=1 brings it (trap 5). */
  attachStuck = false;

  // the modem's side
  #radio = false;
  #sim = false;
  #selection = true;
  #stat = 0;
  #attached = false;
  #detachedByHost = false;
  #change = 0;
  #knownBefore = false;
  #pending: string | undefined;

  // the connection
  #connected = false;
  #connectedSince = 0;
  #activity = 0;
  readonly #latest = { up: 0, down: 0 };
  #natUntil = new Map<number, number>();
  /** eDRX cycle, 0 for none. */
  pagingCycle = 0;
  readonly use: RadioUse = {
    datagramsUp: 0,
    datagramsDown: 0,
    bytesUp: 0,
    bytesDown: 0,
    sessions: 0,
    connectedTime: 0,
    lostUp: 0,
    lostDown: 0,
  };

  constructor(clock: Clock, random: Random, settings: SimulatorSettings, events: CellularEvents) {
    this.#clock = clock;
    this.#random = random;
    this.#settings = settings;
    this.#events = events;
    this.rsrp = settings.rsrp;
  }

  /** <stat> of +CEREG. */
  get stat(): number {
    return this.#stat;
  }

  get attached(): boolean {
    return this.#attached;
  }

  get registered(): boolean {
    return this.#stat === 1 || this.#stat === 5;
  }

  get coverage(): boolean {
    return this.#coverage;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** When the radio was last connected; now while it is. */
  get idleSince(): number {
    return this.#connected ? this.#clock.now() : this.#activity;
  }

  setCoverage(coverage: boolean): void {
    if (coverage === this.#coverage) return;
    this.#coverage = coverage;
    this.#update();
  }

  /** The network refuses the subscriber. One that is registered is thrown out. */
  setDenied(denied: boolean): void {
    if (denied === this.#denied) return;
    this.#denied = denied;
    this.#update();
  }

  /** +CFUN */
  setRadio(on: boolean): void {
    this.#radio = on;
    this.#detachedByHost = false;
    this.#update();
  }

  setSim(ready: boolean): void {
    this.#sim = ready;
    this.#update();
  }

  /** +COPS: whether an operator is looked for. */
  setSelection(on: boolean): void {
    this.#selection = on;
    this.#update();
  }

  /** +CGATT */
  setAttached(attached: boolean): void {
    this.#detachedByHost = !attached;
    if (!attached) this.#set(this.#stat, false);
    else if (this.registered) {
      this.attachStuck = false;
      this.#schedule("attach", this.#settings.attach, () => this.#set(this.#stat, true));
    }
  }

  /** The modem has lost power. */
  powerDown(): void {
    this.#radio = false;
    this.#sim = false;
    this.#knownBefore = false;
    this.#cancel();
    this.#idle();
    this.#stat = 0;
    this.#attached = false;
    this.#natUntil.clear();
  }

  /** The modem sleeps (PSM): the network keeps it registered. */
  suspend(): void {
    this.powerDown();
    this.#knownBefore = true;
  }

  #cancel(): void {
    this.#change++;
    this.#pending = undefined;
  }

  /** A change after a while, in the place of any other that waits; the same one is not started again. */
  #schedule(name: string, delay: number, change: () => void): void {
    if (this.#pending === name) return;
    this.#cancel();
    this.#pending = name;
    const token = this.#change;
    this.#clock.at(this.#clock.now() + delay, () => {
      if (token !== this.#change) return;
      this.#pending = undefined;
      change();
      this.#update();
    });
  }

  #set(stat: number, attached: boolean): void {
    if (stat === this.#stat && attached === this.#attached) return;
    this.#stat = stat;
    this.#attached = attached;
    if (!attached) this.#idle();
    this.#events.onRegistration();
  }

  /** What follows from the state of radio, SIM, selection and coverage. */
  #update(): void {
    if (!this.#radio || !this.#sim || !this.#selection) {
      this.#cancel();
      this.#set(0, false);
      return;
    }
    const settings = this.#settings;
    if (!this.#coverage) {
      if (this.registered) {
        this.#schedule("loss", settings.lossDetection, () => {
          this.#knownBefore = true;
          this.#set(4, false);
        });
      } else {
        this.#cancel();
        if (this.#stat !== 4) this.#set(2, false);
      }
      return;
    }
    if (this.#denied) {
      if (this.#stat === 3) return;
      if (this.#stat === 0 || this.#stat === 4) this.#set(2, false);
      this.#schedule("denial", settings.resume, () => this.#set(3, false));
      return;
    }
    if (!this.registered) {
      if (this.#stat !== 2) this.#set(2, false);
      const delay = this.#knownBefore ? settings.resume : settings.registration;
      this.#schedule("registration", delay, () => {
        this.#knownBefore = false;
        this.#set(settings.roaming ? 5 : 1, false);
      });
    } else if (!this.#attached && !this.attachStuck && !this.#detachedByHost) {
      this.#schedule("attach", settings.attach, () => this.#set(this.#stat, true));
    } else if (this.#pending === "loss" || this.#pending === "denial") this.#cancel();
  }

  /** A datagram on its way out. `deliver` is called when it leaves the network, if it does. */
  uplink(socket: number, length: number, deliver: () => void): void {
    const { use } = this;
    use.datagramsUp++;
    use.bytesUp += length + HEADERS;
    if (!this.#attached || !this.#coverage) {
      use.lostUp++;
      return;
    }
    this.#connect();
    const arrival = this.#arrival(
      "up",
      Math.max(this.#clock.now(), this.#connectedSince + this.#settings.connectDelay),
    );
    this.#natUntil.set(socket, this.#clock.now() + this.#settings.natTimeout);
    if (this.#random.chance(this.#settings.loss)) {
      use.lostUp++;
      return;
    }
    this.#clock.at(arrival, deliver);
  }

  /** A datagram from the network. `deliver` is called when the modem has it, if it gets it. */
  downlink(socket: number, length: number, deliver: () => void): void {
    const { use } = this;
    const now = this.#clock.now();
    const open = (this.#natUntil.get(socket) ?? -Infinity) >= now;
    if (!open || !this.#attached || !this.#coverage || this.#random.chance(this.#settings.loss)) {
      use.lostDown++;
      return;
    }
    this.#natUntil.set(socket, now + this.#settings.natTimeout);
    // An idle modem with eDRX listens once in a cycle only.
    const paging =
      this.#connected || this.pagingCycle === 0 ? 0 : this.pagingCycle - (now % this.pagingCycle);
    const change = this.#change;
    this.#clock.at(this.#arrival("down", now + paging), () => {
      if (!this.#attached || !this.#coverage || (change !== this.#change && !this.registered)) {
        use.lostDown++;
        return;
      }
      this.#connect();
      use.datagramsDown++;
      use.bytesDown += length + HEADERS;
      deliver();
    });
  }

  /** When a datagram that sets out at `departure` has come through: behind those before it, unless it is held back. */
  #arrival(direction: "up" | "down", departure: number): number {
    const { delay, jitter, reorder, reorderDelay } = this.#settings;
    const arrival = Math.max(departure + delay + this.#random.exponential(jitter), this.#latest[direction]);
    if (this.#random.chance(reorder)) return arrival + this.#random.between(0, reorderDelay);
    this.#latest[direction] = arrival;
    return arrival;
  }

  /** Makes or keeps the radio connection. */
  #connect(): void {
    const now = this.#clock.now();
    this.#activity = now;
    if (this.#connected) return;
    this.#connected = true;
    this.#connectedSince = now;
    this.use.sessions++;
    this.#events.onConnected(true);
    this.#watch();
  }

  /** Ends the connection when nothing has used it for a while. */
  #watch(): void {
    const since = this.#connectedSince;
    this.#clock.at(this.#activity + this.#settings.inactivity, () => {
      if (!this.#connected || since !== this.#connectedSince) return;
      if (this.#clock.now() < this.#activity + this.#settings.inactivity) this.#watch();
      else this.#idle();
    });
  }

  #idle(): void {
    if (!this.#connected) return;
    this.#connected = false;
    this.#activity = this.#clock.now();
    this.use.connectedTime += this.#clock.now() - this.#connectedSince;
    this.#events.onConnected(false);
  }
}
