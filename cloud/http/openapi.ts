import swagger from "@fastify/swagger";
import type { FastifyInstance } from "fastify";
import { SCHEMAS } from "./descriptions.js";

/** A route without a description is a mistake that shows at once. */
export function demandDescriptions(app: FastifyInstance): void {
  app.addHook("onRoute", ({ method, url, schema }) => {
    if (schema?.hide === true || (schema?.summary !== undefined && schema.response !== undefined)) return;
    throw new Error(`${method} ${url} has no description: schema.summary and schema.response`);
  });
  app.get("/api/openapi.json", { schema: { hide: true } }, async () => app.swagger());
}

/**
 * Describes the routes that are added in scopes from here on as OpenAPI 3.1, made from what they themselves check, for
 * `GET /api/openapi.json`.
 */
export function describe(app: FastifyInstance): void {
  for (const schema of SCHEMAS) app.addSchema(schema);
  // The schemas describe; they do not decide which fields leave.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "oscore-mesh server",
        version: "1",
        description: "Readings of sensor nodes, what is known about these, and a way to talk to them.",
      },
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      security: [{}, { token: [] }],
    },
    refResolver: { buildLocalReference: (schema) => `${schema.$id}` },
  });
}
