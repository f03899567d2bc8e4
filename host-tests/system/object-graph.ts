/**
 * Everything that can be reached from an object: properties, elements, entries of Maps and Sets, private fields, and
 * what functions have closed over. The last two are no property of anything, so the debugger of the engine is asked.
 */

import { Session } from "node:inspector";

interface RemoteValue {
  readonly type: string;
  readonly objectId?: string;
}

interface RemoteProperty {
  readonly name: string;
  readonly value?: RemoteValue;
}

interface RemoteProperties {
  readonly internalProperties?: readonly RemoteProperty[];
  readonly privateProperties?: readonly RemoteProperty[];
  readonly result: readonly RemoteProperty[];
}

/** Scopes that belong to everybody: what is in them is code and its constants. */
const SHARED_SCOPES = new Set(["Global", "Module", "Script"]);

/** Where modules are loaded as CommonJS, their scope is a closure like others; these names give it away. */
const isModuleName = (name: string) => name.startsWith("import_") || MODULE_NAMES.has(name);
const MODULE_NAMES = new Set(["exports", "require", "module", "__filename", "__dirname", "__name"]);

const HANDOVER = Symbol.for("object-graph.handover");

/** Reaches objects of this very process through the inspector's protocol. */
class Debugger {
  readonly #session = new Session();

  constructor() {
    this.#session.connect();
  }

  /** Messages to the own thread are answered before `post` returns. */
  post<T>(method: string, parameters: object): T {
    let answer: T | undefined;
    this.#session.post(method, parameters, (error: Error | null, result?: object) => {
      if (error !== null) throw error;
      answer = result as T;
    });
    if (answer === undefined) throw new Error(`${method}: no answer`);
    return answer;
  }

  /** The inspector's name of an object. */
  idOf(object: object): string {
    Object.assign(globalThis, { [HANDOVER]: object });
    const { result } = this.post<{ result: RemoteValue }>("Runtime.evaluate", {
      expression: 'globalThis[Symbol.for("object-graph.handover")]',
      objectGroup: "graph",
    });
    return result.objectId!;
  }

  /** The object of a name. */
  objectOf(objectId: string): object {
    this.post("Runtime.callFunctionOn", {
      objectId,
      functionDeclaration: 'function () { globalThis[Symbol.for("object-graph.handover")] = this; }',
    });
    return (globalThis as unknown as Record<symbol, object>)[HANDOVER];
  }

  propertiesOf(objectId: string): RemoteProperties {
    return this.post("Runtime.getProperties", { objectId, ownProperties: true });
  }

  close(): void {
    this.post("Runtime.releaseObjectGroup", { objectGroup: "graph" });
    this.#session.disconnect();
    delete (globalThis as unknown as Record<symbol, unknown>)[HANDOVER];
  }
}

/**
 * All objects that can be reached from `roots`, themselves included.
 * @param borders objects that are not entered: what lies behind them belongs to somebody else
 */
export function reachable(roots: readonly object[], borders: readonly object[]): Set<object> {
  const remote = new Debugger();
  const found = new Set<object>();
  const outside = new Set<object>([globalThis, ...borders]);
  const waiting: object[] = [...roots];
  const visit = (value: unknown): void => {
    if ((typeof value !== "object" || value === null) && typeof value !== "function") return;
    if (found.has(value) || outside.has(value)) return;
    found.add(value);
    waiting.push(value);
  };
  for (const root of roots) found.add(root);
  try {
    for (let object = waiting.pop(); object !== undefined; object = waiting.pop()) {
      if (ArrayBuffer.isView(object) || object instanceof ArrayBuffer) continue;
      for (const key of Reflect.ownKeys(object)) {
        const property = Reflect.getOwnPropertyDescriptor(object, key)!;
        // Classes and their prototypes are code; what their functions close over is a module's scope.
        if (key === "prototype" || key === "constructor") continue;
        visit(property.value);
        visit(property.get);
        visit(property.set);
      }
      if (object instanceof Map) for (const entry of object) entry.forEach(visit);
      if (object instanceof Set) object.forEach(visit);
      for (const hidden of hiddenIn(remote, object)) visit(hidden);
    }
  } finally {
    remote.close();
  }
  return found;
}

/** Private fields, closures, and the state of generators. */
function* hiddenIn(remote: Debugger, object: object): Iterable<object> {
  const id = remote.idOf(object);
  const { privateProperties = [], internalProperties = [] } = remote.propertiesOf(id);
  for (const { value } of privateProperties) {
    if (value?.objectId !== undefined) yield remote.objectOf(value.objectId);
  }
  for (const { name, value } of internalProperties) {
    if (value?.objectId === undefined) continue;
    if (name === "[[Scopes]]") yield* inScopes(remote, value.objectId);
    // Functions bound, targets of proxies, values of promises, receivers of generators.
    else if (
      name !== "[[Prototype]]" &&
      name !== "[[FunctionLocation]]" &&
      name !== "[[GeneratorLocation]]"
    ) {
      yield remote.objectOf(value.objectId);
    }
  }
}

function* inScopes(remote: Debugger, scopes: string): Iterable<object> {
  for (const { value } of remote.propertiesOf(scopes).result) {
    if (value?.objectId === undefined) continue;
    const description = (value as { description?: string }).description ?? "";
    if (SHARED_SCOPES.has(description.split(" ")[0])) continue;
    const variables = remote.propertiesOf(value.objectId).result;
    if (variables.some(({ name }) => isModuleName(name))) continue;
    for (const { value: captured } of variables) {
      if (captured?.objectId !== undefined) yield remote.objectOf(captured.objectId);
    }
  }
}

/** The bytes of every buffer among the objects, and of the strings in them that could be keys in hex. */
export function bytesIn(objects: ReadonlySet<object>): Uint8Array[] {
  const buffers = new Set<ArrayBufferLike>();
  const texts = new Set<string>();
  const bytes: Uint8Array[] = [];
  for (const object of objects) {
    if (ArrayBuffer.isView(object)) buffers.add(object.buffer);
    else if (object instanceof ArrayBuffer) buffers.add(object);
    else {
      for (const value of Object.values(object)) if (typeof value === "string") texts.add(value);
      // Lists that the debugger makes have no prototype, so they are copied.
      const list: unknown[] = Array.isArray(object) ? Array.from(object) : [];
      if (list.length > 0 && list.every((one) => Number.isInteger(one))) {
        bytes.push(Uint8Array.from(list as number[]));
      }
    }
    if (object instanceof Map) {
      for (const [key, value] of object)
        for (const one of [key, value]) if (typeof one === "string") texts.add(one);
    }
  }
  for (const buffer of buffers) bytes.push(new Uint8Array(buffer));
  for (const text of texts) {
    bytes.push(Buffer.from(text, "latin1"));
    if (/^([0-9a-f]{2})+$/i.test(text)) bytes.push(Buffer.from(text, "hex"));
  }
  return bytes;
}
