import type { Context } from "./context.js";
import { Registration } from "./network.js";
import type { Routine } from "./routine.js";
import { readSignal } from "./sockets.js";

/** Between two looks at +CGATT while it is due. */
const ATTACH_POLL = 1000;

/** Asks for registration and packet service. Both, because either lies at times (trap 5). */
export function* look(modem: Context): Routine<void> {
  const network = modem.network;
  yield modem.command("+CEREG?", { prefix: "+CEREG:", onLine: (line) => network.onCereg(line) });
  yield modem.command("+CGATT?", {
    prefix: "+CGATT:",
    onLine: (line) => {
      network.attached = line.int() === 1;
      return true;
    },
  });
  if (network.attached && !network.registered) yield* lookForOperator(modem);
  else network.operator = false;
}

function* lookForOperator(modem: Context): Routine<number | undefined> {
  let mode: number | undefined;
  yield modem.command("+COPS?", {
    prefix: "+COPS:",
    onLine: (line) => {
      mode = modem.network.onCops(line);
      return true;
    },
  });
  return mode;
}

/**
 * Waits for the network, and helps where waiting alone has been seen not to: automatic selection where it was off,
 * +CGATT=1 where packet service is missing, the radio off and on in growing intervals. A search takes its time, and
 * each toggle begins it anew, so the first comes after minutes.
 *
 * @returns false when only a reboot is left to try, with the fault noted
 */
export function* register(modem: Context): Routine<boolean> {
  const { timing, network, counters } = modem;
  yield* look(modem);
  if (network.usable) {
    yield* readSignal(modem);
    return modem.fault === undefined;
  }
  modem.enter("registering");
  const begun = modem.now;
  let toggleAt = begun + modem.radioPatience;
  let toggles = 0;
  let detachedSince = Infinity;
  let deniedSince = Infinity;
  // +COPS=2 of an earlier run is stored in the modem: without a search nothing will ever come.
  if ((yield* lookForOperator(modem)) === 2) {
    counters.add("selection-was-off");
    yield modem.command("+COPS=0", { limit: 180000 });
  }
  for (;;) {
    // A URC cuts the waiting short; once registered, packet service is a matter of a second or two, without a URC.
    const before = network.registered;
    // The URC may be lost, so it is not relied on; but the longer nothing comes, the less often it is asked for.
    const poll =
      modem.now - begun < timing.radioPatience ? timing.registrationPoll : 6 * timing.registrationPoll;
    yield modem.wait(before ? ATTACH_POLL : poll, () => network.registered !== before);
    yield* look(modem);
    if (modem.fault !== undefined) return false;
    if (network.usable) {
      modem.radioPatience = timing.radioPatience;
      yield* readSignal(modem);
      return modem.fault === undefined;
    }
    if (modem.now - begun > timing.wakePatience) modem.settle("refused");

    if (network.registered) {
      if (detachedSince === Infinity) detachedSince = modem.now;
      if (modem.now - detachedSince >= timing.attachPatience) {
        counters.add("attach-repaired");
        yield modem.command("+CGATT=1", { limit: 180000 });
        detachedSince = modem.now;
      }
    } else detachedSince = Infinity;

    if (network.stat === Registration.DENIED) {
      if (deniedSince === Infinity) deniedSince = modem.now;
      else if (modem.now - deniedSince >= timing.deniedPatience) {
        counters.add("registration-denied");
        deniedSince = Infinity;
      }
    } else deniedSince = Infinity;

    if (modem.now >= toggleAt) {
      modem.radioPatience = Math.min(2 * modem.radioPatience, timing.radioLimit);
      // Every third time the whole modem instead of its radio.
      if (++toggles % 3 === 0) {
        modem.fault = "stuck";
        return false;
      }
      counters.add("radio-toggled");
      yield* toggleRadio(modem);
      toggleAt = modem.now + modem.radioPatience;
    }
  }
}

/** The radio off and on. */
export function* toggleRadio(modem: Context): Routine<void> {
  yield modem.command("+CFUN=4", { limit: 180000 });
  yield modem.wait(1000);
  yield modem.command("+CFUN=1", { limit: 180000 });
}
