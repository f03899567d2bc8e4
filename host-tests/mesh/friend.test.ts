import assert from "node:assert/strict";
import * as fc from "fast-check";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import * as ask from "../../firmware/mesh/config-messages.js";
import { Status } from "../../firmware/mesh/foundation.js";
import {
  decodeFriendClear,
  decodeFriendOffer,
  decodeFriendRequest,
  decodeFriendUpdate,
  decodeSubscriptions,
  encodeFriendOffer,
  encodeFriendRequest,
  encodeFriendUpdate,
} from "../../firmware/mesh/friendship.js";
import { Feature, OPCODE_COAP_STATUS, VENDOR_MODEL_COAP } from "../../firmware/mesh/numbers.js";
import type { MeshSendOutcome } from "../../hal/hal.js";
import type { MediumOptions } from "./medium.js";
import { Network, type Node } from "./test-network.js";

describe("mesh friendship messages: sample data of section 8.3", () => {
  it("#1 Friend Request", () => {
    const bytes = hex("4b50057e400000010000");
    const request = decodeFriendRequest(bytes)!;
    assert.deepEqual(request, {
      rssiFactor: 2,
      windowFactor: 1,
      minQueueSizeLog: 3,
      receiveDelay: 0x50,
      pollTimeout: 0x057e40,
      previousAddress: 0,
      elements: 1,
      counter: 0,
    });
    assert.deepEqual(encodeFriendRequest(request), bytes);
  });

  it("#2 and #3 Friend Offers, #5 Friend Update", () => {
    assert.deepEqual(decodeFriendOffer(hex("320308ba072f")), {
      receiveWindow: 50,
      queueSize: 3,
      subscriptionListSize: 8,
      rssi: -70,
      counter: 0x072f,
    });
    assert.equal(toHex(encodeFriendOffer(decodeFriendOffer(hex("fa0205a6000a"))!)), "fa0205a6000a");
    const update = decodeFriendUpdate(hex("001234567800"))!;
    assert.deepEqual(update, {
      keyRefresh: false,
      ivUpdate: false,
      ivIndex: 0x12345678,
      moreData: false,
    });
    assert.equal(toHex(encodeFriendUpdate(update)), "001234567800");
  });

  it("prohibited values and wrong lengths are refused", () => {
    for (const wrong of [
      "4850057e400000010000",
      "4b09057e400000010000",
      "4b50000009000001000000",
      "4b50000009000001",
      "4b5034bc00000001 0000",
      "4b50057e400000000000",
      "4b50057e408000010000",
    ]) {
      assert.equal(decodeFriendRequest(hex(wrong)), undefined, wrong);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 14 }), (bytes) => {
        decodeFriendRequest(bytes);
        decodeFriendOffer(bytes);
        decodeFriendUpdate(bytes);
        decodeFriendClear(bytes);
        decodeSubscriptions(bytes);
      }),
    );
  });
});

describe("mesh Friend and Low Power node", () => {
  const PEER = 1;
  const FRIEND = 2;
  const SLEEPER = 3;
  const SLEEPER_KEY = new Uint8Array(16).fill(0x33);

  /** A peer, a friend and a Low Power node that hears the friend only. */
  function setUp(medium: Omit<MediumOptions, "random"> = {}, seed = 9) {
    const network = new Network(seed, {
      reaches: (from, to) => !(from === 0 && to === 2) && !(from === 2 && to === 0),
      delay: () => 1 + network.random() * 3,
      ...medium,
    });
    const peer = network.add(PEER, { defaultTtl: 4, configurationClient: true });
    const friend = network.add(FRIEND, { friend: true, relay: true, defaultTtl: 4, beacon: true });
    const sleeper = network.add(SLEEPER, {
      deviceKey: SLEEPER_KEY,
      subscriptions: [0xc010, 0xc011, 0xc012, 0xc013, 0xc014, 0xc015, 0xc016],
      lowPower: { pollTimeout: 60_000, pollInterval: 5000 },
      defaultTtl: 4,
    });
    peer.stack.keys.setRemoteDeviceKey(SLEEPER, SLEEPER_KEY);
    return { network, peer, friend, sleeper };
  }

  function befriended(node: Node): number | undefined {
    return node.stack.lowPower?.friend;
  }

  it("find each other, and the receiver is off nearly all the time", () => {
    const { network, friend, sleeper } = setUp();
    let since = 0;
    let on = 0;
    sleeper.stack.onListen = (listen) => {
      if (listen) since = network.medium.now;
      else on += network.medium.now - since;
    };
    network.run(10_000);
    assert.equal(befriended(sleeper), FRIEND);
    assert.equal(friend.stack.friend?.size, 1);
    assert.equal(friend.stack.friend?.pollTimeout(SLEEPER), 600);
    on = 0;
    network.run(600_000);
    assert.equal(befriended(sleeper), FRIEND);
    assert.ok(on / 600_000 < 0.005, `receiver on for ${((100 * on) / 600_000).toFixed(2)} %`);
    assert.ok(sleeper.stack.counters.get("drop.asleep") > 0, "the friend's beacons are slept through");
  });

  it("messages of any length wait at the friend, and come with the next poll, once and in order", () => {
    const { network, peer, sleeper } = setUp();
    network.run(10_000);
    const outcomes: MeshSendOutcome[] = [];
    const texts = ["01", "02".repeat(30), "03".repeat(100), "04".repeat(8)];
    for (const text of texts) {
      peer.stack.send(SLEEPER, OPCODE_COAP_STATUS, hex(text), { done: (o) => outcomes.push(o) });
    }
    network.run(4000);
    // The friend acknowledges on behalf of the sleeper.
    assert.deepEqual(outcomes, ["sent", "acknowledged", "acknowledged", "sent"]);
    network.run(6000);
    assert.deepEqual(sleeper.heard, texts);
    assert.equal(sleeper.messages[0].ttl, 3, "one hop less");
  });

  it("messages to its groups wait too, and others do not", () => {
    const { network, peer, friend, sleeper } = setUp();
    network.run(20_000);
    peer.stack.send(0xc016, OPCODE_COAP_STATUS, hex("16"));
    peer.stack.send(0xc099, OPCODE_COAP_STATUS, hex("99"));
    network.run(8000);
    assert.deepEqual(sleeper.heard, ["16"]);
    assert.equal(friend.stack.counters.get("friend.stored"), 1);
  });

  it("the friend's own messages reach it as well", () => {
    const { network, friend, sleeper } = setUp();
    network.run(10_000);
    const outcomes: MeshSendOutcome[] = [];
    friend.stack.send(SLEEPER, OPCODE_COAP_STATUS, hex("ab".repeat(40)), { done: (o) => outcomes.push(o) });
    friend.stack.send(SLEEPER, OPCODE_COAP_STATUS, hex("cd"), { done: (o) => outcomes.push(o) });
    network.run(10_000);
    assert.deepEqual(sleeper.heard, ["ab".repeat(40), "cd"]);
    assert.deepEqual(outcomes, ["sent", "sent"]);
  });

  it("sends itself whenever it likes, and gets its acknowledgment from the friend", () => {
    const { network, peer, sleeper } = setUp();
    network.run(10_000);
    const outcomes: MeshSendOutcome[] = [];
    sleeper.stack.send(PEER, OPCODE_COAP_STATUS, hex("77".repeat(50)), { done: (o) => outcomes.push(o) });
    network.run(10_000);
    assert.deepEqual(peer.heard, ["77".repeat(50)]);
    assert.deepEqual(outcomes, ["acknowledged"]);
  });

  it("can be configured while it sleeps, and its publications go by its friend if told so", () => {
    const { network, peer, sleeper } = setUp();
    network.run(10_000);
    assert.equal(peer.configure(SLEEPER, ask.defaultTtlSet(6)).parameters, "06");
    const composition = ask.readComposition(
      hex(peer.configure(SLEEPER, ask.compositionGet()).parameters),
    ) as ask.CompositionData;
    assert.ok(composition.features & Feature.LOW_POWER);
    const set = ask.modelPublicationSet(SLEEPER, VENDOR_MODEL_COAP, {
      address: PEER,
      appKeyIndex: 0,
      ttl: 5,
      friendshipCredentials: true,
    });
    assert.equal(peer.configure(SLEEPER, set).status, Status.SUCCESS);
    peer.heard.length = 0;
    sleeper.stack.publish(OPCODE_COAP_STATUS, hex("5a"));
    network.run(3000);
    assert.deepEqual(peer.heard, ["5a"], "secured for the friend, sent on for all");
  });

  it("a subscription that is configured is told to the friend", () => {
    const { network, peer, sleeper } = setUp();
    network.run(10_000);
    assert.equal(
      peer.configure(SLEEPER, ask.modelSubscriptionAdd(SLEEPER, 0xc0aa, VENDOR_MODEL_COAP)).status,
      Status.SUCCESS,
    );
    network.run(15_000);
    peer.stack.send(0xc0aa, OPCODE_COAP_STATUS, hex("aa"));
    network.run(10_000);
    assert.deepEqual(sleeper.heard, ["aa"]);
  });

  it("polls, answers and everything else may be lost: nothing comes twice, and all of it while the friendship lasts", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7fffffff }), (seed) => {
        const { network, peer, sleeper } = setUp(
          { reaches: (from, to) => Math.abs(from - to) === 1 && network.random() > 0.3 },
          seed,
        );
        network.run(60_000);
        const sent: string[] = [];
        for (let i = 0; i < 6; i++) {
          const text = i
            .toString(16)
            .padStart(2, "0")
            .repeat(1 + 20 * (i % 2));
          sent.push(text);
          // An unsegmented message nobody repeats when it is lost on its way to the friend.
          peer.stack.send(SLEEPER, OPCODE_COAP_STATUS, hex(text), { segmented: true });
          network.run(15_000);
        }
        network.run(60_000);
        // What a friend has kept goes with the friendship (§3.6.6.3.1), and six polls in a row can be lost.
        if (sleeper.stack.counters.get("friend.lost") === 0) assert.deepEqual(sleeper.heard, sent);
        else
          assert.deepEqual(sleeper.heard, [...new Set(sent.filter((text) => sleeper.heard.includes(text)))]);
      }),
      // The second loses its friend while a message waits there.
      { numRuns: 15, examples: [[1], [1206655187]] },
    );
  });

  it("looks for another friend when its own is gone, which is then cleared", () => {
    const { network, friend, sleeper } = setUp();
    network.run(10_000);
    const second = network.add(4, { friend: true, defaultTtl: 4 });
    friend.off();
    network.run(60_000);
    assert.equal(befriended(sleeper), 4);
    assert.equal(second.stack.friend?.size, 1);
    // The old one still believes that it is the friend, until it hears of the new one.
    assert.equal(friend.stack.friend?.size, 1);
    network.medium.attach(friend.index, friend);
    network.run(60_000);
    assert.equal(friend.stack.friend?.size, 0);
    assert.equal(befriended(sleeper), 4);
  });

  it("the friend gives up a sleeper that does not poll any more", () => {
    const { network, friend, sleeper } = setUp();
    network.run(10_000);
    sleeper.off();
    network.run(50_000);
    assert.equal(friend.stack.friend?.size, 1);
    network.run(15_000);
    assert.equal(friend.stack.friend?.size, 0);
    assert.equal(friend.stack.counters.get("friend.lost"), 1);
  });

  it("hears of an IV Update and of a key refresh from its friend", () => {
    const { network, peer, friend, sleeper } = setUp();
    network.run(10_000);
    friend.stack.startIvUpdate();
    friend.stack.iv.heard(2, true, network.medium.now);
    network.run(10_000);
    assert.deepEqual([sleeper.stack.iv.current, sleeper.stack.iv.updating], [2, true]);

    const key = hex("11112222333344445555666677778888");
    for (const node of [peer, friend, sleeper]) {
      const subnet = node.stack.keys.subnet(0)!;
      node.stack.keys.setNextNetKey(subnet, key);
      subnet.phase = 1;
    }
    const subnet = friend.stack.keys.subnet(0)!;
    subnet.phase = 2;
    friend.stack.friend?.news();
    network.run(10_000);
    assert.equal(sleeper.stack.keys.subnet(0)?.phase, 2);
    friend.stack.keys.completeRefresh(subnet);
    friend.stack.friend?.news();
    network.run(10_000);
    assert.equal(sleeper.stack.keys.subnet(0)?.phase, 0);
    assert.equal(toHex(sleeper.stack.keys.subnet(0)!.current.key), toHex(key));
    assert.equal(befriended(sleeper), FRIEND);
  });

  it("a full queue loses the oldest message", () => {
    const { network, peer, friend, sleeper } = setUp();
    network.run(10_000);
    // Asleep for longer than usual.
    for (let i = 0; i < 20; i++) {
      peer.stack.send(SLEEPER, OPCODE_COAP_STATUS, Uint8Array.of(i));
      network.run(70);
    }
    network.run(10_000);
    assert.equal(friend.stack.counters.get("friend.queue-full"), 20 - sleeper.heard.length);
    assert.equal(sleeper.heard.at(-1), "13");
  });

  it("without any friend around the node hears for itself", () => {
    const { network, friend, sleeper } = setUp();
    friend.off();
    const near = network.add(5, {});
    network.run(30_000);
    assert.equal(befriended(sleeper), undefined);
    for (let i = 0; i < 10; i++) {
      near.stack.send(SLEEPER, OPCODE_COAP_STATUS, Uint8Array.of(i));
      network.run(1000);
    }
    assert.ok(sleeper.heard.length >= 6, `${sleeper.heard.length}`);
  });

  it("without any friend around a request costs a second of listening, so they become rare", () => {
    const { network, friend, sleeper } = setUp();
    friend.off();
    const requests = () => sleeper.stack.counters.get("sent");
    network.run(3_600_000);
    const first = requests();
    network.run(6 * 3_600_000);
    assert.ok(first > 5 && first < 15, `${first} in the first hour`);
    assert.ok(requests() - first <= 12, `${requests() - first} in six more`);
    network.medium.attach(friend.index, friend);
    network.run(2 * 3_600_000);
    assert.equal(befriended(sleeper), FRIEND);
  });

  it("asks soon for what may come to a message, and once more afterwards", () => {
    const { network, peer, sleeper } = setUp();
    let expects = false;
    sleeper.stack.expects = () => expects;
    network.run(10_000);
    const received: number[] = [];
    sleeper.stack.onMessage = () => received.push(network.medium.now);
    const wait = (until: number) => network.run(until - network.medium.now);
    // A poll each five seconds: just after one.
    wait(network.medium.now + 5000 - ((network.medium.now - sleeper.stack.lowPower!.deadline) % 5000));
    const start = network.medium.now;
    expects = true;
    sleeper.stack.send(PEER, OPCODE_COAP_STATUS, hex("01"));
    wait(start + 1000);
    peer.stack.send(SLEEPER, OPCODE_COAP_STATUS, hex("02"));
    wait(start + 2000);
    assert.equal(received.length, 1);
    assert.ok(received[0] - start < 1800, `${received[0] - start} ms`);
    expects = false;
    peer.stack.send(SLEEPER, OPCODE_COAP_STATUS, hex("03"));
    wait(start + 4700);
    assert.equal(received.length, 2);
  });

  it("is told when its sleeper does not trust it any more, and lets the messages for it pass", () => {
    const { network, peer, friend, sleeper } = setUp();
    network.run(10_000);
    sleeper.stack.lowPower?.distrust(network.medium.now);
    network.run(1000);
    assert.deepEqual([befriended(sleeper), friend.stack.friend?.size], [undefined, 0]);
    peer.stack.send(SLEEPER, OPCODE_COAP_STATUS, hex("01"));
    network.run(1000);
    assert.deepEqual(sleeper.heard, ["01"]);
    network.run(200_000);
    assert.equal(befriended(sleeper), FRIEND);
  });

  it("a node that sleeps not, in whose name somebody makes a friendship, goes on getting what is for it", () => {
    const { network, peer, friend } = setUp({
      reaches: (from, to) => (from !== 0 && to !== 0) || from === 1 || to === 1,
    });
    const victim = network.add(3, { defaultTtl: 4 });
    network.run(10_000);
    assert.ok(friend.stack.friend?.owns(3), "the sleeper has its address");
    for (const text of ["01", "02".repeat(30), "03"]) {
      peer.stack.send(3, OPCODE_COAP_STATUS, hex(text));
      network.run(1000);
    }
    assert.deepEqual(victim.heard, ["01", "02".repeat(30), "03"]);
  });

  it("the feature can be switched off over the air", () => {
    const { network, peer, friend, sleeper } = setUp();
    network.run(10_000);
    friend.reboot({ deviceKey: SLEEPER_KEY });
    peer.stack.keys.setRemoteDeviceKey(FRIEND, SLEEPER_KEY);
    assert.equal(peer.configure(FRIEND, ask.friendSet(false)).parameters, "00");
    network.run(120_000);
    assert.equal(befriended(sleeper), undefined);
  });
});
