import { toHex } from "../../firmware/bytes/hex.js";
import type { CoapMessage, CoapOption } from "../../firmware/coap/message.js";
import {
  Code,
  ContentFormat,
  codeClass,
  contentFormatName,
  OptionNumber,
} from "../../firmware/coap/numbers.js";
import {
  getOption,
  getStrings,
  getUint,
  sortOptions,
  stringOption,
  uintOption,
} from "../../firmware/coap/options.js";

/** HTTP ↔ CoAP (RFC 8075, RFC 7252 §10): methods, status codes, media types and the headers that have an option. */

const METHODS: Readonly<Record<string, number>> = {
  GET: Code.GET,
  POST: Code.POST,
  PUT: Code.PUT,
  DELETE: Code.DELETE,
  PATCH: Code.PATCH,
};
export const HTTP_METHODS = Object.keys(METHODS) as ("GET" | "POST" | "PUT" | "DELETE" | "PATCH")[];

/** RFC 8075 §7, table 2, with the codes that came later. A code that is not here is as its class. */
const STATUS: ReadonlyMap<number, number> = new Map([
  [Code.CREATED, 201],
  [Code.DELETED, 200],
  [Code.VALID, 304],
  [Code.CHANGED, 200],
  [Code.CONTENT, 200],
  [Code.BAD_REQUEST, 400],
  // Not 401: that would need a WWW-Authenticate that the node knows nothing of.
  [Code.UNAUTHORIZED, 403],
  [Code.BAD_OPTION, 400],
  [Code.FORBIDDEN, 403],
  [Code.NOT_FOUND, 404],
  [Code.METHOD_NOT_ALLOWED, 405],
  [Code.NOT_ACCEPTABLE, 406],
  [Code.CONFLICT, 409],
  [Code.PRECONDITION_FAILED, 412],
  [Code.REQUEST_ENTITY_TOO_LARGE, 413],
  [Code.UNSUPPORTED_CONTENT_FORMAT, 415],
  [Code.UNPROCESSABLE_ENTITY, 422],
  [Code.TOO_MANY_REQUESTS, 429],
  [Code.INTERNAL_SERVER_ERROR, 500],
  [Code.NOT_IMPLEMENTED, 501],
  [Code.BAD_GATEWAY, 502],
  [Code.SERVICE_UNAVAILABLE, 503],
  [Code.GATEWAY_TIMEOUT, 504],
  [Code.PROXYING_NOT_SUPPORTED, 502],
]);

const FORMATS: ReadonlyMap<string, number> = new Map(
  Object.values(ContentFormat).map((format) => [essence(contentFormatName(format)), format]),
);

/** A media type without its parameters. */
function essence(mediaType: string): string {
  return mediaType.split(";")[0].trim().toLowerCase();
}

/** The Content-Format of a media type (RFC 8075 §6.4); `undefined` when CoAP has none that we know. */
export function contentFormatOf(mediaType: string): number | undefined {
  // §6.2: the media type for formats that have none here.
  const number = /^application\/coap-payload\s*;\s*cf=(\d{1,5})$/i.exec(mediaType.trim())?.[1];
  if (number !== undefined) return Number(number) <= 0xffff ? Number(number) : undefined;
  return FORMATS.get(essence(mediaType));
}

export interface HttpRequest {
  readonly method: string;
  /** Path segments, decoded. */
  readonly path: readonly string[];
  /** "a=b", decoded. */
  readonly query: readonly string[];
  readonly contentType: string | undefined;
  readonly accept: string | undefined;
  readonly body: Uint8Array;
}

/** Why a request has no CoAP form: a status and a sentence. */
export class MappingError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** @throws MappingError */
export function coapRequest(request: HttpRequest): Pick<CoapMessage, "code" | "options" | "payload"> {
  const code = METHODS[request.method];
  if (code === undefined) throw new MappingError(501, `CoAP has no ${request.method}`);
  const options: CoapOption[] = [];
  for (const segment of request.path) options.push(stringOption(OptionNumber.URI_PATH, segment));
  for (const argument of request.query) options.push(stringOption(OptionNumber.URI_QUERY, argument));
  if (request.body.length > 0) {
    const type = request.contentType ?? "application/octet-stream";
    const format = contentFormatOf(type);
    if (format === undefined) throw new MappingError(415, `CoAP has no content format for ${type}`);
    options.push(uintOption(OptionNumber.CONTENT_FORMAT, format));
  }
  // Several media types, or a wildcard, leave the choice to the node: CoAP can name one.
  const wanted = request.accept?.split(",") ?? [];
  if (wanted.length === 1 && !wanted[0].includes("*")) {
    const format = contentFormatOf(wanted[0]);
    if (format === undefined)
      throw new MappingError(406, `CoAP has no content format for ${wanted[0].trim()}`);
    options.push(uintOption(OptionNumber.ACCEPT, format));
  }
  for (const { value } of options) {
    if (value.length > 255)
      throw new MappingError(414, "a part of the path or query is longer than 255 bytes");
  }
  return { code, options: sortOptions(options), payload: request.body };
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export function httpAnswer(answer: CoapMessage): HttpAnswer {
  const headers: Record<string, string> = {};
  const { code, payload } = answer;
  let status = STATUS.get(code) ?? (codeClass(code) === 4 ? 400 : codeClass(code) === 5 ? 502 : 200);
  if (status === 200 && payload.length === 0 && code !== Code.CONTENT) status = 204;
  const format = getUint(answer, OptionNumber.CONTENT_FORMAT);
  if (payload.length > 0) {
    // An error's payload without a format is a diagnostic message (RFC 7252 §5.5.2).
    const plain = format === undefined && codeClass(code) !== 2;
    headers["content-type"] = plain
      ? contentFormatName(ContentFormat.TEXT)
      : FORMATS.has(essence(contentFormatName(format ?? ContentFormat.OCTET_STREAM)))
        ? contentFormatName(format ?? ContentFormat.OCTET_STREAM)
        : `application/coap-payload;cf=${format}`;
  }
  const maxAge = getUint(answer, OptionNumber.MAX_AGE) ?? 60;
  if (status === 503) headers["retry-after"] = `${maxAge}`;
  else if (code === Code.CONTENT || code === Code.VALID)
    headers["cache-control"] = `private, max-age=${maxAge}`;
  const etag = getOption(answer, OptionNumber.ETAG);
  if (etag !== undefined) headers.etag = `"${toHex(etag)}"`;
  const location = getStrings(answer, OptionNumber.LOCATION_PATH);
  if (location.length > 0) headers.location = `/${location.map(encodeURIComponent).join("/")}`;
  return { status, headers, body: payload };
}

/** The OSCORE header field (RFC 8613 §11.2): the option's value in base64url; "AA" stands for an empty one. */
export function oscoreHeader(value: Uint8Array): string {
  return value.length === 0 ? "AA" : Buffer.from(value).toString("base64url");
}

/** @returns the option's value; `undefined` when the text is no base64url */
export function oscoreOption(header: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]+$/.test(header)) return undefined;
  const value = new Uint8Array(Buffer.from(header, "base64url"));
  return value.length === 1 && value[0] === 0 ? new Uint8Array(0) : value;
}
