/** Where one is on the page: the part of the address behind "#". Nothing of it goes to the server. */

export type Route =
  | { readonly page: "overview" }
  | { readonly page: "nodes"; readonly query: Query }
  | { readonly page: "node"; readonly name: string; readonly query: Query }
  | { readonly page: "alarms" }
  | { readonly page: "events"; readonly query: Query }
  | { readonly page: "nowhere"; readonly path: string };

export type Query = Readonly<Record<string, string>>;

/** Any text: what is no page is "nowhere". */
export function parseRoute(hash: string): Route {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const query: Query = Object.fromEntries(new URLSearchParams(search));
  const [page, name] = path.split("/", 2);
  switch (page) {
    case "":
      return { page: "overview" };
    case "nodes":
    case "events":
      return { page, query };
    case "alarms":
      return { page };
    case "node": {
      const decoded = decode(name ?? "");
      if (decoded !== undefined && decoded !== "") return { page, name: decoded, query };
    }
  }
  return { page: "nowhere", path };
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** The address of a page; what is empty is left out. */
export function hrefOf(
  page: "" | "nodes" | "alarms" | "events",
  query: Record<string, string | number> = {},
): string {
  return `#/${page}${searchOf(query)}`;
}

/** The address of a device's page: a node's, a gateway's, a relay's. */
export function deviceHref(name: string, query: Record<string, string | number> = {}): string {
  return `#/node/${encodeURIComponent(name)}${searchOf(query)}`;
}

function searchOf(query: Record<string, string | number>): string {
  const filled = Object.entries(query).filter(([, value]) => value !== "");
  const search = new URLSearchParams(
    filled.map(([name, value]): [string, string] => [name, `${value}`]),
  ).toString();
  return search === "" ? "" : `?${search}`;
}
