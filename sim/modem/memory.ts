import { DEFAULT_SETTINGS } from "./settings.js";

/** A PDP context of +CGDCONT. */
export interface PdpContext {
  type: string;
  apn: string;
}

/** What the modem keeps without power. */
export class StoredSettings {
  /** +UMNOPROF */
  profile = 0;
  /** +URAT */
  rats: number[];
  readonly contexts = new Map<number, PdpContext>();
  /** +CPSMS: what is asked for; active from the next start on. */
  psm = { on: false, periodicUpdate: "01100000", activeTime: "00000000" };
  /** +CEDRXS: cycle by access technology. */
  readonly edrx = new Map<number, string>();
  /** +UPSV */
  uartSleep = 0;
  /** +COPS: 0 automatic, 2 deregistered */
  selection = 0;
  /** +IPR, stored by &W */
  baud = 115200;
  /** +CPIN: what the SIM asks for. */
  pin: string | undefined = DEFAULT_SETTINGS.pin;
  pinTries = 3;
  /** +CSGT: what the modem says when it has started. */
  greeting: string | undefined;
  /** Authentication of a context (+CGAUTH, +UAUTHREQ): only that there is one. */
  authenticated = false;

  constructor(rats: readonly number[]) {
    this.rats = rats.slice(0, 2);
    this.contexts.set(1, { type: "IP", apn: "" });
  }
}

/** What a restart brings back to its default. */
export class VolatileSettings {
  /** +CMEE */
  errors = 0;
  /** <n> of the registration commands */
  readonly reporting = new Map<string, number>([
    ["+CREG", 0],
    ["+CGREG", 0],
    ["+CEREG", 0],
  ]);
  /** The last URC of each, so that none is repeated without a change. */
  readonly reported = new Map<string, string>();
  /** +COPS format */
  operatorFormat = 0;
  /** +UDCONF=1 */
  hex = false;
  /** +CSCON */
  connectionReports = false;
  /** +UPSMR */
  psmReports = false;
  /** +CFUN */
  functionality = 1;
  pinEntered = false;
  simReady = false;
  /** Contexts that were deactivated by +CGACT. */
  contextOff = false;
  /** Parameters that are kept and given back and do nothing here. */
  readonly parameters = new Map<string, string>();
}
