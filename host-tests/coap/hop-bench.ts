/** A CoAP hop with names that are known beforehand, and what passes it in hex. */

import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { CoapHop, type CoapHopOptions, type HopRefusal } from "../../firmware/coap/hop.js";
import { type CoapMessage, Type } from "../../firmware/coap/message.js";
import { Code } from "../../firmware/coap/numbers.js";
import { scripted } from "./network.js";

export const NONE = new Uint8Array(0);
export const NODE = 0x0012;
export const OTHER = 0x0100;

/** A hop whose first names are known: IDs 1000 upstream and 2000 in the mesh, tokens aa00 and b0. */
export function hopOf(options: Partial<CoapHopOptions> = {}): CoapHop {
  return new CoapHop({ random: scripted([0x10, 0x00, 0x20, 0x00], [0xaa, 0x00], [0xb0]), ...options });
}

export function up(hop: CoapHop, source: number, bytes: string, now = 0): string {
  const datagram = hex(bytes);
  const result = hop.fromMesh(source, datagram, now);
  // A datagram lives during the call only.
  datagram.fill(0xff);
  return result instanceof Refusal ? refusal(result) : toHex(result);
}

export function down(hop: CoapHop, bytes: string, now = 0): string {
  const datagram = hex(bytes);
  const result = hop.fromUpstream(datagram, now);
  datagram.fill(0xff);
  if (result instanceof Refusal) return refusal(result);
  return `${result.destination.toString(16).padStart(4, "0")} ${toHex(result.bytes)}`;
}

export function refusal(refused: HopRefusal): string {
  return `${refused.reason}${refused.answer === undefined ? "" : ` ${toHex(refused.answer)}`}`;
}

export function message(parts: Partial<CoapMessage>): CoapMessage {
  return {
    type: Type.CON,
    code: Code.GET,
    messageId: 1,
    token: NONE,
    options: [],
    payload: NONE,
    ...parts,
  };
}
