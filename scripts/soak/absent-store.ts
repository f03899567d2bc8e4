import type { Store } from "../../cloud/store/store.js";

/** A store that can be out of reach, as a database across a network is: nothing is written then, nothing is read. */
export interface AbsentStore {
  readonly store: Store;
  away: boolean;
}

export function absentStore(store: Store): AbsentStore {
  const unreachable = () => new Error("the database is away");
  const state: AbsentStore = {
    away: false,
    store: new Proxy(store, {
      get(target, name: keyof Store) {
        const value: unknown = target[name];
        if (typeof value !== "function" || name === "onChanged") return value;
        if (!state.away || name === "replay") return value.bind(target);
        if (name === "commit") return (_batch: unknown, done: (result: Error) => void) => done(unreachable());
        if (name === "reserve") return () => "later";
        return () => Promise.reject(unreachable());
      },
      set(target, name, value) {
        return Reflect.set(target, name, value);
      },
    }),
  };
  return state;
}
