import { Refusal } from "../bytes/refusal.js";
import { encodeUtf8 } from "../bytes/utf8.js";
import type { CoapMessage } from "../coap/message.js";
import type { Content } from "../coap/messaging.js";
import { Code, ContentFormat, OptionNumber } from "../coap/numbers.js";
import { badCriticalOption, getUint, uintOption, uriPath } from "../coap/options.js";
import { encodeReadings } from "../reading/codec.js";
import type { Reading } from "../reading/reading.js";
import { changeSettings, encodeSettings, type Settings } from "../reading/settings.js";

/** What the resources show of a node. */
export interface NodeState {
  readonly settings: Settings;
  /** The newest measurement, with its age; `undefined` before the first. */
  latest(now: number): Reading | undefined;
  /** A health report. */
  stats(now: number): Uint8Array;
  /** Makes settings last, and goes by them from now on. */
  change(settings: Settings, now: number): void;
}

const { TEXT, LINK_FORMAT, CBOR } = ContentFormat;

const LINKS =
  '</t>;rt="temperature-c";ct="0 60",</h>;rt="relative-humidity";ct="0 60",</settings>;ct=60,</stats>;ct=60';

/**
 * The resources of a sensor node: `/t` and `/h` (the last measurement, as text in °C and %RH, or as CBOR), `/settings`
 * (GET and PUT), `/stats`, `/.well-known/core` (RFC 6690; a filter is passed over, as §4.1 allows). A CoapServer would
 * serve them as well and take ten times as much flash: nothing here is long enough for blocks, or observed.
 *
 * @param isFresh whether the request is known not to have been held back: only such a one changes anything
 * @returns the answer; `undefined` when the request has to prove its freshness first
 */
export function serveNode(
  node: NodeState,
  request: CoapMessage,
  isFresh: boolean,
  now: number,
): Content | undefined {
  if (badCriticalOption(request, understands) !== undefined) return answer(Code.BAD_OPTION);
  const path = uriPath(request).join("/");
  const isPut = request.code === Code.PUT;
  const accept = getUint(request, OptionNumber.ACCEPT);
  let format: number = CBOR;
  let body: Uint8Array | undefined;
  if (path === "t" || path === "h") {
    const latest = node.latest(now);
    const value = path === "t" ? latest?.temperature : latest?.humidity;
    if (accept !== CBOR) format = TEXT;
    if (latest !== undefined && value !== undefined) {
      const field = path === "t" ? "temperature" : "humidity";
      body =
        format === TEXT
          ? encodeUtf8(hundredths(value))
          : encodeReadings([{ age: latest.age, [field]: value }]);
    }
  } else if (path === "stats") {
    body = node.stats(now);
  } else if (path === ".well-known/core") {
    format = LINK_FORMAT;
    body = encodeUtf8(LINKS);
  } else if (path !== "settings") {
    return answer(Code.NOT_FOUND);
  }
  if (request.code !== Code.GET && !(isPut && path === "settings")) return answer(Code.METHOD_NOT_ALLOWED);
  if (accept !== undefined && accept !== format) return answer(Code.NOT_ACCEPTABLE);
  if (isPut) {
    if (getUint(request, OptionNumber.CONTENT_FORMAT) !== CBOR)
      return answer(Code.UNSUPPORTED_CONTENT_FORMAT);
    const settings = changeSettings(node.settings, request.payload);
    if (settings instanceof Refusal) {
      return answer(settings.reason === "settings-shape" ? Code.BAD_REQUEST : Code.UNPROCESSABLE_ENTITY);
    }
    if (!isFresh) return undefined;
    node.change(settings, now);
  }
  if (path === "settings") body = encodeSettings(node.settings);
  // There is the resource, but nothing was measured yet.
  if (body === undefined) return answer(Code.SERVICE_UNAVAILABLE);
  return {
    code: isPut ? Code.CHANGED : Code.CONTENT,
    options: [uintOption(OptionNumber.CONTENT_FORMAT, format), NO_CACHE],
    payload: body,
  };
}

/** "21.50" of 2150. toFixed and padStart would bring the engine's parts for them into the image. */
function hundredths(value: number): string {
  const size = value < 0 ? -value : value;
  const rest = size % 100;
  return `${value < 0 ? "-" : ""}${(size - rest) / 100}.${rest < 10 ? "0" : ""}${rest}`;
}

/** All of it changes without notice. */
const NO_CACHE = uintOption(OptionNumber.MAX_AGE, 0);
const NO_BYTES = new Uint8Array(0);

function answer(code: number): Content {
  return { code, options: [], payload: NO_BYTES };
}

/** Critical options that mean something here, or change nothing. */
function understands(option: number): boolean {
  return (
    option === OptionNumber.URI_PATH ||
    option === OptionNumber.URI_QUERY ||
    option === OptionNumber.ACCEPT ||
    option === OptionNumber.URI_HOST ||
    option === OptionNumber.URI_PORT
  );
}
