import assert from "node:assert/strict";
import { BlockwiseClient } from "../../firmware/coap/blockwise-client.js";
import { OptionNumber } from "../../firmware/coap/numbers.js";
import { getUint, setOption, uintOption } from "../../firmware/coap/options.js";
import { TEXT, World } from "./server-world.js";

describe("CoAP server: observe, as in ETSI TD_COAP_OBS", () => {
  it("01, 02: notifications by CON and by NON", () => {
    for (const confirmable of [true, false]) {
      const world = new World();
      const { told } = world.observe("obs", { confirmable });
      world.network.run(5000);
      world.change();
      world.network.run(10_000);
      world.change();
      world.network.run(15_000);
      assert.deepEqual(told, ["state 0", "state 1", "state 2"]);
      const types = world.wire.slice(2).filter((line) => line.startsWith("<"));
      assert.deepEqual(types, confirmable ? ["< CON 2.05", "< CON 2.05"] : ["< NON 2.05", "< NON 2.05"]);
    }
  });

  it("03: cancelled by RST, to a CON and to a NON", () => {
    for (const confirmable of [true, false]) {
      const world = new World();
      const { told, handle } = world.observe("obs", { confirmable });
      world.network.run(5000);
      world.client.cancel(handle, world.network.now);
      world.change();
      world.network.run(10_000);
      assert.equal(world.server.observers, 0);
      assert.equal(world.wire.at(-1), "> RST 0.00");
      assert.deepEqual(told, ["state 0"]);
    }
  });

  it("04: cancelled by a GET with Observe 1 and the same token", () => {
    const world = new World();
    const { told, registration, handle } = world.observe("obs");
    world.network.run(1000);
    const options = [...registration.options];
    setOption(options, uintOption(OptionNumber.OBSERVE, 1));
    let answered = "";
    world.client.request(
      "server",
      { ...registration, options },
      {
        onResponse: (response) => {
          answered = `${TEXT.decode(response.payload)} ${getUint(response, OptionNumber.OBSERVE)}`;
          return "done";
        },
        onFailure: (failure) => {
          answered = failure;
        },
      },
      1000,
      { token: handle.token },
    );
    world.network.run(2000);
    assert.equal(answered, "state 0 undefined");
    assert.equal(world.server.observers, 0);
    assert.deepEqual(told, ["state 0", "cancelled"]);
  });

  it("05: a client that has gone is forgotten", () => {
    const world = new World();
    world.observe("obs");
    world.network.run(1000);
    world.network.fate = () => [];
    world.change();
    world.network.run(200_000);
    assert.equal(world.server.observers, 0);
    assert.equal(world.layer.deadline, Number.POSITIVE_INFINITY);
  });

  it("07: the resource goes away, 08: it becomes another", () => {
    const world = new World();
    const { told } = world.observe("obs");
    world.network.run(1000);
    assert.equal(world.server.remove("/obs", 1000), true);
    world.network.run(2000);
    assert.deepEqual(told, ["state 0", "end 4.04"]);
    assert.equal(world.server.observers, 0);
    assert.equal(world.server.remove("/obs", 2000), false);
  });

  it("10: a resource that cannot be observed answers without Observe", () => {
    const world = new World();
    const { told } = world.observe("test");
    world.network.run(1000);
    assert.deepEqual(told, ["end 2.05"]);
    assert.equal(world.observe("nowhere").told.length, 0);
    world.network.run(2000);
    assert.equal(world.server.observers, 0);
  });

  it("tells the last state after any loss and any number of changes", () => {
    const world = new World();
    const { told } = world.observe("obs");
    world.network.run(1000);
    world.network.fate = (_datagram, index) => (index % 3 === 2 ? [] : [10]);
    for (let i = 0; i < 20; i++) {
      world.change();
      world.network.run(world.network.now + 700);
    }
    world.network.run(world.network.now + 100_000);
    assert.equal(told.at(-1), "state 20");
    assert.ok(told.length < 20);
  });

  it("makes a NON observer wait for the interval, and says when it is over", () => {
    const world = new World();
    const { told } = world.observe("obs", { confirmable: false });
    world.network.run(1000);
    world.change();
    world.change();
    world.network.run(2000);
    assert.deepEqual(told, ["state 0"]);
    const due = world.server.deadline;
    assert.ok(due > 2000 && due <= 4000);
    world.network.run(due);
    world.server.tick(due);
    world.network.run(due + 100);
    assert.deepEqual(told, ["state 0", "state 2"]);
    assert.equal(world.server.deadline, Number.POSITIVE_INFINITY);
  });

  it("notifies of a large resource by its first block, which carries the version of all (RFC 7959 §2.6)", () => {
    const world = new World();
    const observation = world.observe("obs-large");
    world.network.run(1000);
    world.change("/obs-large");
    world.network.run(2000);
    const notification = observation.messages[1];
    assert.equal(getUint(notification, OptionNumber.BLOCK2), 8 | 2);
    const operation = new BlockwiseClient(observation.registration);
    let step = operation.next(notification);
    while ("send" in step) {
      const response = world.exchange(step.send);
      assert.ok(typeof response !== "string");
      step = operation.next(response);
    }
    assert.ok("done" in step);
    assert.deepEqual(step.done.payload, new Uint8Array(150).fill(1));
    assert.equal(world.server.observers, 1);
  });

  it("notifies in blocks of the size that the registration asked for", () => {
    const world = new World();
    const { messages } = world.observe("obs-large", { extra: [uintOption(OptionNumber.BLOCK2, 1)] });
    world.network.run(1000);
    world.change("/obs-large");
    world.network.run(2000);
    assert.deepEqual(
      messages.map(({ payload }) => payload.length),
      [32, 32],
    );
  });
});
