import { Refusal } from "../firmware/bytes/refusal.js";
import type { CoapMessage } from "../firmware/coap/message.js";
import { Code, ContentFormat, codeClass, OptionNumber } from "../firmware/coap/numbers.js";
import { stringOption, uintOption } from "../firmware/coap/options.js";
import { decodeReport } from "../firmware/reading/codec.js";
import { changeSettings, encodeSettings, type Settings } from "../firmware/reading/settings.js";
import type { Device } from "./device.js";
import type { NodeRequest } from "./downlink.js";
import { healthJson, mergeHealth } from "./health.js";
import type { NodeResult } from "./model.js";
import { protectedAttempt } from "./node-client.js";

/** Requests for the resources of our nodes (firmware/roles/node-resources.ts) whose answers the server can read. */

const NO_BYTES = new Uint8Array(0);

/** Asks for a node's settings; with `change` they are changed before. What it leaves out stays as it is. */
export function settingsRequest(device: Device, change?: Partial<Settings>): NodeRequest {
  const path = stringOption(OptionNumber.URI_PATH, "settings");
  const content =
    change === undefined
      ? { code: Code.GET, options: [path], payload: NO_BYTES }
      : {
          code: Code.PUT,
          options: [path, uintOption(OptionNumber.CONTENT_FORMAT, ContentFormat.CBOR)],
          payload: encodeSettings(change),
        };
  return {
    label: change === undefined ? "GET /settings" : "PUT /settings",
    make: () => protectedAttempt(device, content),
    repeatable: true,
    read: ifSuccess(({ payload }) => {
      const settings = changeSettings(UNKNOWN, payload);
      return settings instanceof Refusal || settings.interval === 0 ? undefined : { settings };
    }),
  };
}

/** No node has these: what an answer leaves out is found by it. */
const UNKNOWN: Settings = { interval: 0, confirmable: true, batch: 1 };

/** Asks how a node is: uptime, battery, what waits and what was dropped. */
export function statsRequest(device: Device, wallTime: () => number): NodeRequest {
  const options = [stringOption(OptionNumber.URI_PATH, "stats")];
  return {
    label: "GET /stats",
    make: () => protectedAttempt(device, { code: Code.GET, options, payload: NO_BYTES }),
    repeatable: true,
    read: ifSuccess(({ payload }) => {
      const report = decodeReport(payload);
      if (report instanceof Refusal || report.kind !== "health") return undefined;
      return { stats: healthJson(mergeHealth(undefined, report.health, wallTime()).state) };
    }),
  };
}

function ifSuccess(read: (answer: CoapMessage) => NodeResult | undefined): NonNullable<NodeRequest["read"]> {
  return (answer) => (codeClass(answer.code) === 2 ? read(answer) : undefined);
}
