import { Refusal } from "../firmware/bytes/refusal.js";
import { encodeUtf8 } from "../firmware/bytes/utf8.js";
import { type CoapMessage, Type } from "../firmware/coap/message.js";
import { Code, ContentFormat, OptionNumber } from "../firmware/coap/numbers.js";
import { badCriticalOption, getUint, uriPath } from "../firmware/coap/options.js";
import { decodeReport } from "../firmware/reading/codec.js";
import type { Report } from "../firmware/reading/reading.js";
import { decodeSenml } from "../firmware/reading/senml.js";

/** What an authentic request comes to. */
export interface Understood {
  /** The answer, to be protected. */
  readonly content: CoapMessage;
  readonly report?: Report;
  /** Why there is no report. */
  readonly refusal?: string;
}

const UNDERSTOOD: ReadonlySet<number> = new Set([
  OptionNumber.URI_HOST,
  OptionNumber.URI_PORT,
  OptionNumber.URI_PATH,
  OptionNumber.URI_QUERY,
  OptionNumber.OSCORE,
  OptionNumber.ACCEPT,
]);

const NO_BYTES = new Uint8Array(0);

/** Readings and health are POSTed to the root, or to `/r` (DESIGN §5). Anything else gets the error that CoAP has for it. */
export function understand(request: CoapMessage, partialIv: number): Understood {
  // Most requests have no options at all.
  if (request.options.length > 0) {
    const refused = checkOptions(request);
    if (refused !== undefined) return refused;
  }
  if (request.code !== Code.POST) return refuse(Code.METHOD_NOT_ALLOWED, "request-method");

  const format = getUint(request, OptionNumber.CONTENT_FORMAT) ?? ContentFormat.CBOR;
  if (format !== ContentFormat.CBOR && format !== ContentFormat.SENML_CBOR) {
    return refuse(Code.UNSUPPORTED_CONTENT_FORMAT, "request-format");
  }
  const report = format === ContentFormat.CBOR ? decodeReport(request.payload) : decodeSenml(request.payload);
  if (report instanceof Refusal) return refuse(Code.BAD_REQUEST, report.reason, `${report}`);
  if (report.kind === "readings") {
    for (const { firstCarriage } of report.readings) {
      // A reading cannot have travelled before in a message that is still to come.
      if (firstCarriage !== undefined && firstCarriage.partialIv >= partialIv) {
        return refuse(Code.BAD_REQUEST, "report-carriage", `first carried by ${firstCarriage.partialIv}`);
      }
    }
  }
  return { content: SUCCESS, report };
}

function checkOptions(request: CoapMessage): Understood | undefined {
  const critical = badCriticalOption(request, (number) => UNDERSTOOD.has(number));
  if (critical !== undefined) return refuse(Code.BAD_OPTION, "request-option", `option ${critical}`);
  const path = uriPath(request);
  if (path.length > 1 || (path.length === 1 && path[0] !== "r"))
    return refuse(Code.NOT_FOUND, "request-path");
  return undefined;
}

/** Type, message ID and token come from the message layer. */
function answer(code: number, payload: Uint8Array): CoapMessage {
  return { type: Type.ACK, code, messageId: 0, token: NO_BYTES, options: [], payload };
}

function refuse(code: number, refusal: string, diagnostic = ""): Understood {
  return { content: answer(code, encodeUtf8(diagnostic)), refusal };
}

const SUCCESS = answer(Code.CHANGED, NO_BYTES);
