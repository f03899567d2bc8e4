import { asciiLowerCase } from "../bytes/case.js";
import type { Rat } from "./config.js";
import type { Context } from "./context.js";
import { reboot } from "./power.js";
import { savePower } from "./power-saving.js";
import type { Routine } from "./routine.js";
import { closeAll } from "./sockets.js";

/** +URAT's numbers. */
const RAT_NUMBER: Readonly<Record<Rat, number>> = { "lte-m": 7, "nb-iot": 8, gprs: 9 };

function onlyDigits(text: string | undefined): boolean {
  if (text === undefined) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 48 || code > 57) return false;
  }
  return text.length > 0;
}

/**
 * Everything between a listening modem and the search for a network. Reboots when a setting needs it.
 * @returns whether the modem was rebooted, so that the course begins anew
 */
export function* setUp(modem: Context): Routine<boolean> {
  yield modem.command("+CMEE=2");
  yield* identify(modem);
  if (!(yield* unlockSim(modem))) return false;
  yield* identifySim(modem);
  yield modem.command(modem.config.hex ? "+UDCONF=1,1" : "+UDCONF=1,0");
  const profile = yield* setProfile(modem);
  const rat = yield* setRat(modem);
  const saving = yield* savePower(modem);
  if (profile || rat || saving) {
    if (modem.fault === undefined) yield* reboot(modem);
    return true;
  }
  yield* setContext(modem);
  // Form 2 has cell and technology. The URC also tells of coverage that is lost and found.
  yield modem.command("+CEREG=2");
  yield* closeAll(modem);
  return false;
}

function* identify(modem: Context): Routine<void> {
  const identity = modem.identity;
  const model = modem.query("+CGMM", "");
  yield model;
  identity.model = model.answer ?? identity.model;
  // ATI9 has the application version too; older firmware answers +CGMR only.
  for (const command of ["I9", "+CGMR"]) {
    const firmware = modem.query(command, "");
    yield firmware;
    if (!firmware.ok) continue;
    identity.firmware = firmware.answer;
    break;
  }
  const imei = modem.query("+CGSN", "");
  yield imei;
  if (onlyDigits(imei.answer)) identity.imei = imei.answer;
}

function* identifySim(modem: Context): Routine<void> {
  const imsi = modem.query("+CIMI", "", 10000);
  yield imsi;
  if (onlyDigits(imsi.answer)) modem.identity.imsi = imsi.answer;
  const iccid = modem.query("+CCID", "+CCID:");
  yield iccid;
  modem.identity.iccid = iccid.answer ?? modem.identity.iccid;
}

/**
 * Waits for the SIM: after a start it may report failure or nothing for seconds (trap 6).
 * @returns false when it does not come, with the fault noted
 */
function* unlockSim(modem: Context): Routine<boolean> {
  let until = modem.now + modem.timing.simPatience;
  for (;;) {
    const query = modem.query("+CPIN?", "+CPIN:", 10000);
    yield query;
    if (modem.fault !== undefined) return false;
    const state = query.ok ? query.answer : undefined;
    if (state === "READY") return true;
    if (state === "SIM PIN") {
      if (!(yield* enterPin(modem))) until = modem.now + modem.timing.simPatience;
    } else if (state !== undefined) {
      // PUK and the like: nothing that this side could or should do. Look again now and then.
      modem.counters.add("sim-locked");
      yield modem.wait(60000);
      until = modem.now + modem.timing.simPatience;
    } else {
      modem.counters.add("sim-not-ready");
      yield modem.wait(2000);
    }
    if (modem.now >= until) {
      modem.fault ??= "stuck";
      return false;
    }
  }
}

/**
 * A wrong PIN is tried once and never again: the third try would lock the SIM.
 * @returns false when there is no PIN to try, after a while
 */
function* enterPin(modem: Context): Routine<boolean> {
  const pin = modem.config.simPin;
  if (pin === undefined || modem.pinRefused) {
    modem.counters.add(pin === undefined ? "sim-pin-missing" : "sim-pin-refused");
    yield modem.wait(60000);
    return false;
  }
  const entry = modem.command("+CPIN=", { limit: 10000, write: (writer) => writer.string(pin) });
  yield entry;
  if (entry.outcome === "error") modem.pinRefused = true;
  else yield modem.wait(1000);
  return true;
}

/** Operator profile; it takes effect with a reboot and must be set while deregistered. */
function* setProfile(modem: Context): Routine<boolean> {
  const wanted = modem.config.operatorProfile;
  if (wanted === undefined) return false;
  const profile = modem.query("+UMNOPROF?", "+UMNOPROF:");
  yield profile;
  if (profile.answer === undefined || Number.parseInt(profile.answer, 10) === wanted) return false;
  if (!modem.mayAttempt("operator profile")) return false;
  yield* deregister(modem);
  const setting = modem.command(`+UMNOPROF=${wanted}`);
  yield setting;
  return setting.ok;
}

/** Radio technologies in their order; likewise. */
function* setRat(modem: Context): Routine<boolean> {
  if (modem.config.rat === undefined) return false;
  const wanted = modem.config.rat.map((rat) => RAT_NUMBER[rat]).join(",");
  const rat = modem.query("+URAT?", "+URAT:");
  yield rat;
  if (rat.answer === undefined || rat.answer.split(" ").join("") === wanted) return false;
  if (!modem.mayAttempt("radio technology")) return false;
  yield* deregister(modem);
  const setting = modem.command(`+URAT=${wanted}`);
  yield setting;
  return setting.ok;
}

function* deregister(modem: Context): Routine<void> {
  const selection = modem.command("+COPS=2", { limit: 180000 });
  yield selection;
  if (!selection.ok) yield modem.command("+CFUN=4", { limit: 180000 });
}

/** The APN. The PDP context comes up with the attach, so a new one needs a new attach. */
function* setContext(modem: Context): Routine<void> {
  const { apn } = modem.config;
  let right = false;
  yield modem.command("+CGDCONT?", {
    prefix: "+CGDCONT:",
    optional: true,
    onLine: (line) => {
      if (line.int() === 1) {
        const type = line.string();
        const name = line.string();
        right = type === "IP" && name !== undefined && asciiLowerCase(name) === asciiLowerCase(apn);
      }
      return true;
    },
  });
  if (!right && modem.mayAttempt("context")) {
    yield modem.command("+CFUN=4", { limit: 180000 });
    yield modem.command("+CGDCONT=1,", { write: (writer) => writer.string("IP").text(",").string(apn) });
  }
  const radio = modem.query("+CFUN?", "+CFUN:");
  yield radio;
  if (radio.answer !== undefined && Number.parseInt(radio.answer, 10) !== 1)
    yield modem.command("+CFUN=1", { limit: 180000 });
}
