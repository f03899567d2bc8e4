/** Looks over the shoulders of emulated boards: whether any of them uses a number twice, in the mesh or with OSCORE. */

import { hostCrypto } from "#hal/crypto.js";
import { toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeMessage } from "../../firmware/coap/codec.js";
import { OptionNumber } from "../../firmware/coap/numbers.js";
import { floodingP, k2 } from "../../firmware/crypto/mesh-keys.js";
import { decodeOscoreOption } from "../../firmware/oscore/option.js";

/** AD type of a network PDU (Bluetooth Assigned Numbers §2.3). */
const MESH_MESSAGE = 0x2a;

export class Audit {
  /** Each number that stood on two different messages, in words. */
  readonly reused: string[] = [];
  readonly #privacy: { encrypt(block: Uint8Array, out: Uint8Array): void };
  readonly #nid: number;
  readonly #ivIndex: number;
  /** The network PDU by device and SEQ, and the ciphertext by context and Partial IV. */
  readonly #pdus = new Map<string, string>();
  readonly #requests = new Map<string, string>();

  constructor(netKey: Uint8Array, ivIndex: number) {
    const { nid, privacyKey } = k2(hostCrypto, netKey, floodingP());
    this.#privacy = hostCrypto.aesBlock(privacyKey);
    this.#nid = nid;
    this.#ivIndex = ivIndex;
  }

  get counts(): { readonly seqs: number; readonly partialIvs: number } {
    return { seqs: this.#pdus.size, partialIvs: this.#requests.size };
  }

  /** A frame of a device, of its own or passed on. @param own its unicast address */
  frame(device: string, own: number, data: Uint8Array): void {
    if (data[1] !== MESH_MESSAGE || (data[2]! & 0x7f) !== this.#nid) return;
    const pdu = data.subarray(2);
    // Obfuscation (Mesh Profile §3.8.7.3): CTL, TTL, SEQ and SRC under a PECB of IV Index and Privacy Random.
    const block = new Uint8Array(16);
    const view = new DataView(block.buffer);
    view.setUint32(5, this.#ivIndex);
    block.set(pdu.subarray(7, 14), 9);
    this.#privacy.encrypt(block, block);
    const [s0, s1, s2, high, low] = Array.from(pdu.subarray(2, 7), (byte, i) => byte ^ block[1 + i]!);
    if (((high! << 8) | low!) !== own) return;
    note(this.#pdus, `${device}: SEQ ${(s0! << 16) | (s1! << 8) | s2!}`, toHex(pdu), this.reused);
  }

  /** A datagram on its way to the server. */
  datagram(bytes: Uint8Array): void {
    const message = decodeMessage(bytes);
    if (message instanceof Refusal) return;
    const option = message.options.find(({ number }) => number === OptionNumber.OSCORE);
    if (option === undefined) return;
    const oscore = decodeOscoreOption(option.value);
    if (oscore instanceof Refusal || oscore.partialIv === undefined) return;
    const { kid = new Uint8Array(), kidContext = new Uint8Array(), partialIv } = oscore;
    const name = `kid ${toHex(kid)} context ${toHex(kidContext)}: Partial IV ${toHex(partialIv)}`;
    note(this.#requests, name, toHex(message.payload), this.reused);
  }
}

function note(seen: Map<string, string>, name: string, bytes: string, reused: string[]): void {
  const before = seen.get(name);
  if (before === undefined) seen.set(name, bytes);
  else if (before !== bytes) reused.push(`${name} stood on ${before} and on ${bytes}`);
}
