/** The server cannot start (or a tool cannot go on): the message is one clear sentence for a person, with the way out. */
export class StartupError extends Error {
  override readonly name = "StartupError";
}

export const WRONG_KEY =
  "the key of the store does not open the nodes' keys in it: bring back the right one (store.key, STORE_KEY)";

/** What a person said about a node is wrong: the message says which field and why. */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  /** What the API answers. */
  readonly status: 400 | 404 | 409;
  constructor(message: string, status: 400 | 404 | 409 = 400) {
    super(message);
    this.status = status;
  }
}
