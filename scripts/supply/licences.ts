import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface LicensedPackage {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression, or "unknown". */
  readonly licence: string;
}

/** They ask to be named, and no more. */
const PERMISSIVE = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "Unlicense",
  "Zlib",
]);

/** Packages that name their licence in their LICENSE file alone, as read there. */
const READ_THERE: ReadonlyMap<string, string> = new Map([
  ["exif-parser 0.1.12", "MIT"],
  ["png-js 2.0.0", "MIT"],
]);

/** Whether an SPDX expression leaves a permissive choice; "A AND B" is one when both are. What is not understood is not. */
export function isPermissive(expression: string): boolean {
  const plain = expression.replace(/^\((.*)\)$/, "$1");
  return plain.split(" OR ").some((choice) => choice.split(" AND ").every((one) => PERMISSIVE.has(one)));
}

interface Bom {
  readonly components: readonly {
    readonly name: string;
    readonly version: string;
    readonly licenses?: readonly {
      readonly license?: { readonly id?: string; readonly name?: string };
      readonly expression?: string;
    }[];
  }[];
}

/** What the lock file names, by npm's own bill of materials (CycloneDX): what is shipped, or everything. */
export function packagesOf(scope: "shipped" | "all"): LicensedPackage[] {
  const omit = scope === "shipped" ? ["--omit=dev", "--omit=optional"] : [];
  const text = execFileSync("npm", ["sbom", "--sbom-format=cyclonedx", "--package-lock-only", ...omit], {
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    encoding: "utf8",
    maxBuffer: 64 << 20,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { components } = JSON.parse(text) as Bom;
  return components.map(({ name, version, licenses = [] }) => {
    const licence = spdx(licenses) ?? READ_THERE.get(`${name} ${version}`) ?? "unknown";
    return { name, version, licence };
  });
}

function spdx(licenses: NonNullable<Bom["components"][number]["licenses"]>): string | undefined {
  const parts = licenses.map(
    ({ license, expression }) => expression ?? license?.id ?? license?.name ?? "unknown",
  );
  return parts.length === 0 ? undefined : parts.join(" AND ");
}
