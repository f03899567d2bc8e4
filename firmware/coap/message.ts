/**
 * CoAP's message, parsed (RFC 7252 §3). The codec is in codec.ts, numbers and names in numbers.ts, what is known about
 * each option in options.ts.
 */

/** Message types (RFC 7252 §3). */
export const Type = { CON: 0, NON: 1, ACK: 2, RST: 3 } as const;
export type Type = (typeof Type)[keyof typeof Type];

/** One option, its value still in bytes (RFC 7252 §3.1). */
export interface CoapOption {
  readonly number: number;
  readonly value: Uint8Array;
}

/** A message. `code` is class × 32 + detail, as in the header: 0x02 is POST, 0x44 is 2.04 Changed. */
export interface CoapMessage {
  type: Type;
  code: number;
  /** 16 bits */
  messageId: number;
  /** 0 to 8 bytes */
  token: Uint8Array;
  /** In ascending order of their numbers; repeated options in their own order. */
  options: CoapOption[];
  payload: Uint8Array;
}
