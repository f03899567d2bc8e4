import { Refusal } from "../firmware/bytes/refusal.js";
import { decodeMessage } from "../firmware/coap/codec.js";
import { deriveContext, type SecurityContext } from "../firmware/oscore/context.js";
import { unprotectRequest } from "../firmware/oscore/unprotect.js";
import type { Crypto } from "../hal/hal.js";
import { iso, type ReadingJson } from "./model.js";
import { parametersOf } from "./registry.js";
import { understand } from "./report.js";
import type { SealedMessage, Store } from "./store/store.js";
import type { Vault } from "./vault.js";

const PAGE = 1000;

/** What a sealed message said; or why it does not open. */
export interface Unsealed {
  readonly message: SealedMessage;
  readonly readings: readonly ReadingJson[];
  readonly refusal: string | undefined;
}

/**
 * Opens messages that were kept as received (DESIGN §4.10). Needs the store, and the key that its nodes' keys are sealed
 * under; no server has to run.
 * @param name of a device by its number
 */
export async function* unseal(
  store: Store,
  vault: Vault,
  crypto: Crypto,
  name: (node: number) => string | undefined,
  node?: number,
): AsyncGenerator<Unsealed> {
  const contexts = new Map<number, SecurityContext | undefined>();
  let after = { context: -1, partialIv: -1 };
  for (;;) {
    const page = await store.sealed({ ...(node !== undefined && { node }), after, limit: PAGE });
    for (const message of page) {
      if (!contexts.has(message.context)) contexts.set(message.context, contextOf(message, vault, crypto));
      yield open(message, contexts.get(message.context), name(message.node) ?? "");
    }
    if (page.length < PAGE) return;
    const { context, partialIv } = page[page.length - 1];
    after = { context, partialIv };
  }
}

function contextOf({ keys }: SealedMessage, vault: Vault, crypto: Crypto): SecurityContext | undefined {
  const opened = keys === null ? undefined : vault.open(keys);
  return opened && deriveContext(crypto, parametersOf(opened));
}

function open(message: SealedMessage, context: SecurityContext | undefined, node: string): Unsealed {
  const failed = (refusal: string): Unsealed => ({ message, readings: [], refusal });
  if (context === undefined) return failed("keys are missing, or sealed under another key");
  const outer = decodeMessage(message.message);
  if (outer instanceof Refusal) return failed(`${outer}`);
  const request = unprotectRequest(context, outer);
  if (request instanceof Refusal) return failed(`${request}`);
  const { report, refusal } = understand(request.message, request.partialIv);
  if (report?.kind !== "readings") return failed(refusal ?? "no readings inside");
  const { received } = message;
  const readings = report.readings.map(({ age, temperature, humidity, battery }) => ({
    node,
    time: iso(received - age * 1000),
    ...(temperature !== undefined && { temperature: temperature / 100 }),
    ...(humidity !== undefined && { humidity: humidity / 100 }),
    ...(battery !== undefined && { battery: battery / 1000 }),
    received: iso(received),
  }));
  return { message, readings, refusal: undefined };
}
