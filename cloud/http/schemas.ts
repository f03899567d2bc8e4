/** What several routes' parameters have in common. */

export const NAME = { type: "string", minLength: 1, maxLength: 128 } as const;

/** The schema of a query string: a parameter that is not in it is a mistake. */
export function query(properties: Record<string, object>, required: string[] = []) {
  return { schema: { querystring: { type: "object", additionalProperties: false, required, properties } } };
}
