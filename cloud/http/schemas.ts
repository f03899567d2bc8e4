/** What several routes' parameters have in common. */

export const NAME = { type: "string", minLength: 1, maxLength: 128 } as const;

/**
 * The schema of a route with a query string: a parameter that is not in it is a mistake.
 * @param description as made by `described`
 */
export function query(description: object, properties: Record<string, object>, required: string[] = []) {
  return {
    schema: {
      ...description,
      querystring: { type: "object", additionalProperties: false, required, properties },
    },
  };
}
