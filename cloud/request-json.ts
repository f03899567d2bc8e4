import { contentFormatName, formatCode, OptionNumber } from "../firmware/coap/numbers.js";
import { getOption, getUint } from "../firmware/coap/options.js";
import type { Delivery } from "./downlink.js";
import { oscoreHeader } from "./http/coap-mapping.js";
import { iso, type RequestJson } from "./model.js";

export type { RequestJson };

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
