/** What the API answers, for its OpenAPI description and the test that holds the server to it. */

import { EVENT_KINDS, NODE_KINDS, SEVERITIES } from "../model.js";
import { ALARM_KINDS } from "../watch.js";

const TEXT = { type: "string" } as const;
const NUMBER = { type: "number" } as const;
const WHOLE = { type: "integer" } as const;
const TIME = { type: "string", format: "date-time" } as const;

function object<P extends Record<string, object>>(
  $id: string,
  required: readonly (keyof P & string)[],
  properties: P,
) {
  return { $id, type: "object", additionalProperties: false, required, properties } as const;
}

const ref = ($id: string) => ({ $ref: `${$id}#` });
export const list = ($id: string) => ({ type: "array", items: ref($id) });

const READING = object("Reading", ["node", "time", "received"], {
  node: TEXT,
  time: TIME,
  temperature: { ...NUMBER, description: "°C" },
  humidity: { ...NUMBER, description: "% relative humidity" },
  battery: { ...NUMBER, description: "V" },
  received: TIME,
  gateway: TEXT,
  hops: WHOLE,
});

const HEALTH = object("Health", ["time"], {
  time: TIME,
  uptime: { ...NUMBER, description: "s" },
  resetReason: TEXT,
  battery: { ...NUMBER, description: "V" },
  rsrp: { ...NUMBER, description: "dBm" },
  rat: TEXT,
  modem: TEXT,
  queue: WHOLE,
  drops: { type: "object", additionalProperties: WHOLE },
  heard: { type: "object", additionalProperties: WHOLE, description: "mesh address → hops" },
});

const NODE = object("Node", ["name", "kind", "created", "protected", "refused"], {
  name: TEXT,
  kind: { type: "string", enum: NODE_KINDS },
  meshAddress: { type: "string", pattern: "^[0-9a-f]{4}$" },
  place: TEXT,
  created: TIME,
  protected: { type: "boolean", description: "has OSCORE keys" },
  replayWindow: WHOLE,
  lastSeen: TIME,
  interval: { ...NUMBER, description: "s between its messages, as a rule" },
  hops: WHOLE,
  gateway: TEXT,
  last: ref("Reading"),
  refused: { ...WHOLE, description: "requests in its name, since the server started" },
  refusals: { type: "object", required: ["since", "last"], properties: { since: TIME, last: TIME } },
  health: ref("Health"),
  settings: ref("Settings"),
});

const MEAN = { type: ["number", "null"] } as const;
const POINT = object("Point", ["time", "count"], {
  time: TIME,
  count: WHOLE,
  temperature: MEAN,
  temperatureMin: MEAN,
  temperatureMax: MEAN,
  humidity: MEAN,
  humidityMin: MEAN,
  humidityMax: MEAN,
  battery: MEAN,
});

const REPORTED = object("Reported", ["time", "count"], {
  time: TIME,
  count: WHOLE,
  rsrp: MEAN,
  rsrpMin: MEAN,
  rsrpMax: MEAN,
  queue: MEAN,
  queueMax: MEAN,
  battery: MEAN,
  dropped: MEAN,
  heard: MEAN,
});

const EVENT = object("Event", ["id", "time", "last", "count", "kind", "severity", "reason", "detail"], {
  id: TEXT,
  time: TIME,
  last: TIME,
  count: WHOLE,
  kind: { type: "string", enum: EVENT_KINDS },
  severity: { type: "string", enum: SEVERITIES },
  node: TEXT,
  gateway: TEXT,
  reason: TEXT,
  detail: TEXT,
});

const SETTINGS = object("Settings", [], {
  time: TIME,
  interval: { ...NUMBER, description: "s" },
  confirmable: { type: "boolean" },
  batch: WHOLE,
});

const REQUEST = object("Request", ["id", "node", "request", "created", "state", "attempts"], {
  id: TEXT,
  node: TEXT,
  request: { ...TEXT, description: "for people: PUT /settings" },
  created: TIME,
  state: { type: "string", enum: ["waiting", "sent", "answered", "failed"] },
  attempts: WHOLE,
  ended: TIME,
  failure: TEXT,
  result: { type: "object", properties: { settings: ref("Settings"), stats: ref("Health") } },
  answer: {
    type: "object",
    additionalProperties: false,
    required: ["code", "payload"],
    properties: { code: TEXT, mediaType: TEXT, oscore: TEXT, payload: { ...TEXT, description: "base64url" } },
  },
});

const counts = (...names: string[]) => ({
  type: "object",
  additionalProperties: false,
  required: names,
  properties: Object.fromEntries(names.map((name) => [name, WHOLE])),
});

const SUMMARY = object("Summary", ["time", "started", "nodes", "gateways", "relays", "refused", "alarms"], {
  time: TIME,
  started: TIME,
  nodes: counts("total", "fresh", "silent", "waiting"),
  gateways: counts("total", "connected"),
  relays: WHOLE,
  temperature: { type: "array", items: NUMBER, minItems: 2, maxItems: 2, description: "°C, least and most" },
  refused: WHOLE,
  alarms: WHOLE,
  unknown: { type: "object", description: "devices that speak without being registered" },
});

const ALARM = object("Alarm", ["id", "kind", "node", "device"], {
  id: TEXT,
  kind: { type: "string", enum: ALARM_KINDS },
  node: TEXT,
  device: { type: "string", enum: NODE_KINDS },
  place: TEXT,
  since: TIME,
  battery: { ...NUMBER, description: "V" },
  refused: WHOLE,
});

const MESH_NODES = {
  type: "array",
  items: {
    type: "object",
    required: ["name", "state"],
    properties: {
      name: TEXT,
      place: TEXT,
      state: TEXT,
      also: { type: "object", additionalProperties: WHOLE, description: "other gateways → hops" },
    },
  },
} as const;

const MESH = object("Mesh", ["gateways", "unheard", "relays"], {
  gateways: {
    type: "array",
    items: {
      type: "object",
      required: ["name", "connected", "rings"],
      properties: {
        name: TEXT,
        place: TEXT,
        connected: { type: "boolean" },
        rings: {
          type: "array",
          items: {
            type: "object",
            required: ["hops", "count", "nodes"],
            properties: { hops: WHOLE, count: WHOLE, nodes: MESH_NODES },
          },
        },
      },
    },
  },
  unheard: {
    type: "object",
    required: ["count", "nodes"],
    properties: { count: WHOLE, nodes: MESH_NODES },
  },
  relays: WHOLE,
});

const ERROR = object("Error", ["error", "message"], {
  error: { ...TEXT, description: "a stable name" },
  message: { ...TEXT, description: "a sentence" },
});

export const SCHEMAS = [
  READING,
  HEALTH,
  SETTINGS,
  NODE,
  POINT,
  REPORTED,
  EVENT,
  REQUEST,
  SUMMARY,
  ALARM,
  MESH,
  ERROR,
];

/** A route's description: its summary, what it answers by status, and that every other answer is an Error. */
export function described(summary: string, tag: string, response: Record<number | string, object>) {
  return { summary, tags: [tag], response: { ...response, "4xx": ref("Error"), "5xx": ref("Error") } };
}

/** An answer that is one of the schemas. */
export function answers($id: string) {
  return ref($id);
}

/** An answer that is no JSON. */
export function content(...types: string[]) {
  return { content: Object.fromEntries(types.map((type) => [type, { schema: { type: "string" } }])) };
}

export const NOTHING = { type: "null", description: "done" } as const;
