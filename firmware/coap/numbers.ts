/**
 * The registries of CoAP: codes, option numbers, content formats (RFC 7252 §12, and the RFCs named beside what they
 * added). Numbers and names only; the properties of options are in options.ts.
 */

/** Codes as in the header: class × 32 + detail (RFC 7252 §12.1). */
export const Code = {
  EMPTY: 0x00,

  GET: 0x01,
  POST: 0x02,
  PUT: 0x03,
  DELETE: 0x04,
  /** RFC 8132 */
  FETCH: 0x05,
  /** RFC 8132 */
  PATCH: 0x06,
  /** RFC 8132 */
  IPATCH: 0x07,

  CREATED: 0x41,
  DELETED: 0x42,
  VALID: 0x43,
  CHANGED: 0x44,
  CONTENT: 0x45,
  /** RFC 7959 */
  CONTINUE: 0x5f,

  BAD_REQUEST: 0x80,
  UNAUTHORIZED: 0x81,
  BAD_OPTION: 0x82,
  FORBIDDEN: 0x83,
  NOT_FOUND: 0x84,
  METHOD_NOT_ALLOWED: 0x85,
  NOT_ACCEPTABLE: 0x86,
  /** RFC 7959 */
  REQUEST_ENTITY_INCOMPLETE: 0x88,
  /** RFC 8132 */
  CONFLICT: 0x89,
  PRECONDITION_FAILED: 0x8c,
  REQUEST_ENTITY_TOO_LARGE: 0x8d,
  UNSUPPORTED_CONTENT_FORMAT: 0x8f,
  /** RFC 8132 */
  UNPROCESSABLE_ENTITY: 0x96,
  /** RFC 8516 */
  TOO_MANY_REQUESTS: 0x9d,

  INTERNAL_SERVER_ERROR: 0xa0,
  NOT_IMPLEMENTED: 0xa1,
  BAD_GATEWAY: 0xa2,
  SERVICE_UNAVAILABLE: 0xa3,
  GATEWAY_TIMEOUT: 0xa4,
  PROXYING_NOT_SUPPORTED: 0xa5,
  /** RFC 8768 */
  HOP_LIMIT_REACHED: 0xa8,
} as const;

const CODE_NAMES: ReadonlyMap<number, string> = new Map([
  [Code.EMPTY, "Empty"],
  [Code.GET, "GET"],
  [Code.POST, "POST"],
  [Code.PUT, "PUT"],
  [Code.DELETE, "DELETE"],
  [Code.FETCH, "FETCH"],
  [Code.PATCH, "PATCH"],
  [Code.IPATCH, "iPATCH"],
  [Code.CREATED, "Created"],
  [Code.DELETED, "Deleted"],
  [Code.VALID, "Valid"],
  [Code.CHANGED, "Changed"],
  [Code.CONTENT, "Content"],
  [Code.CONTINUE, "Continue"],
  [Code.BAD_REQUEST, "Bad Request"],
  [Code.UNAUTHORIZED, "Unauthorized"],
  [Code.BAD_OPTION, "Bad Option"],
  [Code.FORBIDDEN, "Forbidden"],
  [Code.NOT_FOUND, "Not Found"],
  [Code.METHOD_NOT_ALLOWED, "Method Not Allowed"],
  [Code.NOT_ACCEPTABLE, "Not Acceptable"],
  [Code.REQUEST_ENTITY_INCOMPLETE, "Request Entity Incomplete"],
  [Code.CONFLICT, "Conflict"],
  [Code.PRECONDITION_FAILED, "Precondition Failed"],
  [Code.REQUEST_ENTITY_TOO_LARGE, "Request Entity Too Large"],
  [Code.UNSUPPORTED_CONTENT_FORMAT, "Unsupported Content-Format"],
  [Code.UNPROCESSABLE_ENTITY, "Unprocessable Entity"],
  [Code.TOO_MANY_REQUESTS, "Too Many Requests"],
  [Code.INTERNAL_SERVER_ERROR, "Internal Server Error"],
  [Code.NOT_IMPLEMENTED, "Not Implemented"],
  [Code.BAD_GATEWAY, "Bad Gateway"],
  [Code.SERVICE_UNAVAILABLE, "Service Unavailable"],
  [Code.GATEWAY_TIMEOUT, "Gateway Timeout"],
  [Code.PROXYING_NOT_SUPPORTED, "Proxying Not Supported"],
  [Code.HOP_LIMIT_REACHED, "Hop Limit Reached"],
]);

/** "2.04" of 0x44. */
export function formatCode(code: number): string {
  const detail = code & 31;
  return `${code >> 5}.${detail < 10 ? "0" : ""}${detail}`;
}

/** 0x44 of "2.04"; `undefined` for anything that is not c.dd with class 0–7 and detail 0–31. */
export function parseCode(text: string): number | undefined {
  if (text.length !== 4 || text[1] !== ".") return undefined;
  const digits = [text.charCodeAt(0) - 48, text.charCodeAt(2) - 48, text.charCodeAt(3) - 48];
  for (const digit of digits) if (!(digit >= 0 && digit <= 9)) return undefined;
  const detail = digits[1] * 10 + digits[2];
  return digits[0] > 7 || detail > 31 ? undefined : (digits[0] << 5) | detail;
}

/** "Changed" of 0x44; the dotted form for codes that are not registered. */
export function codeName(code: number): string {
  return CODE_NAMES.get(code) ?? formatCode(code);
}

/** The three bits before the dot. */
export function codeClass(code: number): number {
  return code >> 5;
}

/** A method code, registered or not: 0.01–0.31 (RFC 7252 §12.1.1). */
export function isRequest(code: number): boolean {
  return code !== 0 && code < 0x20;
}

/** A code of class 2, 4 or 5 (RFC 7252 §12.1.2). */
export function isResponse(code: number): boolean {
  const c = code >> 5;
  return c === 2 || c === 4 || c === 5;
}

/** 4.xx or 5.xx. */
export function isError(code: number): boolean {
  const c = code >> 5;
  return c === 4 || c === 5;
}

/** Option numbers (RFC 7252 §12.2). */
export const OptionNumber = {
  IF_MATCH: 1,
  URI_HOST: 3,
  ETAG: 4,
  IF_NONE_MATCH: 5,
  /** RFC 7641 */
  OBSERVE: 6,
  URI_PORT: 7,
  LOCATION_PATH: 8,
  /** RFC 8613 */
  OSCORE: 9,
  URI_PATH: 11,
  CONTENT_FORMAT: 12,
  MAX_AGE: 14,
  URI_QUERY: 15,
  /** RFC 8768 */
  HOP_LIMIT: 16,
  ACCEPT: 17,
  /** RFC 9177 */
  Q_BLOCK1: 19,
  LOCATION_QUERY: 20,
  /** RFC 9668 */
  EDHOC: 21,
  /** RFC 7959 */
  BLOCK2: 23,
  /** RFC 7959 */
  BLOCK1: 27,
  /** RFC 7959 */
  SIZE2: 28,
  /** RFC 9177 */
  Q_BLOCK2: 31,
  PROXY_URI: 35,
  PROXY_SCHEME: 39,
  SIZE1: 60,
  /** RFC 9175 */
  ECHO: 252,
  /** RFC 7967 */
  NO_RESPONSE: 258,
  /** RFC 9175 */
  REQUEST_TAG: 292,
} as const;

/** Content formats that we speak or may meet (RFC 7252 §12.3). */
export const ContentFormat = {
  TEXT: 0,
  LINK_FORMAT: 40,
  XML: 41,
  OCTET_STREAM: 42,
  EXI: 47,
  JSON: 50,
  CBOR: 60,
  CBOR_SEQUENCE: 63,
  EDHOC: 64,
  SENML_JSON: 110,
  SENML_CBOR: 112,
  OSCORE: 10001,
} as const;

const CONTENT_FORMAT_NAMES: ReadonlyMap<number, string> = new Map([
  [ContentFormat.TEXT, "text/plain;charset=utf-8"],
  [ContentFormat.LINK_FORMAT, "application/link-format"],
  [ContentFormat.XML, "application/xml"],
  [ContentFormat.OCTET_STREAM, "application/octet-stream"],
  [ContentFormat.EXI, "application/exi"],
  [ContentFormat.JSON, "application/json"],
  [ContentFormat.CBOR, "application/cbor"],
  [ContentFormat.CBOR_SEQUENCE, "application/cbor-seq"],
  [ContentFormat.EDHOC, "application/edhoc+cbor-seq"],
  [ContentFormat.SENML_JSON, "application/senml+json"],
  [ContentFormat.SENML_CBOR, "application/senml+cbor"],
  [ContentFormat.OSCORE, "application/oscore"],
]);

/** The media type of a content format; its number where we do not know it. */
export function contentFormatName(format: number): string {
  return CONTENT_FORMAT_NAMES.get(format) ?? `content-format ${format}`;
}
