import { contentFormatName, formatCode, OptionNumber } from "../firmware/coap/numbers.js";
import { getOption, getUint } from "../firmware/coap/options.js";
import type { Delivery } from "./downlink.js";
import { oscoreHeader } from "./http/coap-mapping.js";
import { iso, type NodeResult } from "./model.js";

/** A request to a node and what became of it: `GET /api/requests/:id`, and the stream's `request`. */
export interface RequestJson {
  readonly id: string;
  readonly node: string;
  /** For people: "PUT /settings". */
  readonly request: string;
  readonly created: string;
  /** "waiting" for the node to be heard, "sent", "answered", "failed" */
  readonly state: Delivery["state"];
  readonly attempts: number;
  readonly ended?: string;
  readonly failure?: string;
  /** What the answer says, where the server knows the resource: the settings, the statistics. */
  readonly result?: NodeResult;
  readonly answer?: {
    /** "2.05" */
    readonly code: string;
    readonly mediaType?: string;
    /** The OSCORE header of an answer that only the client can open (RFC 8613 §11.2). */
    readonly oscore?: string;
    /** base64url */
    readonly payload: string;
  };
}

export function requestJson(delivery: Delivery): RequestJson {
  const { id, device, label, created, state, attempts, ended, failure, result, answer } = delivery;
  return {
    id,
    node: device.record.name,
    request: label,
    created: iso(created),
    state,
    attempts,
    ...(ended !== undefined && { ended: iso(ended) }),
    ...(failure !== undefined && { failure }),
    ...(result !== undefined && { result }),
    ...(answer !== undefined && { answer: answerJson(answer) }),
  };
}

function answerJson(answer: NonNullable<Delivery["answer"]>): NonNullable<RequestJson["answer"]> {
  const format = getUint(answer, OptionNumber.CONTENT_FORMAT);
  const oscore = getOption(answer, OptionNumber.OSCORE);
  return {
    code: formatCode(answer.code),
    ...(format !== undefined && { mediaType: contentFormatName(format) }),
    ...(oscore !== undefined && { oscore: oscoreHeader(oscore) }),
    payload: Buffer.from(answer.payload).toString("base64url"),
  };
}
