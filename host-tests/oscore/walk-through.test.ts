/** The walk-through of firmware/oscore/README.md, as it stands there. */

import assert from "node:assert/strict";
import { hex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { MessageLayer } from "../../firmware/coap/message-layer.js";
import { Code } from "../../firmware/coap/numbers.js";
import { pathOptions } from "../../firmware/coap/options.js";
import { OscoreClient } from "../../firmware/oscore/client.js";
import type { TableContext } from "../../firmware/oscore/context-table.js";
import { KeyValueContextStore } from "../../firmware/oscore/key-value-store.js";
import { SecureClient } from "../../firmware/oscore/secure-client.js";
import { SecureServer } from "../../firmware/oscore/secure-server.js";
import { OscoreServer } from "../../firmware/oscore/server.js";
import { StoredState } from "../../firmware/oscore/state.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { MemoryStore } from "../../hal/host/storage.js";
import { Network } from "../coap/network.js";

describe("the walk-through", () => {
  it("runs as it is written", () => {
    const network = new Network();
    const random = (length: number) => hostCrypto.random(length);
    const [serverStorage, clientStorage] = [new MemoryStore(), new MemoryStore()];

    // 1. What both have agreed on. Each writes it from its own side: our ID is the sender's.
    const secrets = {
      masterSecret: hex("0102030405060708090a0b0c0d0e0f10"),
      masterSalt: hex("9e7ca92223786340"),
    };
    const clientSide = { ...secrets, senderId: hex(""), recipientId: hex("01") };
    const serverSide = { ...secrets, senderId: hex("01"), recipientId: hex("") };

    // 2. Provisioning: once for each key, and never again.
    const contexts = new KeyValueContextStore(hostCrypto, serverStorage);
    contexts.add(serverSide, { rederivable: true });
    const state = new StoredState(clientStorage, "oscore");
    state.initialize();

    // 3. The server: a message layer below, an application above.
    const server: SecureServer<TableContext> = new SecureServer({
      layer: () => serverLayer,
      oscore: new OscoreServer({ crypto: hostCrypto, store: contexts }),
      handle: ({ message, context, respond }, now) => {
        if (context === undefined) respond({ code: Code.UNAUTHORIZED, options: [], payload: hex("") }, now);
        else respond({ code: Code.CHANGED, options: [], payload: message.payload }, now);
      },
    });
    const serverLayer = new MessageLayer({
      send: network.sender("server"),
      random,
      onRequest: (exchange, now) => server.onRequest(exchange, now),
    });

    // 4. The client.
    const clientLayer = new MessageLayer({ send: network.sender("client"), random });
    const client = new SecureClient({
      layer: clientLayer,
      endpoint: "server",
      oscore: new OscoreClient({ crypto: hostCrypto, parameters: clientSide, state, rederive: true }),
    });
    network.attach("server", serverLayer);
    network.attach("client", clientLayer);

    // 5. A request.
    let answer = "";
    client.request(
      { code: Code.POST, options: pathOptions("r"), payload: hex("0bb8") },
      {
        onResponse: ({ code, payload }) => {
          answer = `${code} ${payload.length}`;
        },
        onFailure: (failure) => {
          answer = failure;
        },
      },
      network.now,
    );
    network.run(1000);
    assert.equal(answer, `${Code.CHANGED} 2`);

    // 6. After a restart the client goes on above all numbers that it can have used.
    const again = new OscoreClient({
      crypto: hostCrypto,
      parameters: clientSide,
      state: new StoredState(clientStorage, "oscore"),
    });
    const next = again.request({
      type: 0,
      code: Code.GET,
      messageId: 0,
      token: hex(""),
      options: [],
      payload: hex(""),
    });
    assert.ok(!(next instanceof Refusal));
    assert.equal(next.partialIv, 64);
  });
});
