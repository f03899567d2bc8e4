import assert from "node:assert/strict";
import * as fc from "fast-check";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import * as ask from "../../firmware/mesh/config-messages.js";
import { Config, Status } from "../../firmware/mesh/foundation.js";
import { ModelId, OPCODE_COAP_STATUS, VENDOR_MODEL_COAP } from "../../firmware/mesh/numbers.js";
import { Network } from "./test-network.js";
import { APP_KEY, DEVICE_KEY, NET_KEY } from "./vectors.js";

const CLIENT = 0x0001;
const SERVER = 0x1201;
const LABEL = hex("f4a002c7fb1e4ca0a469a021de0db875");
const OTHER_KEY = hex("000102030405060708090a0b0c0d0e0f");
const THIRD_KEY = hex("f00102030405060708090a0b0c0d0e0f");

function setUp(seed = 3) {
  const network = new Network(seed);
  const client = network.add(CLIENT, { configurationClient: true });
  const server = network.add(SERVER, { deviceKey: hex(DEVICE_KEY), elements: 2, friend: false });
  client.stack.keys.setRemoteDeviceKey(SERVER, hex(DEVICE_KEY));
  return { network, client, server };
}

describe("mesh Configuration Server and Client", () => {
  it("packs two key indexes as message #6 of the sample data has them", () => {
    const request = ask.appKeyAdd(0x456, 0x123, hex(APP_KEY));
    assert.equal(toHex(request.parameters), `563412${APP_KEY}`);
    assert.deepEqual(ask.readAppKeyStatus(hex("00563412")), [0x456, 0x123]);
  });

  it("tells its composition", () => {
    const { client } = setUp();
    const { parameters } = client.configure(SERVER, ask.compositionGet());
    // Company 0xFFFF, product and version 0, 64 replay entries, features relay and friend; two elements.
    assert.equal(parameters, "00ffff00000000400005000000020100000200ffff010000000000");
    assert.deepEqual(ask.readComposition(hex(parameters)), {
      companyId: 0xffff,
      productId: 0,
      versionId: 0,
      replayEntries: 64,
      features: 5,
      elements: [
        { location: 0, models: [ModelId.CONFIGURATION_SERVER, ModelId.HEALTH_SERVER, VENDOR_MODEL_COAP] },
        { location: 0, models: [] },
      ],
    });
    assert.equal(client.configure(SERVER, ask.compositionGet(0x80)).parameters, parameters);
  });

  it("sets and tells node states, and keeps them over a restart", () => {
    const { client, server } = setUp();
    assert.equal(client.configure(SERVER, ask.beaconGet()).parameters, "00");
    assert.equal(client.configure(SERVER, ask.beaconSet(true)).parameters, "01");
    assert.equal(client.configure(SERVER, ask.defaultTtlGet()).parameters, "05");
    assert.equal(client.configure(SERVER, ask.defaultTtlSet(9)).parameters, "09");
    assert.equal(client.configure(SERVER, ask.relayGet()).parameters, "0009");
    assert.equal(
      client.configure(SERVER, ask.relaySet(true, { count: 3, intervalMs: 30 })).parameters,
      "0112",
    );
    assert.equal(client.configure(SERVER, ask.networkTransmitGet()).parameters, "09");
    assert.equal(
      client.configure(SERVER, ask.networkTransmitSet({ count: 8, intervalMs: 320 })).parameters,
      "ff",
    );
    assert.equal(client.configure(SERVER, ask.friendGet()).parameters, "00");
    assert.equal(client.configure(SERVER, ask.friendSet(true)).parameters, "01");
    assert.equal(client.configure(SERVER, ask.gattProxyGet()).parameters, "02");
    assert.equal(client.configure(SERVER, ask.pollTimeoutGet(0x77)).parameters, "7700000000");
    assert.equal(client.configure(SERVER, ask.nodeIdentityGet(0)).parameters, "00000002");
    server.reboot();
    const { state } = server.stack;
    assert.equal(state.defaultTtl, 9);
    assert.deepEqual(
      [state.beacon, state.relay, state.friend, state.networkTransmit, state.relayRetransmit],
      [true, true, true, { count: 8, intervalMs: 320 }, { count: 3, intervalMs: 30 }],
    );
  });

  it("does not answer values that are prohibited, nor parameters of a wrong length", () => {
    const { network, client, server } = setUp();
    for (const [opcode, parameters] of [
      [Config.BEACON_SET, "02"],
      [Config.BEACON_SET, ""],
      [Config.BEACON_GET, "00"],
      [Config.DEFAULT_TTL_SET, "01"],
      [Config.DEFAULT_TTL_SET, "80"],
      [Config.RELAY_SET, "0200"],
      [Config.RELAY_SET, "01"],
      [Config.NETKEY_ADD, "0100aabb"],
      [Config.KEY_REFRESH_PHASE_SET, "000001"],
      [Config.MODEL_APP_BIND, "0112"],
      [Config.HEARTBEAT_SUBSCRIPTION_SET, "00c001c001"],
      [Config.HEARTBEAT_PUBLICATION_SET, "010012010500000000"],
      [Config.NODE_RESET, "00"],
      [Config.COMPOSITION_DATA_GET, ""],
      [0x8060, ""],
    ] as const) {
      const before = client.accesses.length;
      client.stack.send(SERVER, opcode, hex(parameters), { deviceKeyOf: SERVER });
      network.run(1000);
      assert.equal(client.accesses.length, before, `${opcode.toString(16)} ${parameters}`);
    }
    assert.equal(server.stack.counters.get("drop.configuration"), 15);
  });

  it("configures only by the node's own device key", () => {
    const { network, client, server } = setUp();
    client.stack.send(SERVER, Config.DEFAULT_TTL_SET, Uint8Array.of(9));
    network.run(1000);
    assert.equal(server.stack.state.defaultTtl, 5);
  });

  describe("keys", () => {
    const CASES: readonly [name: string, steps: readonly [ask.ConfigRequest, number, string?][]][] = [
      [
        "NetKeys",
        [
          [ask.netKeyGet(), -1, "0000"],
          [ask.netKeyAdd(0, hex(NET_KEY)), Status.SUCCESS, "000000"],
          [ask.netKeyAdd(0, OTHER_KEY), Status.KEY_INDEX_ALREADY_STORED, "060000"],
          [ask.netKeyAdd(0x123, OTHER_KEY), Status.SUCCESS, "002301"],
          [ask.netKeyGet(), -1, "003012"],
          [ask.netKeyUpdate(0x99, OTHER_KEY), Status.INVALID_NETKEY_INDEX],
          [ask.netKeyUpdate(0x123, OTHER_KEY), Status.KEY_INDEX_ALREADY_STORED],
          [ask.netKeyUpdate(0x123, THIRD_KEY), Status.SUCCESS],
          [ask.netKeyUpdate(0x123, THIRD_KEY), Status.SUCCESS],
          [ask.netKeyUpdate(0x123, hex(APP_KEY)), Status.CANNOT_UPDATE],
          [ask.keyRefreshPhaseGet(0x123), Status.SUCCESS, "00230101"],
          [ask.keyRefreshPhaseGet(0x77), Status.INVALID_NETKEY_INDEX, "04770000"],
          [ask.keyRefreshPhaseSet(0x123, 2), Status.SUCCESS, "00230102"],
          [ask.keyRefreshPhaseSet(0x123, 3), Status.SUCCESS, "00230100"],
          [ask.keyRefreshPhaseSet(0x123, 2), Status.CANNOT_UPDATE, "0b230100"],
          [ask.keyRefreshPhaseSet(0x123, 3), Status.SUCCESS, "00230100"],
          [ask.netKeyDelete(0), Status.CANNOT_REMOVE, "0c0000"],
          [ask.netKeyDelete(0x77), Status.SUCCESS],
          [ask.netKeyDelete(0x123), Status.SUCCESS],
          [ask.netKeyGet(), -1, "0000"],
          [ask.nodeIdentityGet(0x123), Status.INVALID_NETKEY_INDEX, "04230100"],
        ],
      ],
      [
        "AppKeys",
        [
          [ask.netKeyAdd(1, OTHER_KEY), Status.SUCCESS],
          [ask.appKeyGet(0), Status.SUCCESS, "0000000000"],
          [ask.appKeyAdd(0, 0, hex(APP_KEY)), Status.SUCCESS, "00000000"],
          [ask.appKeyAdd(0, 0, OTHER_KEY), Status.KEY_INDEX_ALREADY_STORED],
          [ask.appKeyAdd(1, 0, hex(APP_KEY)), Status.INVALID_NETKEY_INDEX],
          [ask.appKeyAdd(9, 1, OTHER_KEY), Status.INVALID_NETKEY_INDEX],
          [ask.appKeyAdd(0, 0x234, OTHER_KEY), Status.SUCCESS],
          [ask.appKeyGet(0), Status.SUCCESS, "000000004023"],
          [ask.appKeyGet(9), Status.INVALID_NETKEY_INDEX, "040900"],
          [ask.appKeyUpdate(0, 0x234, THIRD_KEY), Status.CANNOT_UPDATE],
          [ask.appKeyUpdate(0, 0x999, THIRD_KEY), Status.INVALID_APPKEY_INDEX],
          [ask.appKeyUpdate(9, 0x234, THIRD_KEY), Status.INVALID_NETKEY_INDEX],
          [ask.appKeyUpdate(1, 0x234, THIRD_KEY), Status.INVALID_BINDING],
          [ask.appKeyDelete(1, 0x234), Status.INVALID_BINDING],
          [ask.appKeyDelete(9, 0x234), Status.INVALID_NETKEY_INDEX],
          [ask.appKeyDelete(0, 0x999), Status.SUCCESS],
          [ask.appKeyDelete(0, 0x234), Status.SUCCESS],
          [ask.appKeyGet(0), Status.SUCCESS, "0000000000"],
        ],
      ],
    ];
    for (const [name, steps] of CASES) {
      it(`${name}: every status code`, () => {
        const { client } = setUp();
        steps.forEach(([request, status, parameters], i) => {
          const answer = client.configure(SERVER, request);
          if (status >= 0) assert.equal(answer.status, status, `step ${i}`);
          if (parameters !== undefined) assert.equal(answer.parameters, parameters, `step ${i}`);
        });
      });
    }

    it("are limited, and what does not fit is refused", () => {
      const { client } = setUp();
      const statuses = Array.from({ length: 10 }, (_, i) => {
        const key = new Uint8Array(16).fill(i);
        return [
          client.configure(SERVER, ask.netKeyAdd(i + 1, key)).status,
          client.configure(SERVER, ask.appKeyAdd(0, i + 1, key)).status,
        ];
      });
      assert.deepEqual(statuses.at(0), [0, 0]);
      assert.deepEqual(statuses.at(-1), [Status.INSUFFICIENT_RESOURCES, Status.INSUFFICIENT_RESOURCES]);
    });
  });

  describe("models", () => {
    const MODEL = VENDOR_MODEL_COAP;

    it("binding: every status code", () => {
      const { client, server } = setUp();
      const status = (request: ask.ConfigRequest) => client.configure(SERVER, request).status;
      assert.equal(status(ask.modelAppBind(0x5555, 0, MODEL)), Status.INVALID_ADDRESS);
      assert.equal(status(ask.modelAppBind(SERVER, 0, 0x1234)), Status.INVALID_MODEL);
      assert.equal(status(ask.modelAppBind(SERVER + 1, 0, MODEL)), Status.INVALID_MODEL);
      assert.equal(status(ask.modelAppBind(SERVER, 7, MODEL)), Status.INVALID_APPKEY_INDEX);
      assert.equal(status(ask.modelAppBind(SERVER, 0, ModelId.CONFIGURATION_SERVER)), Status.CANNOT_BIND);
      assert.equal(status(ask.appKeyAdd(0, 7, OTHER_KEY)), Status.SUCCESS);
      assert.equal(status(ask.modelAppBind(SERVER, 7, MODEL)), Status.SUCCESS);
      assert.equal(
        client.configure(SERVER, ask.modelAppGet(SERVER, MODEL)).parameters,
        "000112ffff0100007000",
      );
      assert.equal(
        client.configure(SERVER, ask.modelAppGet(SERVER, ModelId.HEALTH_SERVER)).parameters,
        "00011202000000",
      );
      assert.equal(client.configure(SERVER, ask.modelAppGet(SERVER, 0x4444)).parameters, "0201124444");
      server.reboot();
      assert.deepEqual(server.stack.models.find(SERVER, MODEL)?.bindings, [0, 7]);
      assert.equal(status(ask.modelAppUnbind(SERVER, 7, MODEL)), Status.SUCCESS);
      assert.equal(status(ask.modelAppUnbind(SERVER, 7, MODEL)), Status.SUCCESS);
      assert.deepEqual(server.stack.models.find(SERVER, MODEL)?.bindings, [0]);
    });

    it("without its binding a model does not get the messages of an AppKey", () => {
      const { network, client, server } = setUp();
      client.stack.send(SERVER, OPCODE_COAP_STATUS, hex("01"));
      network.run(1000);
      client.configure(SERVER, ask.modelAppUnbind(SERVER, 0, MODEL));
      client.stack.send(SERVER, OPCODE_COAP_STATUS, hex("02"));
      network.run(1000);
      assert.deepEqual(server.heard, ["01"]);
    });

    it("publication: every status code", () => {
      const { client, server } = setUp();
      const set = (address: number | Uint8Array, more: Partial<ask.PublicationToSet> = {}, model = MODEL) =>
        client.configure(
          SERVER,
          ask.modelPublicationSet(SERVER, model, { address, appKeyIndex: 0, ttl: 7, ...more }),
        );
      assert.equal(set(0xc001, {}, 0x4321).status, Status.INVALID_MODEL);
      assert.equal(set(0xc001, { appKeyIndex: 5 }).status, Status.INVALID_APPKEY_INDEX);
      assert.equal(set(0xff55).status, Status.INVALID_PUBLISH_PARAMETERS);
      assert.equal(set(0xc001, {}, ModelId.CONFIGURATION_SERVER).status, Status.INVALID_PUBLISH_PARAMETERS);
      assert.equal(set(0xc001, { friendshipCredentials: true }).status, Status.FEATURE_NOT_SUPPORTED);
      assert.equal(
        set(0xc001, { period: 0x4a, retransmit: 0x0b }).parameters,
        "00011201c00000074a0bffff0100",
      );
      assert.equal(set(LABEL, { ttl: 0xff }).parameters, "000112369700" + "00ff0000ffff0100");
      server.reboot();
      assert.equal(
        client.configure(SERVER, ask.modelPublicationGet(SERVER, MODEL)).parameters,
        "000112369700" + "00ff0000ffff0100",
      );
      assert.equal(toHex(server.stack.models.find(SERVER, MODEL)!.publication!.label!), toHex(LABEL));
      assert.equal(set(0).parameters, "00011200000000000000ffff0100");
      assert.equal(
        client.configure(SERVER, ask.modelPublicationGet(SERVER, 0x4321)).parameters,
        "020112000000000000002143",
      );
    });

    it("subscription: every status code, and what it does", () => {
      const { network, client, server } = setUp();
      const status = (request: ask.ConfigRequest) => client.configure(SERVER, request).status;
      const heard = (group: number, label?: Uint8Array) => {
        server.heard.length = 0;
        client.stack.send(group, OPCODE_COAP_STATUS, hex("2a"), label === undefined ? {} : { label });
        network.run(1000);
        return server.heard.length;
      };
      assert.equal(status(ask.modelSubscriptionAdd(0x5555, 0xc001, MODEL)), Status.INVALID_ADDRESS);
      assert.equal(status(ask.modelSubscriptionAdd(SERVER, 0xffff, MODEL)), Status.INVALID_ADDRESS);
      assert.equal(status(ask.modelSubscriptionAdd(SERVER, 0x0005, MODEL)), Status.INVALID_ADDRESS);
      assert.equal(status(ask.modelSubscriptionAdd(SERVER, 0x8005, MODEL)), Status.INVALID_ADDRESS);
      assert.equal(status(ask.modelSubscriptionAdd(SERVER, 0xc001, 0x4321)), Status.INVALID_MODEL);
      assert.equal(
        status(ask.modelSubscriptionAdd(SERVER, 0xc001, ModelId.CONFIGURATION_SERVER)),
        Status.NOT_A_SUBSCRIBE_MODEL,
      );
      assert.equal(heard(0xc001), 0);
      assert.equal(status(ask.modelSubscriptionAdd(SERVER, 0xc001, MODEL)), Status.SUCCESS);
      assert.equal(heard(0xc001), 1);
      assert.equal(
        client.configure(SERVER, ask.modelSubscriptionAdd(SERVER, LABEL, MODEL)).parameters,
        "0001123697ffff0100",
      );
      assert.equal(heard(0x9736, LABEL), 1);
      assert.equal(
        client.configure(SERVER, ask.modelSubscriptionGet(SERVER, MODEL)).parameters,
        "000112ffff010001c03697",
      );
      server.reboot();
      assert.equal(heard(0xc001) + heard(0x9736, LABEL), 2);
      assert.equal(status(ask.modelSubscriptionDelete(SERVER, 0xc001, MODEL)), Status.SUCCESS);
      assert.equal(heard(0xc001), 0);
      assert.equal(status(ask.modelSubscriptionOverwrite(SERVER, 0xc002, MODEL)), Status.SUCCESS);
      assert.equal(heard(0xc002) + heard(0x9736, LABEL), 1);
      assert.equal(status(ask.modelSubscriptionOverwrite(SERVER, LABEL, MODEL)), Status.SUCCESS);
      assert.equal(heard(0xc002) + heard(0x9736, LABEL), 1);
      assert.equal(status(ask.modelSubscriptionDelete(SERVER, LABEL, MODEL)), Status.SUCCESS);
      assert.equal(status(ask.modelSubscriptionAdd(SERVER, 0xc003, MODEL)), Status.SUCCESS);
      assert.equal(status(ask.modelSubscriptionDeleteAll(SERVER, MODEL)), Status.SUCCESS);
      assert.equal(heard(0xc003), 0);
      for (let i = 0; i < 16; i++) {
        assert.equal(status(ask.modelSubscriptionAdd(SERVER, 0xc100 + i, MODEL)), Status.SUCCESS);
      }
      assert.equal(status(ask.modelSubscriptionAdd(SERVER, 0xc200, MODEL)), Status.INSUFFICIENT_RESOURCES);
    });

    it("publishes by period, with retransmissions, at its TTL", () => {
      const { network, client, server } = setUp();
      client.configure(
        SERVER,
        // Every 5 s, repeated twice 100 ms apart.
        ask.modelPublicationSet(SERVER, MODEL, {
          address: CLIENT,
          appKeyIndex: 0,
          ttl: 9,
          period: 0x45,
          retransmit: 0x0a,
        }),
      );
      server.stack.onPublishDue = () => {
        server.stack.publish(OPCODE_COAP_STATUS, hex("7e"));
      };
      client.heard.length = 0;
      network.run(20_500);
      assert.equal(client.heard.length, 12, "four periods, three messages each");
      assert.equal(client.messages.at(-1)?.ttl, 9);
      client.configure(
        SERVER,
        ask.modelPublicationSet(SERVER, MODEL, { address: 0, appKeyIndex: 0, ttl: 0 }),
      );
      client.heard.length = 0;
      network.run(20_000);
      assert.equal(client.heard.length, 0);
    });
  });

  it("node reset: answers, forgets everything, and is silent from then on", () => {
    const { network, client, server } = setUp();
    let gone = 0;
    server.stack.onReset = () => {
      gone++;
    };
    client.configure(SERVER, ask.appKeyAdd(0, 5, OTHER_KEY));
    client.configure(SERVER, ask.nodeReset());
    assert.equal(gone, 0, "the answer leaves first");
    network.run(3000);
    assert.equal(gone, 1);
    const left = JSON.stringify([...server.store.image().values()].map(toHex));
    for (const key of [NET_KEY, APP_KEY, DEVICE_KEY, toHex(OTHER_KEY)]) assert.ok(!left.includes(key));
    assert.equal(server.stack.send(CLIENT, OPCODE_COAP_STATUS, hex("00")), false);
    client.stack.send(SERVER, OPCODE_COAP_STATUS, hex("00"));
    network.run(1000);
    assert.deepEqual(server.heard, []);
    assert.equal(server.stack.deadline, Number.POSITIVE_INFINITY);
  });

  it("a node that is provisioned anew forgets its old configuration, but no number in the same network", () => {
    const { network, client, server } = setUp();
    client.configure(SERVER, ask.defaultTtlSet(9));
    server.stack.flush();
    server.off();
    server.on({ deviceKey: OTHER_KEY });
    assert.equal(server.stack.state.defaultTtl, 5);
    server.stack.send(CLIENT, OPCODE_COAP_STATUS, hex("11"));
    network.run(1000);
    assert.deepEqual(client.heard, ["11"], "not dropped as a replay");
  });

  it("any parameters to any opcode: never an exception, and the node can be configured afterwards", () => {
    const { client, server } = setUp();
    const opcodes = Object.values(Config).filter((opcode) => opcode !== Config.NODE_RESET);
    fc.assert(
      fc.property(fc.constantFrom(...opcodes), fc.uint8Array({ maxLength: 30 }), (opcode, parameters) => {
        server.stack.send(SERVER, opcode, parameters, { deviceKeyOf: SERVER });
        server.stack.tick(0);
      }),
      { numRuns: 2000 },
    );
    assert.equal(client.configure(SERVER, ask.beaconSet(false)).parameters, "00");
  });
});

describe("mesh Health Server", () => {
  function message(opcode: number, parameters: string) {
    const { network, client, server } = setUp();
    return {
      network,
      client,
      server,
      ask(op = opcode, params = parameters): string | undefined {
        client.accesses.length = 0;
        client.stack.send(SERVER, op, hex(params));
        network.run(1000);
        const [answer] = client.accesses;
        return answer === undefined ? undefined : `${answer.opcode.toString(16)} ${toHex(answer.parameters)}`;
      },
    };
  }

  it("tells, tests and clears faults", () => {
    const { server, ask: say } = message(0, "");
    assert.equal(say(0x8031, "ffff"), "5 00ffff");
    server.stack.health.raise(0x01);
    server.stack.health.raise(0x07);
    server.stack.health.settle(0x07);
    assert.equal(say(0x8031, "ffff"), "5 00ffff0107");
    assert.equal(toHex(server.stack.health.currentStatus()), "00ffff01");
    assert.equal(say(0x8032, "2affff"), "5 2affff0107");
    assert.equal(say(0x802f, "ffff"), "5 2affff");
    assert.equal(say(0x8030, "ffff"), undefined);
    assert.equal(say(0x8031, "5900"), undefined, "another company's");
  });

  it("draws attention for the time it was told", () => {
    const { server, network, ask: say } = message(0, "");
    const calls: number[] = [];
    server.stack.health.onAttention = (seconds) => calls.push(seconds);
    assert.equal(say(0x8005, "05"), "8007 05");
    assert.equal(say(0x8004, ""), "8007 04");
    network.run(5000);
    assert.deepEqual(calls, [5, 0]);
    assert.equal(say(0x8004, ""), "8007 00");
  });

  it("publishes its status faster while there are faults", () => {
    const { server, client, network, ask: say } = message(0, "");
    const set = ask.modelPublicationSet(SERVER, ModelId.HEALTH_SERVER, {
      address: CLIENT,
      appKeyIndex: 0,
      ttl: 5,
      period: 0x48,
    });
    assert.equal(client.configure(SERVER, set).status, Status.SUCCESS);
    assert.equal(say(0x8035, "03"), "8037 03");
    client.accesses.length = 0;
    network.run(24_500);
    const slow = client.accesses.length;
    server.stack.health.raise(2);
    network.run(24_500);
    const fast = client.accesses.length - slow;
    assert.ok(slow >= 2 && slow <= 3, `${slow}`);
    assert.ok(fast >= 16, `${fast}`);
  });
});
