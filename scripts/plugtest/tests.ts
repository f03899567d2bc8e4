/** The client's tests of the OSCORE plugtest (test-spec5, TEST_0a to TEST_17a), and two of ours for Block-wise. */

import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeUtf8 } from "../../firmware/bytes/utf8.js";
import type { CoapMessage, CoapOption } from "../../firmware/coap/message.js";
import type { Content } from "../../firmware/coap/messaging.js";
import { Code, formatCode, OptionNumber } from "../../firmware/coap/numbers.js";
import {
  emptyOption,
  getOption,
  getUint,
  opaqueOption,
  stringOption,
  uintOption,
} from "../../firmware/coap/options.js";
import { oscoreOptionOf } from "../../firmware/oscore/option.js";
import { CONTEXT_A, CONTEXT_C } from "./contexts.js";
import type { Ask, Outcome, Peer } from "./peer.js";

/** A step that went otherwise than the specification says. */
export class TestFailure extends Error {}

export interface PlugtestTest {
  /** "0" to "17", and names for tests that are not in the specification */
  readonly name: string;
  readonly title: string;
  /** Which server it needs. */
  readonly server: "aware" | "unaware";
  run(peer: Peer): Promise<void>;
}

const OBSERVE = OptionNumber.OBSERVE;
const FORMAT_TEXT = uintOption(OptionNumber.CONTENT_FORMAT, 0);

function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new TestFailure(what);
}

/** What went out and came in around a protected exchange. */
function checkOuter({ sent, received }: Outcome, request: number, response: number): void {
  check(
    sent.code === request,
    `request's outer code ${formatCode(sent.code)}, expected ${formatCode(request)}`,
  );
  const option = oscoreOptionOf(sent);
  check(option !== undefined && !(option instanceof Refusal), "the request has no OSCORE option");
  check(sent.payload.length > 0, "the request has no ciphertext");
  check(received !== undefined, "no response");
  check(
    received.code === response,
    `response's outer code ${formatCode(received.code)}, expected ${formatCode(response)}`,
  );
  check(oscoreOptionOf(received) !== undefined, "the response has no OSCORE option");
}

function inner(outcome: Outcome): Content {
  check(outcome.response !== undefined, `no verified response: ${outcome.failure}`);
  return outcome.response;
}

function checkCode(content: Content, code: number): void {
  check(content.code === code, `code ${formatCode(content.code)}, expected ${formatCode(code)}`);
}

function checkText(content: Content, text: string, code: number = Code.CONTENT): void {
  checkCode(content, code);
  const format = getUint(content, OptionNumber.CONTENT_FORMAT);
  check(format === 0, `Content-Format ${format}, expected 0`);
  const payload = decodeUtf8(content.payload);
  check(payload === text, `payload "${payload}", expected "${text}"`);
}

/** An unprotected error; `reason` is ours for not taking it as the answer. */
function checkUnprotected(outcome: Outcome, codes: readonly number[]): void {
  check(outcome.received !== undefined, `no response (${outcome.failure})`);
  const { code } = outcome.received;
  check(codes.includes(code), `code ${formatCode(code)}, expected ${codes.map(formatCode).join(" or ")}`);
  check(oscoreOptionOf(outcome.received) === undefined, "the error is protected");
  check(outcome.failure === "oscore-unprotected", `taken as ${outcome.failure ?? "an answer"}`);
}

function get(peer: Peer, path: string, options: readonly CoapOption[] = []): Ask {
  return { code: Code.GET, path, options, context: peer.context(CONTEXT_A) };
}

function partialIvOf(message: CoapMessage | undefined): Uint8Array | undefined {
  const option = message && oscoreOptionOf(message);
  return option === undefined || option instanceof Refusal ? undefined : option.partialIv;
}

function test(
  name: string,
  title: string,
  run: (peer: Peer) => Promise<void>,
  server: PlugtestTest["server"] = "aware",
): PlugtestTest {
  return { name, title, server, run };
}

export const TESTS: readonly PlugtestTest[] = [
  test("0", "GET without OSCORE", async (peer) => {
    const outcome = await peer.ask({ ...get(peer, "oscore/hello/coap"), context: undefined });
    checkText(inner(outcome), "Hello World!");
  }),

  test("1", "GET", async (peer) => {
    const outcome = await peer.ask(get(peer, "oscore/hello/1"));
    checkOuter(outcome, Code.POST, Code.CHANGED);
    checkText(inner(outcome), "Hello World!");
  }),

  test("2", "GET, with an ID Context in the option", async (peer) => {
    const context = peer.context(CONTEXT_C, true);
    const outcome = await peer.ask({ ...get(peer, "oscore/hello/1"), context });
    checkOuter(outcome, Code.POST, Code.CHANGED);
    const option = oscoreOptionOf(outcome.sent);
    check(option !== undefined && !(option instanceof Refusal), "no OSCORE option");
    check(
      option.kidContext !== undefined && toHex(option.kidContext) === "37cbf3210017a2d3",
      "no kid context in the request",
    );
    checkText(inner(outcome), "Hello World!");
  }),

  test("3", "GET with Uri-Query, answered with an ETag", async (peer) => {
    const query = stringOption(OptionNumber.URI_QUERY, "first=1");
    const outcome = await peer.ask(get(peer, "oscore/hello/2", [query]));
    checkOuter(outcome, Code.POST, Code.CHANGED);
    checkText(inner(outcome), "Hello World!");
    const etag = getOption(inner(outcome), OptionNumber.ETAG);
    check(etag !== undefined && toHex(etag) === "2b", "ETag is not 0x2b");
  }),

  test("4", "GET with Accept, answered with Max-Age", async (peer) => {
    const outcome = await peer.ask(get(peer, "oscore/hello/3", [uintOption(OptionNumber.ACCEPT, 0)]));
    checkOuter(outcome, Code.POST, Code.CHANGED);
    checkText(inner(outcome), "Hello World!");
    check(getUint(inner(outcome), OptionNumber.MAX_AGE) === 5, "Max-Age is not 5");
  }),

  test("5", "GET with Observe, of a resource that cannot be observed", async (peer) => {
    const outcome = await peer.ask(get(peer, "oscore/hello/1", [uintOption(OBSERVE, 0)]));
    checkOuter(outcome, Code.FETCH, Code.CHANGED);
    checkText(inner(outcome), "Hello World!");
    check(getOption(inner(outcome), OBSERVE) === undefined, "it is a notification");
  }),

  test("6", "GET with Observe, ended by the server", async (peer) => {
    const watch = peer.watch(get(peer, "oscore/observe1", [uintOption(OBSERVE, 0)]));
    for (const [index, text] of ["one", "two"].entries()) {
      const outcome = await watch.next();
      checkOuter(outcome, Code.FETCH, Code.CONTENT);
      checkText(inner(outcome), text);
      check(getOption(inner(outcome), OBSERVE) !== undefined, `"${text}" is no notification`);
      check(
        index === 0 || partialIvOf(outcome.received) !== undefined,
        "a notification without a Partial IV",
      );
    }
    const last = await watch.next();
    checkCode(inner(last), Code.INTERNAL_SERVER_ERROR);
    check(partialIvOf(last.received) !== undefined, "the last response has no Partial IV");
    const payload = decodeUtf8(inner(last).payload);
    check(payload === "Terminate Observe", `payload "${payload}"`);
  }),

  test("7", "GET with Observe, cancelled by the client", async (peer) => {
    const watch = peer.watch(get(peer, "oscore/observe2", [uintOption(OBSERVE, 0)]));
    for (const text of ["one", "two"]) {
      const outcome = await watch.next();
      checkOuter(outcome, Code.FETCH, Code.CONTENT);
      checkText(inner(outcome), text);
      check(getOption(inner(outcome), OBSERVE) !== undefined, `"${text}" is no notification`);
    }
    const { token } = watch.operation;
    const outcome = await peer.ask({ ...get(peer, "oscore/observe2", [uintOption(OBSERVE, 1)]), token });
    check(outcome.sent.code === Code.FETCH, "the cancellation is no FETCH outside");
    checkText(inner(outcome), "two");
    check(getOption(inner(outcome), OBSERVE) === undefined, "the answer is a notification");
  }),

  test("8", "POST", async (peer) => {
    const ask = { ...get(peer, "oscore/hello/6", [FORMAT_TEXT]), code: Code.POST, payload: hex("4a") };
    const outcome = await peer.ask(ask);
    checkOuter(outcome, Code.POST, Code.CHANGED);
    checkText(inner(outcome), "J", Code.CHANGED);
  }),

  test("9", "PUT with If-Match", async (peer) => {
    const options = [opaqueOption(OptionNumber.IF_MATCH, hex("7b")), FORMAT_TEXT];
    const ask = { ...get(peer, "oscore/hello/7", options), code: Code.PUT, payload: hex("7a") };
    const outcome = await peer.ask(ask);
    checkOuter(outcome, Code.POST, Code.CHANGED);
    checkCode(inner(outcome), Code.CHANGED);
  }),

  test("10", "PUT with If-None-Match", async (peer) => {
    const options = [emptyOption(OptionNumber.IF_NONE_MATCH), FORMAT_TEXT];
    const ask = { ...get(peer, "oscore/hello/7", options), code: Code.PUT, payload: hex("8a") };
    const outcome = await peer.ask(ask);
    checkOuter(outcome, Code.POST, Code.CHANGED);
    checkCode(inner(outcome), Code.PRECONDITION_FAILED);
  }),

  test("11", "DELETE", async (peer) => {
    const outcome = await peer.ask({ ...get(peer, "oscore/test"), code: Code.DELETE });
    checkOuter(outcome, Code.POST, Code.CHANGED);
    checkCode(inner(outcome), Code.DELETED);
  }),

  test("12", "a Sender ID that the server does not know", async (peer) => {
    const context = peer.context({ ...CONTEXT_A, senderId: hex("777777") });
    checkUnprotected(await peer.ask({ ...get(peer, "oscore/hello/1"), context }), [Code.UNAUTHORIZED]);
  }),

  test("13", "a Sender Key that is not the server's Recipient Key", async (peer) => {
    const context = peer.tamperedContext(CONTEXT_A, "sender");
    checkUnprotected(await peer.ask({ ...get(peer, "oscore/hello/1"), context }), [Code.BAD_REQUEST]);
  }),

  test("14", "a Recipient Key that is not the server's Sender Key", async (peer) => {
    const context = peer.tamperedContext(CONTEXT_A, "recipient");
    const outcome = await peer.ask({ ...get(peer, "oscore/hello/1"), context });
    checkOuter(outcome, Code.POST, Code.CHANGED);
    check(outcome.failure === "oscore-decrypt", `taken as ${outcome.failure ?? "an answer"}`);
  }),

  test("15", "a replay", async (peer) => {
    const [first, second] = peer.repeatingContexts(CONTEXT_A);
    checkText(inner(await peer.ask({ ...get(peer, "oscore/hello/1"), context: first })), "Hello World!");
    checkUnprotected(await peer.ask({ ...get(peer, "oscore/hello/1"), context: second }), [
      Code.UNAUTHORIZED,
    ]);
  }),

  test(
    "16",
    "a server that knows nothing of OSCORE",
    async (peer) => {
      const outcome = await peer.ask(get(peer, "oscore/hello/coap"));
      checkUnprotected(outcome, [Code.BAD_OPTION, Code.METHOD_NOT_ALLOWED]);
    },
    "unaware",
  ),

  test("17", "a protected resource without OSCORE", async (peer) => {
    const outcome = await peer.ask({ ...get(peer, "oscore/hello/1"), context: undefined });
    checkCode(inner(outcome), Code.UNAUTHORIZED);
  }),
];

/** Not of the specification: large bodies in inner blocks, for servers that have the resource (ours has). */
export const OWN_TESTS: readonly PlugtestTest[] = [
  test("block2", "GET of a large body in inner blocks", async (peer) => {
    const outcome = await peer.ask({ ...get(peer, "oscore/large"), szx: 2 });
    checkOuter(outcome, Code.POST, Code.CHANGED);
    checkCode(inner(outcome), Code.CONTENT);
    check(inner(outcome).payload.length > 64, `${inner(outcome).payload.length} bytes`);
  }),

  test("block1", "PUT of a large body in inner blocks", async (peer) => {
    const payload = Uint8Array.from({ length: 2500 }, (_, index) => 0x61 + (index % 26));
    const put = { ...get(peer, "oscore/large", [FORMAT_TEXT]), code: Code.PUT, payload, szx: 4 };
    checkCode(inner(await peer.ask(put)), Code.CHANGED);
    const outcome = await peer.ask({ ...get(peer, "oscore/large"), szx: 6 });
    check(toHex(inner(outcome).payload) === toHex(payload), "what was put is not what is got");
  }),
];
