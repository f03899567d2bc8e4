import assert from "node:assert/strict";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeMessage } from "../../firmware/coap/codec.js";
import { OptionNumber } from "../../firmware/coap/numbers.js";
import { hasOption } from "../../firmware/coap/options.js";
import { OPCODE_COAP_STATUS } from "../../firmware/mesh/numbers.js";
import { Field } from "../../scripts/soak/field.js";

const MINUTE = 60;
/** The most that the modem takes in hex mode (AT manual, +USOST). */
const LONGEST = 512;

function healthOf(field: Field) {
  const health = field.cloud.registry.get("gateway-1")?.health;
  assert.ok(health !== undefined, "no report came");
  return health;
}

describe("a gateway's report of itself", () => {
  it("tells the server signal, technology, queue, drops, uptime and the reason of the start", async () => {
    const field = await new Field({ nodes: 2, gateway: { healthInterval: MINUTE * 1000 } }).start();
    field.run(10 * MINUTE);
    const health = healthOf(field);
    assert.equal(health.rsrp, -95);
    assert.equal(health.rat, "LTE-M");
    assert.equal(health.modem, "ready");
    assert.equal(health.resetReason, "power-on");
    assert.ok(health.uptime !== undefined && health.uptime > 9 * MINUTE - 5 && health.uptime <= 10 * MINUTE);
    assert.equal(typeof health.queue, "number");
    field.cutPower("gateway-1");
    field.switchOn("gateway-1", "watchdog");
    field.run(5 * MINUTE);
    assert.equal(healthOf(field).resetReason, "watchdog");
    assert.ok((healthOf(field).uptime ?? 0) < 5 * MINUTE);
  });

  it("follows the signal, and counts what went wrong with its reason", async () => {
    const field = await new Field({ nodes: 2, gateway: { healthInterval: MINUTE * 1000 } }).start();
    field.run(5 * MINUTE);
    field.gateway.modem.cellular.rsrp = -118;
    field.gateway.modem.fault({ kind: "reset" });
    field.run(5 * MINUTE);
    assert.equal(healthOf(field).rsrp, -118);
    assert.equal(healthOf(field).drops?.["modem: fault-restarted"], 1);
  });

  it("is protected like a reading: nothing of it can be read on the way", async () => {
    const datagrams: Uint8Array[] = [];
    const field = new Field({ nodes: 1, gateway: { healthInterval: MINUTE * 1000 } });
    await field.start();
    field.gateway.onUplink = (datagram) => datagrams.push(datagram);
    field.run(5 * MINUTE);
    assert.ok(datagrams.length >= 5);
    for (const datagram of datagrams) {
      const message = decodeMessage(datagram);
      assert.ok(!(message instanceof Refusal));
      assert.ok(hasOption(message, OptionNumber.OSCORE));
      for (const word of ["power-on", "LTE-M", "ready"]) {
        assert.ok(!Buffer.from(datagram).includes(word), word);
      }
    }
  });

  it("fits into one datagram of the modem, whatever there is to tell, and the server understands it", async () => {
    const field = await new Field({ nodes: 1, gateway: { healthInterval: MINUTE * 1000 } }).start();
    const { role } = field.gateway;
    let longest = 0;
    field.gateway.onUplink = (datagram) => {
      longest = Math.max(longest, datagram.length);
    };
    // Three hundred nodes that say nonsense, and forty reasons, all of them long and frequent.
    for (let source = 0x1000; source < 0x1000 + 300; source++) {
      role.stack.onMessage?.({
        source,
        destination: role.stack.address,
        opcode: OPCODE_COAP_STATUS,
        parameters: Uint8Array.of(0xff),
        ttl: 2,
        rssi: -80,
      });
    }
    for (let i = 0; i < 40; i++) role.counters.add(`${i} `.padEnd(80, "reason "), 2 ** 40 + i);
    field.run(20 * MINUTE);
    assert.ok(longest > 350 && longest <= LONGEST, `${longest} bytes`);
    assert.equal(role.counters.get("uplink: dropped, too long"), 0);
    assert.ok(Object.keys(healthOf(field).drops ?? {}).length >= 20, "told in turn");
  });
});
