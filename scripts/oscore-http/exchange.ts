/** An OSCORE request in HTTP (RFC 8613 §11): end to end with the node, through proxies that can read nothing of it. */

import { hostCrypto } from "#hal/crypto.js";
import { oscoreHeader, oscoreOption } from "../../cloud/http/coap-mapping.js";
import type { RequestJson } from "../../cloud/request-json.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { type CoapMessage, Type } from "../../firmware/coap/message.js";
import { Code, OptionNumber } from "../../firmware/coap/numbers.js";
import { getOption, opaqueOption } from "../../firmware/coap/options.js";
import { type ClientState, OscoreClient } from "../../firmware/oscore/client.js";
import type { ContextParameters } from "../../firmware/oscore/context.js";
import type { NumberReserve } from "../../firmware/oscore/sequence.js";

export interface HttpExchangeOptions {
  readonly parameters: ContextParameters;
  readonly numbers: NumberReserve;
  /** As `fetch`. */
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** The proxy: "http://host:port". */
  readonly server: string;
  /** As the proxy knows it: a name, or 0012.mesh. */
  readonly node: string;
  readonly token: string;
  /** Seconds to wait for the node in all. */
  readonly wait: number;
  /** Told of what happens meanwhile. */
  readonly onProgress?: (sentence: string) => void;
}

/** There is no answer that proves anything. The message says what came instead. */
export class NoAnswer extends Error {}

/** Seconds that one HTTP request waits. */
const STEP = 60;

/**
 * Asks the node and opens its answer; proves freshness when the node asks for that (RFC 9175).
 * @throws NoAnswer
 */
export async function exchangeOverHttp(
  request: Pick<CoapMessage, "code" | "options" | "payload">,
  options: HttpExchangeOptions,
): Promise<CoapMessage> {
  const { numbers } = options;
  const state: ClientState = {
    idContext: undefined,
    reserve: (count) => numbers.reserve(count),
    // Only called after App. B.2, which needs the node to be told of it.
    renew: () => {},
  };
  const client = new OscoreClient({ crypto: hostCrypto, parameters: options.parameters, state, block: 1 });
  const message: CoapMessage = { type: Type.CON, messageId: 0, token: new Uint8Array(0), ...request };
  const exchange = client.request(message);
  if (exchange instanceof Refusal) throw new NoAnswer(`no sequence number: ${exchange}`);
  for (let { outer } = exchange; ; ) {
    const verdict = exchange.receive(await post(outer, options));
    if (verdict instanceof Refusal) throw new NoAnswer(`the answer does not verify: ${verdict}`);
    if (verdict.kind === "response") return verdict.message;
    options.onProgress?.("the node wants to see that the request is fresh");
    outer = verdict.outer;
  }
}

async function post(outer: CoapMessage, options: HttpExchangeOptions): Promise<CoapMessage> {
  const { server, node, token, wait } = options;
  const until = Date.now() + wait * 1000;
  const left = () => Math.max(0, Math.min(STEP, Math.ceil((until - Date.now()) / 1000)));
  const authorization = `Bearer ${token}`;
  const response = await options.fetch(`${server}/hc/coap://${encodeURIComponent(node)}/`, {
    method: "POST",
    headers: {
      authorization,
      prefer: `wait=${left()}`,
      oscore: oscoreHeader(getOption(outer, OptionNumber.OSCORE) ?? new Uint8Array(0)),
      "content-type": "application/oscore",
    },
    body: outer.payload.slice(),
  });
  const header = response.headers.get("oscore");
  if (header !== null) return protectedMessage(header, new Uint8Array(await response.arrayBuffer()));
  if (response.status !== 202) throw new NoAnswer(await unprotected(response));
  const location = response.headers.get("location") ?? "";
  options.onProgress?.(`the node is not heard yet: waiting at ${location}`);
  while (left() > 0) {
    const status = await options.fetch(`${server}${location}?wait=${left()}`, { headers: { authorization } });
    if (status.status !== 200) throw new NoAnswer(await unprotected(status));
    const { state, failure, answer } = (await status.json()) as RequestJson;
    if (state === "failed") throw new NoAnswer(`no answer from the node: ${failure}`);
    if (answer === undefined) continue;
    if (answer.oscore === undefined)
      throw new NoAnswer(`unprotected, so from anybody on the way: ${answer.code}`);
    return protectedMessage(answer.oscore, new Uint8Array(Buffer.from(answer.payload, "base64url")));
  }
  throw new NoAnswer(`the node was not heard within ${wait} s`);
}

/** The outer message again (RFC 8613 §11.2). Its code is none of OSCORE's business. */
function protectedMessage(header: string, payload: Uint8Array): CoapMessage {
  const value = oscoreOption(header);
  if (value === undefined) throw new NoAnswer("the OSCORE header of the answer is no base64url");
  return {
    type: Type.ACK,
    code: Code.CHANGED,
    messageId: 0,
    token: new Uint8Array(0),
    options: [opaqueOption(OptionNumber.OSCORE, value)],
    payload,
  };
}

async function unprotected(response: Response): Promise<string> {
  const body = (await response.text()).slice(0, 300);
  return `unprotected, so from anybody on the way: HTTP ${response.status} ${body}`;
}
