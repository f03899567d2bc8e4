import { k4 } from "../../firmware/crypto/mesh-keys.js";
import { KeyStore, type NetworkCredentials } from "../../firmware/mesh/keys.js";
import { MessageCache } from "../../firmware/mesh/message-cache.js";
import { NetworkCodec } from "../../firmware/mesh/network.js";
import type { AdvertisingBearer, Crypto } from "../../hal/hal.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import type { Random } from "../../sim/random.js";
import type { Field } from "../soak/field.js";

const SEQ_BYTES = 3;

/** Somebody on the air in the middle of a field, with the NetKey of a stolen device, and with its AppKey if told so. */
export class Insider {
  readonly bearer: AdvertisingBearer;
  readonly random: Random;
  readonly keys = new KeyStore(hostCrypto);
  readonly #credentials: NetworkCredentials;
  readonly #codec: NetworkCodec;
  readonly #crypto: Crypto = hostCrypto;
  readonly #appKey: Uint8Array | undefined;
  #ivIndex: number;

  constructor(field: Field, random: Random) {
    this.random = random;
    const { devices } = field;
    const { netKey, ivIndex } = devices[0].identity.mesh;
    this.#appKey = devices.find(({ kind }) => kind === "gateway")?.identity.mesh.appKey;
    this.#ivIndex = ivIndex;
    this.#credentials = this.keys.addSubnet(0, netKey).transmit.credentials;
    this.#codec = new NetworkCodec(this.keys, new MessageCache(1));
    const { x, y } = devices.find(({ kind }) => kind === "gateway")?.position ?? { x: 0, y: 0 };
    this.bearer = field.air.attach({
      name: "insider",
      position: { x: x + 3, y: y + 3 },
      random: random.fork("radio"),
    });
  }

  /** A lower transport PDU under whatever header it likes. */
  transport(
    transport: Uint8Array,
    header: { src: number; dst: number; seq: number; ttl?: number; ctl?: boolean },
  ): void {
    const { src, dst, seq, ttl = 4, ctl = false } = header;
    this.bearer.send(
      this.#codec.encode(this.#credentials, this.#ivIndex, ctl, ttl, seq, src, dst, transport).slice(),
      1,
      20,
    );
  }

  /** An access message under the AppKey, in segments where it is long (Mesh Profile §3.5.2, §3.6.2). */
  access(access: Uint8Array, { src, dst, seq }: { src: number; dst: number; seq: number }): void {
    if (this.#appKey === undefined) throw new Error("the field has no AppKey");
    const nonce = new Uint8Array(13);
    const view = new DataView(nonce.buffer);
    view.setUint32(0, 0x01000000 | (seq >> 16));
    view.setUint16(SEQ_BYTES, seq & 0xffff);
    view.setUint16(5, src);
    view.setUint16(7, dst);
    view.setUint32(9, this.#ivIndex);
    const header = 0x40 | k4(this.#crypto, this.#appKey);
    const upper = this.#crypto.ccm(this.#appKey, 4).seal(nonce, new Uint8Array(0), access);
    if (upper.length <= 15) {
      this.transport(Uint8Array.of(header, ...upper), { src, dst, seq });
      return;
    }
    const last = Math.ceil(upper.length / 12) - 1;
    const seqZero = seq & 0x1fff;
    for (let i = 0; i <= last; i++) {
      const head = [0x80 | header, seqZero >> 6, ((seqZero << 2) | (i >> 3)) & 0xff, ((i & 7) << 5) | last];
      this.transport(Uint8Array.of(...head, ...upper.subarray(12 * i, 12 * i + 12)), {
        src,
        dst,
        seq: seq + i,
      });
    }
  }

  /** Any AD structure. */
  frame(type: number, data: Uint8Array): void {
    this.bearer.send(Uint8Array.of(data.length + 1, type, ...data), 1, 20);
  }
}
