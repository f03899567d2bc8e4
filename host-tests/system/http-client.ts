import assert from "node:assert/strict";
import type { FastifyInstance, InjectOptions } from "fastify";
import { buildApp } from "../../cloud/http/app.js";
import { EPOCH, type TestSystem } from "./harness.js";

export const TOKEN = "a-token-for-this-test";

/** The HTTP side of a system's server, asked without waiting: virtual time goes on when the test says so. */
export class HttpClient {
  readonly app: FastifyInstance;
  readonly #system: TestSystem;

  constructor(system: TestSystem) {
    const { registry, store, live, metrics, endpoint } = system.cloud;
    this.#system = system;
    this.app = buildApp({
      registry,
      store,
      live,
      metrics,
      endpoint,
      apiToken: TOKEN,
      wallTime: () => EPOCH + system.clock.now(),
      trouble: () => undefined,
      onError: (error) => assert.fail(error),
      assets: new Map(),
    });
  }

  inject(url: string, options: InjectOptions = {}) {
    const headers = { authorization: `Bearer ${TOKEN}`, prefer: "respond-async", ...options.headers };
    return this.app.inject({ url, method: "GET", ...options, headers } as InjectOptions);
  }

  /** Puts a request to a node and lets virtual time pass. @returns what became of it */
  async ask(url: string, options: InjectOptions = {}, seconds = 60) {
    const { location } = await this.submit(url, options);
    this.#system.run(seconds);
    return (await this.inject(location)).json();
  }

  async submit(url: string, options: InjectOptions = {}): Promise<{ location: string }> {
    const { statusCode, headers, body } = await this.inject(url, options);
    assert.equal(statusCode, 202, body);
    return { location: headers.location as string };
  }
}
