import type { Context, Fault } from "./context.js";
import { powered } from "./power.js";
import { readGranted } from "./power-saving.js";
import { look, toggleRadio } from "./registration.js";
import type { Routine } from "./routine.js";
import { closeSocket, isSilent, readAll, readSignal, sendPending } from "./sockets.js";

/** Refusals in a row after which the socket is made anew, and after which the modem is rebooted. */
const REOPEN_AFTER = 3;
const REBOOT_AFTER = 9;

/** The AT silence after which T3324 begins to count towards PSM. */
const PSM_SILENCE = 6000;

/** Why serving ended: a fault, or what has to be done again. */
export type Interruption = Fault | "register" | "open";

/**
 * Sends and receives until something has changed. Between two events nothing is sent to the modem but a check now and
 * then, and with power saving not even that.
 */
export function* serve(modem: Context): Routine<Interruption> {
  const { config, timing, network } = modem;
  let checkAt = modem.now + config.checkInterval;
  let pollAt = Infinity;
  yield* readGranted(modem, modem.granted);
  modem.enter("ready");
  for (;;) {
    const sleepAt = expectedSleep(modem);
    const deadline = Math.min(sleepAt === Infinity ? checkAt : sleepAt, pollAt);
    const stirred = () =>
      modem.pendingLength >= 0 ||
      modem.unread ||
      modem.closed ||
      modem.fault !== undefined ||
      (network.stat !== undefined && !network.usable) ||
      powered(modem) === false;
    if (!stirred()) yield { deadline, ready: stirred };

    if (modem.fault !== undefined) return modem.fault;
    if (powered(modem) === false) return config.powerSaving === undefined ? "off" : "asleep";
    if (modem.closed) {
      modem.counters.add("socket-closed");
      return "open";
    }
    if (!network.usable) {
      modem.counters.add("coverage-lost");
      return "register";
    }
    if (modem.unread) {
      pollAt = Infinity;
      yield* readAll(modem);
      continue;
    }
    if (modem.pendingLength >= 0) {
      const outcome = yield* sendPending(modem);
      if (modem.fault !== undefined) return modem.fault;
      if (outcome === "ok") {
        modem.refusals = 0;
        pollAt = Math.min(pollAt, modem.now + timing.answerPoll);
      } else {
        modem.refusals++;
        modem.counters.add("usost-failed");
        yield* look(modem);
        if (modem.refusals >= REBOOT_AFTER) {
          modem.refusals = 0;
          return modem.fault ?? "stuck";
        }
        if (modem.refusals % REOPEN_AFTER === 0) {
          yield* closeSocket(modem);
          return modem.fault ?? "open";
        }
      }
      continue;
    }
    if (modem.now >= pollAt) {
      pollAt = Infinity;
      yield* readAll(modem);
      // Judged only now: what was sent last has had its time, and closing the socket would take it along.
      if (isSilent(modem)) return yield* breakSilence(modem);
    } else if (modem.now >= sleepAt) {
      if (powered(modem) !== true) return "asleep";
      // V_INT says that it is still awake: it sleeps when the network lets it.
      yield modem.wait(1000, stirred);
    } else if (modem.now >= checkAt) {
      yield* check(modem);
      checkAt = modem.now + config.checkInterval;
    }
  }
}

/** When PSM will have begun if nobody says anything more; `Infinity` without PSM. */
function expectedSleep(modem: Context): number {
  const { activeTime } = modem.granted;
  if (modem.config.powerSaving === undefined || activeTime === undefined) return Infinity;
  return modem.at.lastActivity + PSM_SILENCE + activeTime * 1000;
}

/** Registration, signal, data without a URC, and whether the modem still has our settings (trap 4). */
function* check(modem: Context): Routine<void> {
  yield* look(modem);
  yield* readSignal(modem);
  const { reporting } = modem.network;
  if (reporting !== undefined && reporting !== 2) modem.fault ??= "restarted";
  if (modem.config.hex) {
    yield modem.command("+UDCONF=1", {
      prefix: "+UDCONF:",
      onLine: (line) => {
        if (line.int() === 1 && line.int() !== 1) modem.fault ??= "restarted";
        return true;
      },
    });
  }
  if (modem.fault === undefined) yield* readAll(modem);
}

/** The steps against a path that takes everything and answers nothing, each harsher than the one before. */
function* breakSilence(modem: Context): Routine<Interruption> {
  modem.counters.add("silent-path");
  modem.unanswered = 0;
  const step = modem.silences++ % 3;
  if (step === 2) return "stuck";
  yield* closeSocket(modem);
  if (step === 1) {
    yield* toggleRadio(modem);
    modem.network.forget();
    return modem.fault ?? "register";
  }
  return modem.fault ?? "open";
}
