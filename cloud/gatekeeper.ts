import { Refusal } from "../firmware/bytes/refusal.js";
import type { CoapMessage } from "../firmware/coap/message.js";
import type { Content } from "../firmware/coap/message-layer.js";
import { Code, OptionNumber } from "../firmware/coap/numbers.js";
import { badCriticalOption, uintOption } from "../firmware/coap/options.js";
import { OscoreRefusal } from "../firmware/oscore/refusal.js";
import type { Change } from "../firmware/oscore/store.js";
import {
  type RequestOption,
  requestOptionOf,
  type UnprotectedRequest,
  unprotectRequest,
} from "../firmware/oscore/unprotect.js";
import { RequestVerifier } from "../firmware/oscore/verifier.js";
import type { Crypto } from "../hal/hal.js";
import type { DeviceContext } from "./context.js";
import type { Device } from "./device.js";
import type { Layer } from "./metrics.js";
import type { Registry } from "./registry.js";

/** What a request turned out to be. Nothing was changed yet. */
export type Admission = Admitted | Again | Challenged | Denied;

/** Authentic and not seen before. */
export interface Admitted {
  readonly kind: "new";
  readonly device: Device;
  readonly request: UnprotectedRequest;
  readonly change: Change<DeviceContext>;
}

/** Authentic, but one of both sides has lost something: the node is to come again as the answer says (RFC 8613 App. B). */
export interface Challenged {
  readonly kind: "challenged";
  readonly device: Device;
  /** Protected. */
  readonly answer: Content;
}

/** The newest accepted request once more: a second gateway heard it too, or its answer got lost. */
export interface Again {
  readonly kind: "again";
  readonly context: DeviceContext;
}

export interface Denied {
  readonly kind: "denied";
  readonly layer: Layer;
  /** A stable name, for metrics and events. */
  readonly reason: string;
  /** In whose name the request came. That it was really theirs is proven for replays only. */
  readonly device?: Device;
  readonly partialIv?: number;
  /** The unprotected error that is due. */
  readonly answer: Content;
}

const NO_BYTES = new Uint8Array(0);

/** Options of an outer message that we act on or may pass over: Class E ones are discarded unread (RFC 8613 §8.2 step 1). */
const OUTER_OPTIONS: ReadonlySet<number> = new Set([
  OptionNumber.URI_HOST,
  OptionNumber.URI_PORT,
  OptionNumber.OSCORE,
  OptionNumber.URI_PATH,
  OptionNumber.URI_QUERY,
  OptionNumber.ACCEPT,
]);

/** An unprotected error without a payload. No proxy may keep it (RFC 8613 §4.1.3.1). */
export function plainError(code: number, maxAge = 0): Content {
  return { code, options: [uintOption(OptionNumber.MAX_AGE, maxAge)], payload: NO_BYTES };
}

/** Checks who a request is from, that it was not changed, and that it is new (RFC 8613 §8.2). */
export class Gatekeeper {
  readonly #registry: Registry;
  readonly #verifier: RequestVerifier<DeviceContext>;

  constructor(registry: Registry, crypto: Crypto) {
    this.#registry = registry;
    this.#verifier = new RequestVerifier({ crypto });
  }

  /** @param now ms, of a clock that does not go back */
  admit(request: CoapMessage, now: number): Admission {
    const option = requestOptionOf(request);
    if (option === undefined) return deny("oscore", "oscore-unprotected", plainError(Code.UNAUTHORIZED));
    if (option instanceof Refusal) return denyOscore(option);
    if (badCriticalOption(request, (number) => OUTER_OPTIONS.has(number)) !== undefined) {
      return deny("coap", "coap-critical-option", plainError(Code.BAD_OPTION));
    }
    const contexts = this.#registry.find(option.kid, option.kidContext);
    for (const context of contexts) if (context.isLatest(request)) return { kind: "again", context };

    const result = this.#verifier.verify(this.#registry, request, now, option);
    if (result instanceof Refusal) return this.#refused(request, result, option, contexts);
    if (result.kind === "challenged") {
      return { kind: "challenged", device: result.context.device, answer: result.answer };
    }
    const { request: opened, change } = result;
    return { kind: "new", device: change.context.device, request: opened, change };
  }

  /**
   * The verifier asks the replay window first, as RFC 8613 §8.2 does. For the feed it matters whether an old number
   * came with a true message or with a forged one.
   */
  #refused(
    request: CoapMessage,
    refusal: OscoreRefusal,
    option: RequestOption,
    contexts: readonly DeviceContext[],
  ): Denied {
    const device = contexts.length === 1 ? contexts[0].device : undefined;
    if (refusal.reason !== "oscore-replay") return { ...denyOscore(refusal), ...(device && { device }) };
    for (const context of contexts) {
      const opened = unprotectRequest(context.security, request, option);
      if (opened instanceof Refusal) continue;
      const verdict = context.verdict(opened.partialIv) === "reordered" ? "reordered" : "replay";
      return replayed(context.device, opened.partialIv, verdict);
    }
    return { ...denyOscore(new OscoreRefusal("oscore-decrypt")), ...(device && { device }) };
  }
}

export function replayed(device: Device, partialIv: number, verdict: "replay" | "reordered"): Denied {
  const denied = denyOscore(new OscoreRefusal("oscore-replay"));
  return { ...denied, layer: "replay", reason: `oscore-${verdict}`, device, partialIv };
}

/** @param refusal of a request with an OSCORE option, so there is an error for it */
function denyOscore(refusal: OscoreRefusal): Denied {
  return deny("oscore", refusal.reason, refusal.error!);
}

function deny(layer: Layer, reason: string, answer: Content): Denied {
  return { kind: "denied", layer, reason, answer };
}
