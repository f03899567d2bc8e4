import { hostCrypto } from "#hal/crypto.js";
import { type Cloud, createCloud } from "../../cloud/cloud.js";
import type { StorageMode } from "../../cloud/endpoint.js";
import type { LiveEvents } from "../../cloud/live.js";
import type { NodeSpec } from "../../cloud/node-spec.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import type { Store } from "../../cloud/store/store.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeMessage, encodeMessage } from "../../firmware/coap/codec.js";
import { type CoapMessage, type CoapOption, Type } from "../../firmware/coap/message.js";
import { Code } from "../../firmware/coap/numbers.js";
import { deriveContext, type SecurityContext } from "../../firmware/oscore/context.js";
import type { Exchange } from "../../firmware/oscore/exchange.js";
import { protectRequest } from "../../firmware/oscore/protect.js";
import { unprotectResponse } from "../../firmware/oscore/unprotect.js";
import { encodeHealth, encodeReadings } from "../../firmware/reading/codec.js";
import type { Health, Reading } from "../../firmware/reading/reading.js";

/** 2026-01-02T03:04:05Z: where the virtual time of these tests begins. */
export const EPOCH = Date.UTC(2026, 0, 2, 3, 4, 5);

export interface Sent {
  readonly datagram: Uint8Array;
  readonly exchange: Exchange;
  readonly partialIv: number;
}

interface RequestFields {
  partialIv?: number;
  type?: Type;
  code?: number;
  options?: CoapOption[];
  messageId?: number;
}

/** A node's side of OSCORE and CoAP, as little of it as a test needs. */
export class TestNode {
  readonly spec: NodeSpec;
  readonly context: SecurityContext;
  #next = 0;
  #messageId = 0;

  constructor(name: string, index: number, spec: Partial<NodeSpec> = {}) {
    const masterSecret = new Uint8Array(16).fill(index + 1);
    const masterSalt = new Uint8Array(8).fill(index + 101);
    const [nodeId, serverId] = [new Uint8Array([index >> 8, index]), new Uint8Array([0xff])];
    this.spec = { name, oscore: { masterSecret, masterSalt, nodeId, serverId }, ...spec };
    this.context = deriveContext(hostCrypto, {
      masterSecret,
      masterSalt,
      senderId: nodeId,
      recipientId: serverId,
    });
  }

  request(payload: Uint8Array, fields: RequestFields = {}): Sent {
    const partialIv = fields.partialIv ?? this.#next++;
    const { message, exchange } = protectRequest(
      this.context,
      {
        type: fields.type ?? Type.CON,
        code: fields.code ?? Code.POST,
        messageId: fields.messageId ?? this.#messageId++,
        token: new Uint8Array(0),
        options: fields.options ?? [],
        payload,
      },
      partialIv,
    );
    return { datagram: encodeMessage(message), exchange, partialIv };
  }

  readings(readings: readonly Reading[], fields?: RequestFields): Sent {
    return this.request(encodeReadings(readings), fields);
  }

  reading(temperature: number, humidity = 4000, fields?: RequestFields): Sent {
    return this.readings([{ age: 0, temperature, humidity, battery: 3000 }], fields);
  }

  health(health: Health): Sent {
    return this.request(encodeHealth(health));
  }

  /** The server's answer, verified. */
  open(sent: Sent, datagram: Uint8Array): CoapMessage {
    const answer = unprotectResponse(sent.exchange, decode(datagram));
    if (answer instanceof Refusal) throw new Error(`answer: ${answer}`);
    return answer.message;
  }
}

export function decode(datagram: Uint8Array): CoapMessage {
  const message = decodeMessage(datagram);
  if (message instanceof Refusal) throw new Error(`answer: ${message}`);
  return message;
}

/** The same message with another message ID: what a gateway's hop makes of it. */
export function renumbered(datagram: Uint8Array, messageId: number): Uint8Array {
  const copy = datagram.slice();
  copy[2] = messageId >> 8;
  copy[3] = messageId;
  return copy;
}

/** The server without sockets, in virtual time. */
export class Bench {
  readonly cloud: Cloud;
  readonly answers: { readonly datagram: Uint8Array; readonly destination: string }[];
  readonly live: { readonly [Name in keyof LiveEvents]: LiveEvents[Name][] };
  now = 1000;

  private constructor(cloud: Cloud, answers: Bench["answers"]) {
    this.cloud = cloud;
    this.answers = answers;
    this.live = { reading: [], event: [], node: [], removed: [], request: [] };
    for (const name of ["reading", "event", "node", "removed", "request"] as const) {
      cloud.live.on(name, (value) => (this.live[name] as unknown[]).push(value));
    }
  }

  static async create(
    options: {
      store?: Store;
      storeKey?: Uint8Array;
      nodes?: TestNode[];
      now?: number;
      storage?: StorageMode;
    } = {},
  ): Promise<Bench> {
    const answers: Bench["answers"] = [];
    let bench: Bench | undefined;
    const cloud = await createCloud({
      store: options.store ?? openSqlite({ file: ":memory:" }),
      crypto: hostCrypto,
      ...(options.storage !== undefined && { storage: options.storage }),
      ...(options.storeKey !== undefined && { storeKey: options.storeKey }),
      send: (datagram, destination) => answers.push({ datagram, destination }),
      wallTime: () => EPOCH + (bench?.now ?? 0),
    });
    bench = new Bench(cloud, answers);
    bench.now = options.now ?? 1000;
    for (const node of options.nodes ?? []) await cloud.registry.upsert(node.spec);
    bench.settle();
    bench.live.event.length = 0;
    bench.live.node.length = 0;
    return bench;
  }

  /** Everything that is due now. */
  settle(): void {
    while (this.cloud.endpoint.deadline <= this.now) this.cloud.endpoint.tick(this.now);
  }

  pass(milliseconds: number): void {
    this.now += milliseconds;
    this.settle();
  }

  /** A datagram comes in, and what it leads to happens. @returns the answers */
  receive(datagram: Uint8Array, source = "192.0.2.1:40000"): Uint8Array[] {
    const before = this.answers.length;
    this.cloud.endpoint.handle(datagram, source, this.now);
    this.settle();
    return this.answers.slice(before).map((answer) => answer.datagram);
  }
}
