/** +CME ERROR numbers and texts (3GPP TS 27.007 §9.2; u-blox AT manual, appendix "Error result codes"). */
const TEXTS: Readonly<Record<number, string>> = {
  0: "phone failure",
  3: "operation not allowed",
  4: "operation not supported",
  10: "SIM not inserted",
  11: "SIM PIN required",
  12: "SIM PUK required",
  13: "SIM failure",
  14: "SIM busy",
  15: "SIM wrong",
  16: "incorrect password",
  20: "memory full",
  21: "invalid index",
  22: "not found",
  24: "text string too long",
  25: "invalid characters in text string",
  30: "no network service",
  31: "network timeout",
  32: "network not allowed - emergency calls only",
  50: "Incorrect parameters",
  100: "unknown",
  148: "unspecified GPRS error",
};

/** An answer to a command that was not carried out. */
export class CmeError {
  readonly code: number;

  constructor(code: number) {
    this.code = code;
  }

  get text(): string {
    return TEXTS[this.code] ?? "unknown";
  }
}

export const NOT_ALLOWED = new CmeError(3);
export const NOT_SUPPORTED = new CmeError(4);
export const SIM_PIN_REQUIRED = new CmeError(11);
export const SIM_PUK_REQUIRED = new CmeError(12);
export const SIM_FAILURE = new CmeError(13);
export const INCORRECT_PASSWORD = new CmeError(16);
export const NO_NETWORK = new CmeError(30);
export const NETWORK_TIMEOUT = new CmeError(31);
export const INCORRECT_PARAMETERS = new CmeError(50);

/** `ERROR` without a number, whatever +CMEE says: a command that the modem does not know. */
export const PLAIN_ERROR = new CmeError(-1);
