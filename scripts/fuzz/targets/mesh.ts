import fc from "fast-check";
import { toHex } from "../../../firmware/bytes/hex.js";
import { Refusal } from "../../../firmware/bytes/refusal.js";
import { readOpcode, writeOpcode } from "../../../firmware/mesh/access.js";
import { sealSecureNetworkBeacon } from "../../../firmware/mesh/beacon.js";
import { readComposition, readKeyList } from "../../../firmware/mesh/config-messages.js";
import { Config } from "../../../firmware/mesh/foundation.js";
import { MessageCache } from "../../../firmware/mesh/message-cache.js";
import { NetworkCodec } from "../../../firmware/mesh/network.js";
import { ControlOpcode, OPCODE_COAP_STATUS } from "../../../firmware/mesh/numbers.js";
import { UpperTransport } from "../../../firmware/mesh/upper-transport.js";
import { hostCrypto } from "../../../hal/host/crypto.js";
import { MemoryStore } from "../../../hal/host/storage.js";
import { ADDRESS, DEVICE_KEY, Insider, IV_INDEX, makeParty, must, settle } from "../mesh-parties.js";
import { type FuzzTarget, fuzzTarget, mutate, mutation } from "../target.js";

const insider = new Insider();
const addresses = fc.constantFrom(ADDRESS, 0x0003, 0xc001, 0xffff, 0xfffd, 0xfffe, 0x9736, 0x0001);
const mutations = fc.array(mutation, { minLength: 1, maxLength: 3 });

/** A PDU by the NetKey with anything inside. */
const insiderPdu = fc
  .record({
    ctl: fc.boolean(),
    ttl: fc.nat(127),
    seq: fc.nat(0xffffff),
    src: fc.integer({ min: 3, max: 60 }),
    dst: addresses,
    transport: fc.uint8Array({ minLength: 1, maxLength: 12 }),
  })
  .filter(({ ctl, dst }) => !ctl || dst !== 0x9736);

/** Lower transport PDUs that are nearly right: control messages by their opcodes, and segments. */
const transportPdu = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 12 }),
  fc
    .tuple(
      fc.constantFrom<number>(...Object.values(ControlOpcode)),
      fc.boolean(),
      fc.uint8Array({ maxLength: 11 }),
    )
    .map(([opcode, segmented, rest]) => Uint8Array.of((segmented ? 0x80 : 0) | opcode, ...rest)),
  fc
    .record({
      header: fc.constantFrom(0, 0x40 | 0x26, 0x0a),
      seqZero: fc.nat(40),
      segO: fc.nat(3),
      segN: fc.nat(3),
      data: fc.uint8Array({ minLength: 1, maxLength: 12 }),
    })
    .map(({ header, seqZero, segO, segN, data }) =>
      Uint8Array.of(
        0x80 | header,
        seqZero >> 6,
        ((seqZero << 2) | (segO >> 3)) & 0xff,
        ((segO << 5) | segN) & 0xff,
        ...data,
      ),
    ),
);

const targets: readonly FuzzTarget[] = [
  fuzzTarget(
    "mesh-network",
    "a network PDU that was changed on its way is refused, whatever the change",
    fc.tuple(insiderPdu, mutations),
    ([{ ctl, ttl, seq, src, dst, transport }, changes]) => {
      const sent = insider.frame(ctl, ttl, seq, src, dst, transport);
      const received = changes.reduce(mutate, sent);
      const result = new NetworkCodec(insider.keys, new MessageCache(4)).decode(received, IV_INDEX);
      if (result instanceof Refusal) return;
      must(toHex(received.subarray(2)) === toHex(sent.subarray(2)), "a changed PDU was taken");
      const said = [result.ctl, result.ttl, result.seq, result.src, result.dst, toHex(result.transport)];
      must(said.join() === [ctl, ttl, seq, src, dst, toHex(transport)].join(), "it says something else");
    },
  ),

  fuzzTarget(
    "mesh-transport",
    "whatever a holder of the NetKey puts into lower transport PDUs: bounded state, nothing delivered, and the node works on",
    fc.array(
      fc.record({
        ctl: fc.boolean(),
        ttl: fc.nat(127),
        step: fc.nat(20),
        src: fc.integer({ min: 3, max: 60 }),
        dst: addresses,
        transport: transportPdu,
        wait: fc.nat(3000),
      }),
      { maxLength: 120 },
    ),
    (pdus) => {
      const party = makeParty();
      const { stack, clock } = party;
      stack.onMessage = () => must(false, "nobody has the AppKey");
      let seq = 0;
      for (const { ctl, ttl, step, src, dst, transport, wait } of pdus) {
        seq += step;
        // What no codec would put together: control messages to a virtual address, and too long ones.
        if (ctl && (dst === 0x9736 || transport.length > 12)) continue;
        stack.receive(insider.frame(ctl, ttl, seq, src, dst, transport), -50, clock.now);
        clock.now += wait;
        if (stack.deadline <= clock.now) stack.tick(clock.now);
        must(stack.receiving <= 4, `${stack.receiving} messages are being received`);
        must(stack.sending <= 4, `${stack.sending} messages are being sent`);
        must((stack.friend?.size ?? 0) <= 4, "more Low Power nodes than there are places");
      }
      settle(party, 20_000);
      must(stack.send(7, OPCODE_COAP_STATUS, Uint8Array.of(0)), "nothing can be sent any more");
    },
  ),

  fuzzTarget(
    "mesh-low-power",
    "a Low Power node takes any control messages from its neighbours, and polls or looks for a friend afterwards",
    fc.array(
      fc.record({
        opcode: fc.constantFrom<number>(...Object.values(ControlOpcode)),
        src: fc.integer({ min: 3, max: 9 }),
        parameters: fc.uint8Array({ maxLength: 11 }),
        wait: fc.nat(2000),
      }),
      { maxLength: 60 },
    ),
    (messages) => {
      const party = makeParty({ lowPower: { pollTimeout: 10_000 }, beacon: false });
      const { stack, clock } = party;
      let seq = 1;
      for (const { opcode, src, parameters, wait } of messages) {
        const transport = Uint8Array.of(opcode, ...parameters);
        stack.receive(insider.frame(true, 0, seq++, src, ADDRESS, transport), -50, clock.now);
        settle(party, wait, 50);
        clock.now += wait;
      }
      must(stack.deadline < clock.now + 600_000, "it sleeps for ever");
    },
  ),

  fuzzTarget(
    "mesh-upper-transport",
    "any upper transport PDU is refused without its key",
    fc.record({
      header: fc.nat(0x7f),
      szmic: fc.boolean(),
      seq: fc.nat(0xffffff),
      dst: addresses,
      payload: fc.uint8Array({ maxLength: 384 }),
    }),
    ({ header, szmic, seq, dst, payload }) => {
      const { stack } = makeParty();
      const result = new UpperTransport(stack.keys).decrypt(
        {
          credentials: stack.keys.subnet(0)!.transmit.credentials,
          ivIndex: IV_INDEX,
          ctl: false,
          ttl: 3,
          seq,
          src: 5,
          dst,
          header,
          szmic,
          segmented: szmic,
          payload,
          rssi: 0,
          segmentSeqs: undefined,
        },
        [{ address: 0x9736, uuid: new Uint8Array(16) }],
      );
      must(result instanceof Refusal, "decrypted by chance");
    },
  ),

  fuzzTarget(
    "mesh-access",
    "any bytes begin with an opcode of one form, or are refused; readers of lists and compositions take any bytes",
    fc.uint8Array({ maxLength: 60 }),
    (access) => {
      const opcode = readOpcode(access);
      if (!(opcode instanceof Refusal)) {
        const written = new Uint8Array(3);
        const length = writeOpcode(written, 0, opcode);
        must(
          toHex(written.subarray(0, length)) === toHex(access.subarray(0, length)),
          "two forms of one opcode",
        );
      }
      readComposition(access);
      readKeyList(Config.APPKEY_LIST, access);
      readKeyList(Config.NETKEY_LIST, access);
    },
  ),

  fuzzTarget(
    "mesh-config",
    "any parameters to any opcode of the foundation models: the node can be configured afterwards",
    fc.array(
      fc.tuple(
        fc.oneof(
          fc.integer({ min: 0, max: 0x7e }),
          fc.integer({ min: 0x8000, max: 0x8060 }).filter((opcode) => opcode !== Config.NODE_RESET),
          fc.constant(OPCODE_COAP_STATUS),
        ),
        fc.uint8Array({ maxLength: 40 }),
        fc.boolean(),
      ),
      { maxLength: 20 },
    ),
    (messages) => {
      const node = makeParty();
      const client = makeParty({ unicastAddress: 3, relay: false, friend: false, beacon: false }, node.clock);
      const { clock } = node;
      client.stack.keys.setRemoteDeviceKey(ADDRESS, DEVICE_KEY);
      const pass = () => {
        for (let i = 0; i < 12; i++) {
          clock.now += 60;
          node.stack.tick(clock.now);
          client.stack.tick(clock.now);
          for (const frame of client.frames.splice(0)) node.stack.receive(frame, -50, clock.now);
          for (const frame of node.frames.splice(0)) client.stack.receive(frame, -50, clock.now);
        }
      };
      for (const [opcode, parameters, byDeviceKey] of messages) {
        client.stack.send(ADDRESS, opcode, parameters, byDeviceKey ? { deviceKeyOf: ADDRESS } : {});
        pass();
      }
      let answered = false;
      client.stack.onAccess = ({ opcode }) => {
        if (opcode === Config.BEACON_STATUS) answered = true;
      };
      for (let attempt = 0; attempt < 30 && !answered; attempt++) {
        client.stack.send(ADDRESS, Config.BEACON_GET, new Uint8Array(0), { deviceKeyOf: ADDRESS });
        pass();
      }
      must(answered, "it does not answer any more");
    },
  ),

  fuzzTarget(
    "mesh-beacon",
    "a beacon that is not genuine, or jumps too far, moves neither IV Index nor key refresh",
    fc.tuple(
      fc.record({
        keyRefresh: fc.boolean(),
        ivUpdate: fc.boolean(),
        ivIndex: fc.oneof(fc.nat(60), fc.nat(0xffffffff)),
      }),
      fc.array(mutation, { maxLength: 2 }),
    ),
    ([said, changes]) => {
      const { stack } = makeParty();
      const genuine = sealSecureNetworkBeacon(hostCrypto, insider.keys.subnet(0)!.current, said);
      const beacon = changes.reduce(mutate, genuine);
      stack.receive(beacon, -50, 1000);
      if (toHex(beacon) !== toHex(genuine) || said.ivIndex > IV_INDEX + 42) {
        must(stack.iv.current === IV_INDEX && !stack.iv.updating, "the IV Index has moved");
      }
      must(stack.iv.current >= IV_INDEX, "the IV Index has gone back");
      must(stack.keys.subnet(0)?.phase === 0, "a key refresh without a new key");
    },
  ),

  fuzzTarget(
    "mesh-stack",
    "any AD structures, and the node's own neighbours' changed on their way: nothing is delivered that nobody sent, nor twice",
    fc.array(
      fc.oneof(
        fc.record({
          kind: fc.constant("noise" as const),
          type: fc.constantFrom(0x29, 0x2a, 0x2b, 0xff),
          data: fc.uint8Array({ maxLength: 40 }),
          honest: fc.boolean(),
        }),
        fc.record({ kind: fc.constant("message" as const), bytes: fc.uint8Array({ maxLength: 30 }) }),
        fc.record({ kind: fc.constant("changed" as const), of: fc.nat(), change: mutation }),
        fc.record({ kind: fc.constant("again" as const), of: fc.nat() }),
      ),
      { maxLength: 60 },
    ),
    (steps) => {
      const node = makeParty();
      const peer = makeParty({ unicastAddress: 3, beacon: false, relay: false, friend: false }, node.clock);
      const { clock } = node;
      const sent: Uint8Array[] = [];
      let number = 0;
      const delivered = new Set<number>();
      node.stack.onMessage = ({ parameters }) => {
        must(parameters.length > 0 && parameters[0] < number, "a message that nobody has sent");
        must(!delivered.has(parameters[0]), "delivered twice");
        delivered.add(parameters[0]);
      };
      for (const step of steps) {
        clock.now += 30;
        peer.stack.tick(clock.now);
        let frame: Uint8Array | undefined;
        if (step.kind === "noise") {
          const { type, data, honest } = step;
          frame = Uint8Array.of(honest ? data.length + 1 : type, type, ...data);
        } else if (step.kind === "message") {
          if (peer.stack.send(ADDRESS, OPCODE_COAP_STATUS, Uint8Array.of(number, ...step.bytes))) number++;
        } else if (sent.length > 0) {
          frame = sent[step.of % sent.length];
          if (step.kind === "changed") frame = mutate(frame, step.change);
        }
        if (frame !== undefined) node.stack.receive(frame, -50, clock.now);
        for (const own of peer.frames.splice(0)) {
          sent.push(own);
          node.stack.receive(own, -50, clock.now);
        }
        node.stack.tick(clock.now);
        for (const answer of node.frames.splice(0)) peer.stack.receive(answer, -50, clock.now);
      }
    },
  ),

  fuzzTarget(
    "mesh-storage",
    "whatever stands in storage, a node starts from it and works",
    fc.tuple(fc.nat(), mutation),
    ([which, change]) => {
      const store = new MemoryStore();
      const first = makeParty({}, { now: 0 }, store);
      first.stack.send(0xc001, OPCODE_COAP_STATUS, Uint8Array.of(1));
      first.stack.state.beacon = false;
      first.stack.flush();
      const names = store.keys();
      const name = names[which % names.length];
      store.set(name, mutate(store.get(name)!, change));
      const again = makeParty({}, { now: 0 }, store);
      settle(again, 30_000);
      again.stack.send(0xc001, OPCODE_COAP_STATUS, Uint8Array.of(2));
      settle(again, 30_000);
      again.stack.flush();
    },
  ),
];

export default targets;
