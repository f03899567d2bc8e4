import { text } from "../command-line.js";
import type { ModemCore } from "../core.js";
import {
  type CmeError,
  INCORRECT_PARAMETERS,
  INCORRECT_PASSWORD,
  NOT_ALLOWED,
  SIM_FAILURE,
  SIM_PIN_REQUIRED,
  SIM_PUK_REQUIRED,
} from "../errors.js";
import type { Handler } from "./commands.js";

/** Wrong PINs before the SIM wants its PUK. */
const PIN_TRIES = 3;

/** Why the SIM gives nothing away, or `undefined`. */
function obstacle(modem: ModemCore): CmeError | undefined {
  // A SIM that is not ready reports failure for a while after the start, too (trap 6).
  if (!modem.volatile.simReady || modem.clock.now() < modem.faults.simFailureUntil) return SIM_FAILURE;
  if (modem.stored.pinTries === 0) return SIM_PUK_REQUIRED;
  if (modem.stored.pin !== undefined && !modem.volatile.pinEntered) return SIM_PIN_REQUIRED;
  return undefined;
}

const pin: Handler = (modem, call, lines) => {
  const why = obstacle(modem);
  if (call.form === "test") return undefined;
  if (why === SIM_FAILURE) return why;
  if (call.form === "read") {
    if (why === undefined) lines.push("+CPIN: READY");
    else lines.push(why === SIM_PUK_REQUIRED ? "+CPIN: SIM PUK" : "+CPIN: SIM PIN");
    return undefined;
  }
  const entered = text(call, 0);
  if (entered === undefined) return INCORRECT_PARAMETERS;
  if (why === undefined) return NOT_ALLOWED;
  if (why === SIM_PUK_REQUIRED) {
    const fresh = text(call, 1);
    if (entered !== modem.settings.puk || fresh === undefined) return INCORRECT_PASSWORD;
    modem.stored.pin = fresh;
  } else if (entered !== modem.stored.pin) {
    modem.stored.pinTries--;
    modem.counters.add("wrong-pin");
    return INCORRECT_PASSWORD;
  }
  modem.stored.pinTries = PIN_TRIES;
  modem.volatile.pinEntered = true;
  modem.updateSim();
  return undefined;
};

/** A query that needs a working SIM. */
function fromSim(answer: (modem: ModemCore) => string | undefined): Handler {
  return (modem, call, lines) => {
    if (call.form === "test") return undefined;
    const why = obstacle(modem);
    if (why !== undefined) return why;
    const line = answer(modem);
    if (line !== undefined) lines.push(line);
    return undefined;
  };
}

/** +CLCK="SC": the PIN on and off; other facilities read as off. */
const lock: Handler = (modem, call, lines) => {
  if (call.form === "test") {
    lines.push('+CLCK: ("SC","FD","PN","PU","PP","PC","PS")');
    return undefined;
  }
  const facility = text(call, 0);
  const mode = text(call, 1);
  if (facility === undefined || mode === undefined) return INCORRECT_PARAMETERS;
  if (mode === "2") {
    lines.push(`+CLCK: ${facility === "SC" && modem.stored.pin !== undefined ? 1 : 0}`);
    return undefined;
  }
  const password = text(call, 2);
  if (facility !== "SC" || password === undefined) return NOT_ALLOWED;
  if (mode === "0") {
    if (modem.stored.pin !== undefined && password !== modem.stored.pin) return INCORRECT_PASSWORD;
    modem.stored.pin = undefined;
  } else {
    modem.stored.pin = password;
    modem.volatile.pinEntered = true;
  }
  return undefined;
};

const changePin: Handler = (modem, call) => {
  if (call.form === "test") return undefined;
  const fresh = text(call, 2);
  if (text(call, 0) !== "SC" || fresh === undefined) return INCORRECT_PARAMETERS;
  if (text(call, 1) !== modem.stored.pin) return INCORRECT_PASSWORD;
  modem.stored.pin = fresh;
  return undefined;
};

/** SIM commands (AT manual, "Security", "SIM management"). */
export const SIM_CARD: Readonly<Record<string, Handler>> = {
  "+CCID": fromSim((modem) => `+CCID: ${modem.settings.iccid}`),
  "+CIMI": fromSim((modem) => modem.settings.imsi),
  "+CLCK": lock,
  "+CNUM": fromSim(() => undefined),
  "+CPIN": pin,
  "+CPWD": changePin,
  "+ICCID": fromSim((modem) => `+ICCID: ${modem.settings.iccid}`),
  "+UPINCNT": (modem, call, lines) => {
    if (call.form === "execute" || call.form === "read")
      lines.push(`+UPINCNT: ${modem.stored.pinTries},3,10,10`);
    return undefined;
  },
};
