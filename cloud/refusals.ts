import { Counters } from "../firmware/bytes/counters.js";
import type { Happening } from "./events.js";
import type { Denied } from "./gatekeeper.js";

/** "192.0.2.1" of "192.0.2.1:5683". Ports change with every attempt and tell nobody anything. */
export function hostOf(source: string): string {
  const colon = source.lastIndexOf(":");
  return colon < 0 ? source : source.slice(0, colon);
}

/** A denied request as an event. @param gateway through which it came, as far as that is known */
export function denialEvent(denied: Denied, source: string, gateway: string | undefined): Happening {
  const { reason, partialIv } = denied;
  const name = denied.device?.record.name;
  const host = hostOf(source);
  return {
    kind: "security",
    // Who only does not know us, or whom we do not know yet, attacks nobody.
    severity: reason === "oscore-unprotected" || reason === "oscore-context" ? "info" : "warning",
    reason,
    detail: detailOf(reason, host, name, partialIv),
    node: name,
    gateway,
    // What names no device is told apart by where it came from.
    // Devices that are not registered yet are one event, wherever they speak from.
    ...(name === undefined && { distinct: reason === "oscore-context" ? "" : host }),
  };
}

function detailOf(
  reason: string,
  host: string,
  name: string | undefined,
  partialIv: number | undefined,
): string {
  switch (reason) {
    case "oscore-replay":
      return `Request ${partialIv} of ${name} came again`;
    case "oscore-reordered":
      return `Request ${partialIv} of ${name} came after newer ones`;
    case "oscore-decrypt":
      return `A request in the name of ${name} does not fit its tag: changed on the way, or forged`;
    case "oscore-context":
      return `A request from ${host} names a sender that is not registered`;
    case "oscore-option":
      return `A request from ${host} has a malformed OSCORE option`;
    case "oscore-no-payload":
      return `A protected request from ${host} ends before its ciphertext`;
    case "oscore-unprotected":
      return `A request from ${host} is not protected`;
    case "coap-critical-option":
      return `A request from ${host} has a critical option that does not belong there`;
    default:
      return `A request from ${host} was refused`;
  }
}

/** What the message layer calls bytes that are no CoAP message. Its other counts are about good ones. */
const MALFORMED: ReadonlySet<string> = new Set([
  "coap-too-short",
  "coap-version",
  "coap-token-length",
  "coap-token-cut",
  "coap-code-class",
  "coap-empty-with-content",
  "coap-option-delta",
  "coap-option-length",
  "coap-option-cut",
  "coap-option-number",
  "coap-payload-marker",
]);

/** A datagram that is no CoAP message as an event; `undefined` for what the message layer counts otherwise. */
export function malformedEvent(
  reason: string,
  source: string,
  gateway: string | undefined,
): Happening | undefined {
  if (!MALFORMED.has(reason)) return undefined;
  const host = hostOf(source);
  const detail = `A datagram from ${host} is no CoAP message (${reason.slice("coap-".length).replaceAll("-", " ")})`;
  return { kind: "security", severity: "info", reason, detail, gateway, distinct: host };
}

/** Counters that say when they count. */
export class ObservedCounters extends Counters {
  readonly #onAdd: (name: string, by: number) => void;

  constructor(onAdd: (name: string, by: number) => void) {
    super();
    this.#onAdd = onAdd;
  }

  override add(name: string, by = 1): void {
    super.add(name, by);
    this.#onAdd(name, by);
  }
}
