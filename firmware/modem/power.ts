import { DEFAULT_BAUD } from "./config.js";
import type { Context } from "./context.js";
import type { Routine } from "./routine.js";

/** Whether V_INT says that the modem is on; `undefined` on boards without the line. */
export function powered(modem: Context): boolean | undefined {
  return modem.lines.vInt?.read();
}

/** Between two looks at V_INT: a line is no event. */
const LINE_POLL = 100;

/** Waits until V_INT is as wanted. Returns whether it came to be. */
function* waitForPower(modem: Context, wanted: boolean, limit: number): Routine<boolean> {
  const until = modem.now + limit;
  while (powered(modem) !== wanted) {
    if (modem.now >= until) return false;
    yield modem.wait(LINE_POLL);
  }
  return true;
}

/** Pulls a line low for so long. */
function* pulse(modem: Context, line: { write(high: boolean): void }, milliseconds: number): Routine<void> {
  line.write(false);
  yield modem.wait(milliseconds);
  line.write(true);
}

/**
 * Switches the modem on, or wakes it from PSM, unless it is awake. The short pulse does nothing to a modem that is
 * on, so it is tried also where no V_INT tells.
 */
export function* powerOn(modem: Context): Routine<void> {
  const { powerOn: line } = modem.lines;
  if (powered(modem) === true) return;
  if (powered(modem) === undefined) {
    const probe = modem.probe(2);
    yield probe;
    if (probe.heard) return;
  }
  if (line === undefined) return;
  modem.note("PWR_ON");
  modem.poweredAt = modem.now;
  yield* pulse(modem, line, modem.timing.powerOnPulse);
  if (powered(modem) === false) yield* waitForPower(modem, true, modem.timing.vIntRise);
  if (powered(modem) === false) modem.counters.add("power-on-failed");
}

/**
 * Finds the modem's speed and makes it listen, with echo off. The configured speed and the one after a reset take
 * turns.
 * @returns false when nothing answers within the time that a boot takes
 */
export function* synchronise(modem: Context): Routine<boolean> {
  const until = modem.now + modem.timing.boot;
  modem.at.echo = true;
  for (;;) {
    const probe = modem.probe(2);
    yield probe;
    if (probe.heard) break;
    if (modem.now >= until) return false;
    if (modem.setBaud !== undefined && modem.config.baud !== DEFAULT_BAUD)
      changeBaud(modem, modem.baud === DEFAULT_BAUD ? modem.config.baud : DEFAULT_BAUD);
  }
  // Answers to probes of the time before, and the rest of what a booting modem says.
  yield modem.wait(200);
  modem.fault = undefined;
  const echoOff = modem.command("E0");
  yield echoOff;
  if (!echoOff.ok) return false;
  modem.at.echo = false;
  if (modem.setBaud !== undefined && modem.baud !== modem.config.baud) {
    const speed = modem.command(`+IPR=${modem.config.baud}`);
    yield speed;
    if (!speed.ok) return true;
    // AT manual, +IPR: the next command at least 100 ms after the OK.
    yield modem.wait(150);
    changeBaud(modem, modem.config.baud);
    const probe = modem.probe(4);
    yield probe;
    return probe.heard;
  }
  return true;
}

function changeBaud(modem: Context, baud: number): void {
  modem.baud = baud;
  modem.setBaud?.(baud);
}

/** +CFUN=15: a reboot that keeps what the modem stores. Whether it was taken shows only in what follows. */
export function* reboot(modem: Context): Routine<void> {
  modem.note("reboot");
  modem.counters.add("reboots");
  modem.fault = undefined;
  yield modem.command("+CFUN=15", { limit: 10000 });
  modem.poweredAt = modem.now;
  if (modem.setBaud !== undefined) changeBaud(modem, DEFAULT_BAUD);
  // It answers OK first and goes down then: an AT too early would meet the old run.
  yield modem.wait(3000);
}

/**
 * Switches off by +CPWROFF, or by PWR_ON where that is not answered, and waits until V_INT says so. A modem that was
 * switched on just now is given its time first: cut too early it may corrupt its own store.
 * @returns whether the modem is off as far as anybody can tell
 */
export function* powerOff(modem: Context): Routine<boolean> {
  if (powered(modem) === false) return true;
  const awake = modem.poweredAt + modem.timing.minimumAwake - modem.now;
  if (awake > 0) yield modem.wait(awake);
  modem.fault = undefined;
  const off = modem.command("+CPWROFF", { limit: 40000 });
  yield off;
  if (!off.ok) {
    const line = modem.lines.powerOn;
    if (line === undefined) return false;
    modem.counters.add("power-off-by-line");
    yield* pulse(modem, line, modem.timing.powerOffPulse);
  }
  if (powered(modem) === undefined) {
    yield modem.wait(5000);
    return off.ok;
  }
  return yield* waitForPower(modem, false, modem.timing.vIntFall);
}

/** Switches off and on again, however deaf it is. Without lines nothing can be done but waiting. */
export function* powerCycle(modem: Context): Routine<void> {
  modem.note("power cycle");
  modem.counters.add("power-cycles");
  if (modem.lines.powerOn !== undefined) {
    yield* pulse(modem, modem.lines.powerOn, modem.timing.powerOffPulse);
    if (powered(modem) === undefined) yield modem.wait(5000);
    else yield* waitForPower(modem, false, modem.timing.vIntFall);
  }
}

/** RESET_N, the last resort. An R4 is off after it. */
export function* resetByLine(modem: Context): Routine<void> {
  if (modem.lines.reset === undefined) return;
  modem.note("RESET_N");
  modem.counters.add("reset-line");
  yield* pulse(modem, modem.lines.reset, modem.timing.resetPulse);
  if (modem.setBaud !== undefined) changeBaud(modem, DEFAULT_BAUD);
  yield modem.wait(1000);
}
