import assert from "node:assert/strict";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeMessage } from "../../firmware/coap/codec.js";
import type { CoapMessage } from "../../firmware/coap/message.js";
import { deriveOutput, Hkdf } from "../../firmware/crypto/oscore-keys.js";
import { AEAD_ALGORITHMS, AES_CCM_16_64_128 } from "../../firmware/oscore/algorithms.js";
import { deriveContext, SecurityContext } from "../../firmware/oscore/context.js";
import { unprotectRequest } from "../../firmware/oscore/unprotect.js";
import type { OscoreIdentity } from "../../firmware/roles/identity.js";
import type { Aead, KeyValueStore } from "../../hal/hal.js";
import { Field } from "../../scripts/soak/field.js";
import { bytesIn, reachable } from "./object-graph.js";

const NO_BYTES = new Uint8Array(0);
const ALGORITHM = AEAD_ALGORITHMS.get(AES_CCM_16_64_128)!;

/** A field at work, some of it waiting in the gateway's queue and its place, and all that its modem ever sent. */
async function fieldAtWork() {
  const datagrams: Uint8Array[] = [];
  const field = await new Field({
    nodes: 3,
    settings: { interval: 60 },
    gateway: { healthInterval: 60_000 },
  }).start();
  field.gateway.onUplink = (datagram) => datagrams.push(datagram);
  field.run(600);
  field.setCoverage(false);
  field.run(400);
  assert.ok(field.gateway.role.uplink.queue.length > 0);
  return { field, datagrams };
}

/** Everything that a gateway holds: its own objects down to the hardware, and what is in its storage. */
function holdings(field: Field): { objects: Set<object>; bytes: Uint8Array[] } {
  const { role, bearer, port } = field.gateway;
  const { serial, powerOn, reset, vInt } = port;
  const hardware = [field.clock, field.crypto, bearer, port, serial, powerOn, reset, vInt];
  const objects = reachable(
    [role],
    hardware.filter((one) => one !== undefined),
  );
  return { objects, bytes: [...bytesIn(objects), ...stored(field.stores.get("gateway-1")!)] };
}

function stored(store: KeyValueStore): Uint8Array[] {
  return store.keys().map((key) => store.get(key)!);
}

/** Whether `secret` is somewhere in the bytes; also as 32-bit words of the other byte order, as in a key schedule. */
function holds(bytes: readonly Uint8Array[], secret: Uint8Array): boolean {
  const swapped = Uint8Array.from(secret, (_, i) => secret[(i & ~3) + 3 - (i & 3)]);
  return bytes.some((one) => {
    const buffer = Buffer.from(one.buffer, one.byteOffset, one.length);
    return buffer.includes(Buffer.from(secret)) || buffer.includes(Buffer.from(swapped));
  });
}

function derive(
  field: Field,
  { masterSecret, masterSalt }: OscoreIdentity,
  id: Uint8Array,
  type: "Key" | "IV",
  length: number,
): Uint8Array {
  const input = {
    masterSecret,
    masterSalt,
    idContext: undefined,
    algorithm: AES_CCM_16_64_128,
    hkdf: Hkdf.SHA_256,
  };
  return deriveOutput(field.crypto, input, id, type, length)!;
}

function deriveKey(field: Field, oscore: OscoreIdentity, id: Uint8Array): Uint8Array {
  return derive(field, oscore, id, "Key", 16);
}

function deriveIv(field: Field, oscore: OscoreIdentity): Uint8Array {
  return derive(field, oscore, NO_BYTES, "IV", 13);
}

/** All that a context is made of and that nobody else may have. */
function secretsOf(field: Field, oscore: OscoreIdentity): Map<string, Uint8Array> {
  return new Map([
    ["Master Secret", oscore.masterSecret],
    ["Sender Key", deriveKey(field, oscore, oscore.senderId)],
    ["Recipient Key", deriveKey(field, oscore, oscore.recipientId)],
    ["Common IV", deriveIv(field, oscore)],
  ]);
}

function oscoreOf(field: Field, name: string): OscoreIdentity {
  return field.devices.find((device) => device.name === name)!.identity.oscore!;
}

/** The server's view of a node's context with a cipher in the place of the right one; all that is public is right. */
class Doubted {
  readonly #oscore: OscoreIdentity;
  readonly #iv: Uint8Array;

  constructor(field: Field, oscore: OscoreIdentity) {
    this.#oscore = oscore;
    this.#iv = deriveIv(field, oscore);
  }

  /** Whether the cipher opens the node's request. */
  isOpenedBy(cipher: Aead, request: CoapMessage): boolean {
    const { senderId, recipientId } = this.#oscore;
    const context = new SecurityContext(
      ALGORITHM,
      recipientId,
      senderId,
      undefined,
      this.#iv,
      cipher,
      cipher,
    );
    return !(unprotectRequest(context, request) instanceof Refusal);
  }
}

/** The first request of a node among the datagrams. */
function requestOf(field: Field, name: string, datagrams: readonly Uint8Array[]): CoapMessage {
  const { masterSecret, masterSalt, senderId, recipientId } = oscoreOf(field, name);
  const server = deriveContext(field.crypto, {
    masterSecret,
    masterSalt,
    senderId: recipientId,
    recipientId: senderId,
  });
  for (const datagram of datagrams) {
    const message = decodeMessage(datagram);
    if (!(message instanceof Refusal) && !(unprotectRequest(server, message) instanceof Refusal))
      return message;
  }
  throw new Error(`no request of ${name}`);
}

/** Every 16 bytes in a row that there are, each once. */
function* candidates(bytes: readonly Uint8Array[]): Iterable<Uint8Array> {
  const seen = new Set<string>();
  for (const one of bytes) {
    for (let at = 0; at + 16 <= one.length; at++) {
      const window = one.subarray(at, at + 16);
      const name = Buffer.from(window).toString("latin1");
      if (seen.has(name)) continue;
      seen.add(name);
      yield window;
    }
  }
}

describe("a gateway is blind", () => {
  it("holds no OSCORE secret but its own, in memory or in storage", async () => {
    const { field } = await fieldAtWork();
    const { bytes, objects } = holdings(field);
    assert.ok(objects.size > 500, `${objects.size} objects`);
    // First that the search finds what is there: the gateway's own, and the key of the mesh.
    const own = oscoreOf(field, "gateway-1");
    for (const [name, secret] of secretsOf(field, own)) assert.ok(holds(bytes, secret), `own ${name}`);
    const { netKey, appKey } = field.devices[0].identity.mesh;
    assert.ok(holds(bytes, netKey) && holds(bytes, appKey!));
    for (const node of field.nodes.keys()) {
      for (const [name, secret] of secretsOf(field, oscoreOf(field, node))) {
        assert.ok(!holds(bytes, secret), `${name} of ${node}`);
      }
    }
  });

  it("is searched by eyes that see the secrets of a node in the node", async () => {
    const { field } = await fieldAtWork();
    const { role, bearer, sensor } = field.nodes.get("node-2")!;
    const bytes = bytesIn(reachable([role], [field.clock, field.crypto, bearer, sensor]));
    for (const [name, secret] of secretsOf(field, oscoreOf(field, "node-2"))) {
      assert.ok(holds(bytes, secret), name);
    }
  });

  it("has no cipher that opens a node's message", async () => {
    const { field, datagrams } = await fieldAtWork();
    const { objects } = holdings(field);
    const ciphers = [...objects].filter(
      (object): object is Aead => "open" in object && "seal" in object && "tagLength" in object,
    );
    const opens = (name: string) => {
      const request = requestOf(field, name, datagrams);
      const doubted = new Doubted(field, oscoreOf(field, name));
      return ciphers.some((cipher) => doubted.isOpenedBy(cipher, request));
    };
    assert.ok(opens("gateway-1"), "its own");
    for (const node of field.nodes.keys()) assert.equal(opens(node), false, node);
  });

  it("has no 16 bytes in a row that open a node's message, as a key or as a Master Secret", async () => {
    const { field, datagrams } = await fieldAtWork();
    const { bytes } = holdings(field);
    const keys = [...candidates(bytes)];
    assert.ok(keys.length > 2000, `${keys.length} candidates`);
    const opening = (name: string): Set<string> => {
      const oscore = oscoreOf(field, name);
      const request = requestOf(field, name, datagrams);
      const ways = new Set<string>();
      const doubted = new Doubted(field, oscore);
      const opens = (key: Uint8Array) => doubted.isOpenedBy(field.crypto.ccm(key, 8), request);
      for (const key of keys) {
        if (opens(key)) ways.add("key");
        if (opens(deriveKey(field, { ...oscore, masterSecret: key }, oscore.senderId)))
          ways.add("Master Secret");
      }
      return ways;
    };
    assert.ok(opening("gateway-1").has("Master Secret"), "its own");
    assert.deepEqual(opening("node-2"), new Set());
  });
});
