/** A client and a server that talk without a network, for the tests of sessions. */

import assert from "node:assert/strict";
import { hex } from "../../firmware/bytes/hex.js";
import type { CoapMessage } from "../../firmware/coap/message.js";
import { Code, OptionNumber } from "../../firmware/coap/numbers.js";
import { getString, stringOption } from "../../firmware/coap/options.js";
import { OscoreClient, type OscoreClientOptions } from "../../firmware/oscore/client.js";
import type { ContextParameters } from "../../firmware/oscore/context.js";
import type { ContextPolicy, TableContext } from "../../firmware/oscore/context-table.js";
import { MemoryContextStore } from "../../firmware/oscore/memory-store.js";
import { OscoreServer, type SecureRequest } from "../../firmware/oscore/server.js";
import { StoredState } from "../../firmware/oscore/state.js";
import type { ContextStore } from "../../firmware/oscore/store.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { MemoryStore } from "../../hal/host/storage.js";
import { message, taken } from "./helpers.js";

export const CLIENT: ContextParameters = {
  masterSecret: hex("0102030405060708090a0b0c0d0e0f10"),
  masterSalt: hex("9e7ca92223786340"),
  senderId: hex(""),
  recipientId: hex("01"),
};
export const SERVER: ContextParameters = { ...CLIENT, senderId: hex("01"), recipientId: hex("") };

/** A server that answers 2.05 with what it was asked, and remembers all it ever let pass. */
export class TestServer {
  readonly accepted: string[] = [];
  readonly reasons: string[] = [];
  readonly requests: SecureRequest<TableContext>[] = [];
  readonly server: OscoreServer<TableContext>;
  now = 1000;

  constructor(store: ContextStore<TableContext>, rederivations?: number) {
    this.server = new OscoreServer({ crypto: hostCrypto, store, rederivations });
  }

  handle(outer: CoapMessage): CoapMessage {
    let response: CoapMessage | undefined;
    const taken = this.server.receive(outer, this.now, {
      accepted: (request) => {
        const path = getString(request.message, OptionNumber.URI_PATH) ?? "";
        this.accepted.push(path);
        this.requests.push(request);
        const answer = { ...message(Code.CONTENT), payload: request.message.payload };
        response = this.server.protect(request, answer) as CoapMessage;
      },
      answered: (answer, reason) => {
        this.reasons.push(reason);
        response = { ...message(answer.code), options: [...answer.options], payload: answer.payload };
      },
    });
    assert.ok(taken);
    assert.ok(response, "the store of these tests answers at once");
    return response;
  }
}

export function newClient(
  options: Partial<OscoreClientOptions> = {},
  values = new MemoryStore(),
): OscoreClient {
  const state = new StoredState(values, "oscore");
  if (values.get("oscore") === undefined && options.rederive !== true) state.initialize();
  return new OscoreClient({ crypto: hostCrypto, parameters: CLIENT, state, ...options });
}

export function memoryServer(policy: ContextPolicy = {}, parameters = SERVER): TestServer {
  const store = new MemoryContextStore(hostCrypto);
  store.add(parameters, policy);
  return new TestServer(store);
}

export const ask = (path: string) => message(Code.GET, [stringOption(OptionNumber.URI_PATH, path)], "aabb");

/** Lets an exchange run to its end. @returns the answer and the outer requests that it took */
export function converse(
  client: OscoreClient,
  server: TestServer,
  path: string,
): { answer: CoapMessage; sent: CoapMessage[] } {
  const exchange = taken(client.request(ask(path)));
  let outer = exchange.outer;
  const sent: CoapMessage[] = [];
  for (let i = 0; i < 10; i++) {
    sent.push(outer);
    const verdict = taken(exchange.receive(server.handle(outer)));
    if (verdict.kind === "response") return { answer: verdict.message, sent };
    outer = verdict.outer;
  }
  assert.fail("no end");
}
