import type { FastifyInstance } from "fastify";
import { fromHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { listNodes, type NodeQuery, SORTS } from "../listing.js";
import { NODE_KINDS, type NodeKind } from "../model.js";
import type { NodeSpec, OscoreSpec } from "../node-spec.js";
import { DEVICE_STATES } from "../watch.js";
import { type HttpContext, HttpError } from "./app.js";
import { answers, described, list, NOTHING } from "./descriptions.js";
import { NAME, query } from "./schemas.js";

interface NodeBody {
  name: string;
  kind?: NodeKind;
  meshAddress?: number | string;
  place?: string;
  replayWindow?: number;
  oscore?: OscoreBody;
}

/** Bytes in hex. */
interface OscoreBody {
  masterSecret: string;
  masterSalt?: string;
  nodeId: string;
  serverId: string;
  idContext?: string;
  algorithm?: number;
  used?: boolean;
}

const HEX = { type: "string", pattern: "^([0-9a-fA-F]{2})*$", maxLength: 128 } as const;

export const NODE_BODY = {
  type: "object",
  additionalProperties: false,
  required: ["name"],
  properties: {
    name: { type: "string" },
    kind: { type: "string", enum: NODE_KINDS },
    meshAddress: {
      anyOf: [{ type: "integer" }, { type: "string", pattern: "^(0x)?[0-9a-fA-F]{4}$" }],
    },
    place: { type: "string" },
    replayWindow: { type: "integer" },
    oscore: {
      type: "object",
      additionalProperties: false,
      required: ["masterSecret", "nodeId", "serverId"],
      properties: {
        masterSecret: HEX,
        masterSalt: HEX,
        nodeId: HEX,
        serverId: HEX,
        idContext: HEX,
        algorithm: { type: "integer" },
        used: { type: "boolean" },
      },
    },
  },
} as const;

/** The registry: viewers read it, administrators write it. */
export function nodeRoutes(app: FastifyInstance, { registry, wallTime }: HttpContext): void {
  app.get<{ Querystring: NodeQuery }>(
    "/api/nodes",
    query(described("Registered devices, by pages when wanted", "nodes", { 200: list("Node") }), {
      kind: { type: "string", enum: NODE_KINDS },
      state: { type: "string", enum: DEVICE_STATES },
      gateway: NAME,
      hops: { type: "integer", minimum: 0, maximum: 127 },
      search: { type: "string", maxLength: 128 },
      sort: { type: "string", enum: SORTS },
      order: { type: "string", enum: ["asc", "desc"] },
      limit: { type: "integer", minimum: 1, maximum: 1000 },
      offset: { type: "integer", minimum: 0 },
    }),
    async (request, reply) => {
      const { total, nodes } = listNodes(registry, request.query, wallTime());
      reply.header("x-total-count", total);
      return nodes;
    },
  );

  app.get<{ Params: { name: string } }>(
    "/api/nodes/:name",
    { schema: described("One device", "nodes", { 200: answers("Node") }) },
    async ({ params }) => {
      const node = registry.get(params.name);
      if (node === undefined) throw new HttpError(404, "not-found", `no node "${params.name}"`);
      return node;
    },
  );

  app.post<{ Body: NodeBody }>(
    "/api/nodes",
    {
      schema: {
        ...described("Registers a device, or changes it", "nodes", {
          200: answers("Node"),
          201: answers("Node"),
        }),
        body: NODE_BODY,
      },
    },
    async (request, reply) => {
      const { name } = request.body;
      // RFC 9110 §13.1.2: two technicians who call two boards by one name do not take each other's keys away.
      if (request.headers["if-none-match"] === "*" && registry.named(name) !== undefined) {
        throw new HttpError(412, "precondition-failed", `there is a node "${name}" already`);
      }
      const { created, node } = await registry.upsert(nodeSpec(request.body));
      return reply.code(created ? 201 : 200).send(node);
    },
  );

  app.delete<{ Params: { name: string } }>(
    "/api/nodes/:name",
    { schema: described("Removes a device; its readings stay", "nodes", { 204: NOTHING }) },
    async ({ params }, reply) => {
      if (!(await registry.remove(params.name))) {
        throw new HttpError(404, "not-found", `no node "${params.name}"`);
      }
      return reply.code(204).send();
    },
  );
}

function nodeSpec(body: NodeBody): NodeSpec {
  const { oscore, meshAddress, ...plain } = body;
  return {
    ...plain,
    ...(meshAddress !== undefined && {
      meshAddress:
        typeof meshAddress === "number" ? meshAddress : Number.parseInt(meshAddress.replace(/^0x/, ""), 16),
    }),
    ...(oscore !== undefined && { oscore: oscoreSpec(oscore) }),
  };
}

function oscoreSpec(body: OscoreBody): OscoreSpec {
  return {
    masterSecret: bytes(body.masterSecret),
    nodeId: bytes(body.nodeId),
    serverId: bytes(body.serverId),
    ...(body.used !== undefined && { used: body.used }),
    ...(body.masterSalt !== undefined && { masterSalt: bytes(body.masterSalt) }),
    ...(body.idContext !== undefined && { idContext: bytes(body.idContext) }),
    ...(body.algorithm !== undefined && { algorithm: body.algorithm }),
  };
}

function bytes(digits: string): Uint8Array {
  const value = fromHex(digits);
  if (value instanceof Refusal) throw new HttpError(400, "bad-request", `${value}`);
  return value;
}
