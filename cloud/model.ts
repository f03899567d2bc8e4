/**
 * What the server knows and tells: the records as they are kept (numbers, milliseconds since 1970, node numbers) and
 * the same as JSON (DESIGN §7: ISO 8601 times, °C, %RH, V, names).
 */

import type { Settings } from "../firmware/reading/settings.js";

export const NODE_KINDS = ["node", "gateway", "relay"] as const;
export type NodeKind = (typeof NODE_KINDS)[number];

/** A reading as it is kept. Integers in the units of the wire, so that nothing is rounded on the way to the disk. */
export interface ReadingRecord {
  /**
   * Row number; 0 until stored, and for a reading that was stored before; of such a one the number's negative, when this
   * copy has corrected its time.
   */
  id: number;
  /** {@link NodeRecord.id} */
  readonly node: number;
  /** When it was measured. */
  readonly time: number;
  /** 1/100 °C */
  readonly temperature: number | undefined;
  /** 1/100 % relative humidity */
  readonly humidity: number | undefined;
  /** mV */
  readonly battery: number | undefined;
  /** When the message came. */
  readonly received: number;
  /** {@link NodeRecord.id} of the gateway that it came through. */
  readonly gateway: number | undefined;
  readonly hops: number | undefined;
  /** With the context it travelled in: what makes it this reading and no other. */
  readonly partialIv: number;
  readonly position: number;
}

export interface ReadingJson {
  readonly node: string;
  readonly time: string;
  /** °C */
  readonly temperature?: number;
  /** %RH */
  readonly humidity?: number;
  /** V */
  readonly battery?: number;
  readonly received: string;
  readonly gateway?: string;
  readonly hops?: number;
  /** In the stream: it was told of before, with a time that was wrong. */
  readonly corrected?: true;
}

export const EVENT_KINDS = ["security", "system"] as const;
export type EventKind = (typeof EVENT_KINDS)[number];
export const SEVERITIES = ["info", "warning", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Something that an operator should see. Identical ones are one record with a count. */
export interface EventRecord {
  readonly id: string;
  /** First and last time. */
  readonly time: number;
  last: number;
  count: number;
  readonly kind: EventKind;
  readonly severity: Severity;
  readonly node: string | undefined;
  readonly gateway: string | undefined;
  /** A short stable name, as in the metrics. */
  readonly reason: string;
  /** A sentence for a person. */
  detail: string;
}

export interface EventJson {
  readonly id: string;
  readonly time: string;
  readonly last: string;
  readonly count: number;
  readonly kind: EventKind;
  readonly severity: Severity;
  readonly node?: string;
  readonly gateway?: string;
  readonly reason: string;
  readonly detail: string;
}

/** What a device last said about itself. */
export interface HealthJson {
  readonly time: string;
  /** seconds */
  readonly uptime?: number;
  readonly resetReason?: string;
  /** V */
  readonly battery?: number;
  /** dBm */
  readonly rsrp?: number;
  readonly rat?: string;
  readonly modem?: string;
  readonly queue?: number;
  readonly drops?: Readonly<Record<string, number>>;
  /** Mesh addresses heard, as four hex digits → hops. */
  readonly heard?: Readonly<Record<string, number>>;
}

/** A registered device, as the API shows it. Keys are never in it. */
export interface NodeInfo {
  readonly name: string;
  readonly kind: NodeKind;
  /** Four hex digits. */
  readonly meshAddress?: string;
  readonly place?: string;
  readonly created: string;
  /** Whether it has an OSCORE context: relays need none. */
  readonly protected: boolean;
  readonly replayWindow?: number;
  /** When its last authentic message came. */
  readonly lastSeen?: string;
  /** Seconds between its messages, as a rule. */
  readonly interval?: number;
  readonly hops?: number;
  readonly gateway?: string;
  /** The newest reading by its time of measurement. */
  readonly last?: ReadingJson;
  /** Requests refused since the server started. */
  readonly refused: number;
  /** First and last time of refusals that follow each other. */
  readonly refusals?: { readonly since: string; readonly last: string };
  readonly health?: HealthJson;
  /** What the node said of its settings when it was last asked, since the server started. */
  readonly settings?: Settings & { readonly time: string };
}

/** What a node's answer says, where the server knows the resource. */
export type NodeResult = { readonly settings: Settings } | { readonly stats: HealthJson };

/** "waiting" for the node to be heard, or for the requests before it; "sent": on its way. */
export type RequestState = "waiting" | "sent" | "answered" | "failed";

/** A request to a node and what became of it: `GET /api/requests/:id`, and the stream's `request`. */
export interface RequestJson {
  readonly id: string;
  readonly node: string;
  /** For people: "PUT /settings". */
  readonly request: string;
  readonly created: string;
  /** "waiting" for the node to be heard, "sent", "answered", "failed" */
  readonly state: RequestState;
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

export function iso(time: number): string {
  return new Date(time).toISOString();
}

export function meshAddressText(address: number): string {
  return address.toString(16).padStart(4, "0");
}

/** @param name of a node by its number */
export function readingJson(reading: ReadingRecord, name: (node: number) => string | undefined): ReadingJson {
  const gateway = reading.gateway === undefined ? undefined : name(reading.gateway);
  return {
    node: name(reading.node) ?? "",
    time: iso(reading.time),
    ...(reading.temperature !== undefined && { temperature: reading.temperature / 100 }),
    ...(reading.humidity !== undefined && { humidity: reading.humidity / 100 }),
    ...(reading.battery !== undefined && { battery: reading.battery / 1000 }),
    received: iso(reading.received),
    ...(gateway !== undefined && { gateway }),
    ...(reading.hops !== undefined && { hops: reading.hops }),
  };
}

export function eventJson(event: EventRecord): EventJson {
  return {
    id: event.id,
    time: iso(event.time),
    last: iso(event.last),
    count: event.count,
    kind: event.kind,
    severity: event.severity,
    ...(event.node !== undefined && { node: event.node }),
    ...(event.gateway !== undefined && { gateway: event.gateway }),
    reason: event.reason,
    detail: event.detail,
  };
}
