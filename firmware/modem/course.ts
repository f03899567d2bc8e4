import type { Context, Fault } from "./context.js";
import { powerCycle, powered, powerOff, powerOn, reboot, resetByLine, synchronise } from "./power.js";
import { register } from "./registration.js";
import type { Routine } from "./routine.js";
import { type Interruption, serve } from "./serve.js";
import { setUp } from "./setup.js";
import { open } from "./sockets.js";

/** Openings in a row that may fail before the modem is rebooted. */
const OPEN_ATTEMPTS = 5;

/**
 * The driver's whole life: connect, serve, recover, and again.
 *
 * Recovery climbs a ladder (trap 3): `AT`, +CFUN=15, PWR_ON, RESET_N, with a growing pause between the rungs. Serving
 * for a while brings it down to the ground again.
 */
export function* course(modem: Context): Routine<void> {
  let rung = 0;
  for (;;) {
    modem.fault = undefined;
    modem.at.echo = true;
    modem.enter("starting");
    const begun = modem.now;
    const fault = yield* connect(modem);
    modem.network.forget();
    modem.socket = -1;
    modem.fault = undefined;
    if (fault === "asleep") {
      yield* sleep(modem);
      continue;
    }
    modem.settle("refused");
    modem.counters.add(`fault-${fault}`);
    if (fault === "restarted" || fault === "rebooted" || fault === "off") {
      // Nothing is wrong with it now: it only has to be set up anew.
      yield modem.wait(1000);
      continue;
    }
    if (modem.now - begun > modem.timing.recoveryLimit) rung = 0;
    modem.enter("recovering");
    yield* recover(modem, fault, rung++);
  }
}

/** From wherever the modem is to a fault. */
function* connect(modem: Context): Routine<Fault> {
  yield* powerOn(modem);
  if (!(yield* synchronise(modem))) return "deaf";
  modem.network.forget();
  if (yield* setUp(modem)) return "rebooted";
  if (modem.fault !== undefined) return modem.fault;
  let next: Interruption = "register";
  let failures = 0;
  for (;;) {
    if (next === "register" || !modem.network.usable) {
      modem.socket = modem.closed ? -1 : modem.socket;
      if (!(yield* register(modem))) return modem.fault ?? "stuck";
      if (modem.socket < 0) next = "open";
    }
    if (next === "open") {
      modem.enter("opening");
      if (!(yield* open(modem))) {
        if (modem.fault !== undefined) return modem.fault;
        if (++failures >= OPEN_ATTEMPTS) return "stuck";
        modem.settle("refused");
        yield modem.wait(modem.timing.registrationPoll);
        next = "register";
        continue;
      }
    }
    failures = 0;
    next = yield* serve(modem);
    if (next !== "register" && next !== "open") return next;
    modem.settle("refused");
  }
}

/** Waits in PSM for something to send. The network's own periodic updates are the modem's affair. */
function* sleep(modem: Context): Routine<void> {
  modem.activity.sleeps++;
  modem.enter("asleep");
  yield modem.wait(Infinity, () => modem.pendingLength >= 0);
}

function* recover(modem: Context, fault: Fault, rung: number): Routine<void> {
  const { timing, lines } = modem;
  const pause = timing.recoveryPause * 2 ** Math.min(rung, 20);
  yield modem.wait(Math.min(pause, timing.recoveryLimit));
  // A modem that is off needs no recovery, only PWR_ON.
  if (powered(modem) === false) return;
  // A deaf modem is first only listened for again, at all its speeds, by the new course.
  const step = fault === "deaf" ? rung : rung + 1;
  if (step === 0) return;
  if (step === 1 || lines.powerOn === undefined) yield* reboot(modem);
  else if (step === 2 || lines.reset === undefined) yield* powerCycle(modem);
  else yield* resetByLine(modem);
}

/** The orderly end. */
export function* shutDown(modem: Context): Routine<void> {
  modem.enter("stopping");
  if (powered(modem) !== false) {
    // What ran was given up in its middle: its answer may still come.
    modem.at.echo = true;
    yield modem.probe(3);
    if (!(yield* powerOff(modem))) modem.counters.add("power-off-failed");
  }
  modem.enter("off");
}
