/** No-Response (RFC 7967): which answers a client does not want. */

import { codeClass, OptionNumber } from "./numbers.js";
import { getUint, type HasOptions } from "./options.js";

/** Bits of the option's value (RFC 7967 §2.1, table 2). */
export const NoResponse = {
  /** 2.xx */
  SUCCESS: 2,
  /** 4.xx */
  CLIENT_ERROR: 8,
  /** 5.xx */
  SERVER_ERROR: 16,
  /** none at all */
  ALL: 26,
} as const;

/** Whether the client of this request does not want an answer with that code. An empty option wants all. */
export function isUnwanted(request: HasOptions, code: number): boolean {
  const value = getUint(request, OptionNumber.NO_RESPONSE) ?? 0;
  return (value & (1 << (codeClass(code) - 1))) !== 0;
}
