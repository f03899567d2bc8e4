import { SaraR4, type SaraR4Config, type SendOutcome } from "../../firmware/modem/sara-r4.js";
import type { ModemPort } from "../../hal/hal.js";
import { VirtualClock } from "../../sim/clock.js";
import type { SimulatorOptions } from "../../sim/modem/sara-r4-simulator.js";
import { simulatedModem } from "../../sim/modem/simulated-port.js";
import { VirtualInternet } from "../../sim/modem/virtual-network.js";

/** Where the test server is. */
export const SERVER = { host: "192.0.2.1", port: 5683 } as const;

/** Brings driver and clock together: ticks it at its deadline, whatever moved that. */
export class DriverHost {
  readonly clock: VirtualClock;
  readonly driver: SaraR4;
  readonly #port: ModemPort;
  readonly #armed = { token: 0, at: Number.POSITIVE_INFINITY };

  constructor(
    clock: VirtualClock,
    port: ModemPort,
    makeDriver: (write: (bytes: Uint8Array) => void) => SaraR4,
  ) {
    this.clock = clock;
    this.#port = port;
    this.driver = makeDriver((bytes) => port.serial.write(bytes));
    port.serial.onReadable = () => {
      const bytes = port.serial.read();
      if (bytes !== undefined) this.driver.receive(bytes, clock.now());
      this.arm();
    };
  }

  /** The host is gone: its driver hears and does nothing more. */
  halt(): void {
    this.#armed.token++;
    this.#port.serial.onReadable = undefined;
  }

  arm(): void {
    const at = this.driver.deadline;
    if (at === this.#armed.at) return;
    this.#armed.at = at;
    const token = ++this.#armed.token;
    if (at === Number.POSITIVE_INFINITY) return;
    this.clock.at(Math.max(at, this.clock.now()), () => {
      if (token !== this.#armed.token) return;
      this.#armed.at = Number.POSITIVE_INFINITY;
      this.driver.tick(this.clock.now());
      this.arm();
    });
  }
}

export interface BenchOptions {
  readonly config?: Partial<SaraR4Config>;
  readonly modem?: Partial<SimulatorOptions>;
  /** Lines that the board lacks. */
  readonly without?: readonly ("powerOn" | "reset" | "vInt")[];
  /** The server's answer; default: an echo of the datagram. `null`: none. */
  readonly answer?: ((datagram: Uint8Array) => Uint8Array | undefined) | null;
}

/** Driver, simulated modem, virtual internet and a server, on one virtual clock. */
export function bench(options: BenchOptions = {}) {
  const clock = new VirtualClock();
  const internet = new VirtualInternet(clock);
  const network = internet.host();
  const arrived: string[] = [];
  const received: string[] = [];
  const outcomes: SendOutcome[] = [];
  const states: string[] = [];
  const log: string[] = [];
  const text = (bytes: Uint8Array) => String.fromCharCode(...bytes);
  internet.listen(SERVER.host, SERVER.port, (datagram, _from, reply) => {
    arrived.push(text(datagram));
    if (options.answer === null) return;
    const answer = options.answer === undefined ? datagram : options.answer(datagram);
    if (answer !== undefined) reply(answer);
  });
  const { modem, port } = simulatedModem({
    clock,
    network,
    ...options.modem,
    // The strictest modem there is: whoever works with it works with the others.
    settings: { strictPause: true, noFlowControl: true, baudMatters: true, ...options.modem?.settings },
  });
  const { serial, ...lines } = port;
  const present = Object.fromEntries(
    Object.entries(lines).filter(([name]) => !options.without?.includes(name as "vInt")),
  );
  const makeHost = () =>
    new DriverHost(
      clock,
      port,
      (write) =>
        new SaraR4({
          config: { apn: "iot.example", server: SERVER, ...options.config },
          write,
          lines: present,
          setBaud: (baud) => serial.setBaud(baud),
          onDatagram: (bytes) => received.push(text(bytes)),
          onState: (state) => states.push(state),
          onSent: (outcome) => outcomes.push(outcome),
          log: (direction, line) => log.push(`${(clock.now() / 1000).toFixed(2)} ${direction} ${line}`),
        }),
    );
  let host = makeHost();
  return {
    clock,
    internet,
    network,
    modem,
    get driver(): SaraR4 {
      return host.driver;
    },
    /** The host forgets everything and starts anew; the modem stays as it is. */
    restartHost(): void {
      host.halt();
      host = makeHost();
      host.driver.start(clock.now());
      host.arm();
    },
    arrived,
    received,
    outcomes,
    states,
    log,
    start(): void {
      host.driver.start(clock.now());
      host.arm();
    },
    stop(): void {
      host.driver.stop(clock.now());
      host.arm();
    },
    /** Lets virtual time pass, or until `done`. Returns whether `done` came true. */
    run(milliseconds: number, done?: () => boolean): boolean {
      return done?.() === true || clock.run(clock.now() + milliseconds, done);
    },
    /** Runs until the driver is in this state. */
    until(state: string, milliseconds = 600_000): boolean {
      return this.run(milliseconds, () => host.driver.state === state);
    },
    send(message: string): boolean {
      const taken = host.driver.send(
        Uint8Array.from(message, (character) => character.charCodeAt(0)),
        clock.now(),
      );
      host.arm();
      return taken;
    },
  };
}
