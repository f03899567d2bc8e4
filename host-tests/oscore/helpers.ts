import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeMessage, encodeMessage } from "../../firmware/coap/codec.js";
import type { CoapMessage, CoapOption } from "../../firmware/coap/message.js";
import { Type } from "../../firmware/coap/message.js";
import {
  type ContextParameters,
  deriveContext,
  type SecurityContext,
} from "../../firmware/oscore/context.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { DERIVATIONS, type DerivationVector } from "./vectors.js";

export function parametersOf(name: keyof typeof DERIVATIONS): ContextParameters {
  const vector: DerivationVector = DERIVATIONS[name];
  return {
    masterSecret: hex(vector.masterSecret),
    masterSalt: vector.masterSalt === undefined ? undefined : hex(vector.masterSalt),
    senderId: hex(vector.senderId),
    recipientId: hex(vector.recipientId),
    idContext: vector.idContext === undefined ? undefined : hex(vector.idContext),
  };
}

export function contextOf(name: keyof typeof DERIVATIONS): SecurityContext {
  return deriveContext(hostCrypto, parametersOf(name));
}

/** Both ends of one context. */
export function contextPair(parameters: Partial<ContextParameters> = {}): {
  client: SecurityContext;
  server: SecurityContext;
} {
  const client: ContextParameters = {
    masterSecret: hex("0102030405060708090a0b0c0d0e0f10"),
    masterSalt: hex("9e7ca92223786340"),
    senderId: hex(""),
    recipientId: hex("01"),
    ...parameters,
  };
  return {
    client: deriveContext(hostCrypto, client),
    server: deriveContext(hostCrypto, {
      ...client,
      senderId: client.recipientId,
      recipientId: client.senderId,
    }),
  };
}

/** The result, which must not be a refusal. */
export function taken<T>(result: T): Exclude<T, Refusal> {
  assert.ok(!(result instanceof Refusal), `refused: ${result}`);
  return result as Exclude<T, Refusal>;
}

/** The reason of a refusal; undefined for anything else. */
export function reasonOf(result: unknown): string | undefined {
  return result instanceof Refusal ? result.reason : undefined;
}

export function parse(text: string): CoapMessage {
  return taken(decodeMessage(hex(text)));
}

export function encode(message: CoapMessage): string {
  return toHex(encodeMessage(message));
}

export function message(code: number, options: CoapOption[] = [], payload = ""): CoapMessage {
  return {
    type: Type.CON,
    code,
    messageId: 0x1234,
    token: hex("4a"),
    options,
    payload: hex(payload),
  };
}
