import { VirtualClock } from "../../../sim/clock.js";
import { latin1, toLatin1 } from "../../../sim/modem/latin1.js";
import { SaraR4Simulator, type SimulatorOptions } from "../../../sim/modem/sara-r4-simulator.js";
import { VirtualInternet } from "../../../sim/modem/virtual-network.js";

/** A simulated modem alone, as a person at a terminal has it. */
export function rig(options: Partial<SimulatorOptions> = {}) {
  const clock = new VirtualClock();
  const internet = new VirtualInternet(clock);
  const network = internet.host();
  let output = "";
  const modem = new SaraR4Simulator({
    clock,
    network,
    onOutput: (bytes) => {
      output += toLatin1(bytes);
    },
    ...options,
  });
  const self = {
    clock,
    internet,
    network,
    modem,
    /** What has come since the last call. */
    take(): string {
      const taken = output;
      output = "";
      return taken;
    },
    type(text: string): void {
      modem.receive(latin1(text));
    },
    run(milliseconds: number): void {
      clock.run(clock.now() + milliseconds);
    },
    /** Types a command, waits, and gives the lines of the answer. */
    at(command: string, wait = 200): string[] {
      self.take();
      self.type(`${command}\r`);
      self.run(wait);
      return self
        .take()
        .split(/[\r\n]+/)
        .filter((line) => line !== "");
    },
    /** On, booted, echo off, readable errors. */
    boot(): void {
      modem.switchOn();
      self.run(10_000);
      self.take();
      self.at("ATE0");
      self.at("AT+CMEE=2");
    },
    /** Booted and attached. */
    attach(): void {
      self.boot();
      self.run(20_000);
      self.take();
    },
  };
  return self;
}
