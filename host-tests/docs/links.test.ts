/** A link of a document leads somewhere: to a file of the repository, and to a heading of it. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

function pages(): string[] {
  try {
    const listed = execFileSync("git", ["ls-files", "*.md"], { cwd: REPOSITORY, encoding: "utf8" });
    return listed.split("\n").filter((name) => name !== "" && existsSync(join(REPOSITORY, name)));
  } catch {
    // A package of the sources has no history; its front page is there.
    return ["README.md"];
  }
}

const textOf = (page: string) => readFileSync(join(REPOSITORY, page), "utf8");

/** What is no example: links in code are somebody's bytes. */
function prose(text: string): string {
  return text
    .replace(/^(```|~~~)[\s\S]*?^\1/gm, "")
    .replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]()]/g, ""));
}

/** The names that GitHub gives to headings. */
function anchors(text: string): Set<string> {
  const names = new Set<string>();
  for (const [, heading] of prose(text).matchAll(/^#{1,6} +(.+)$/gm)) {
    const name = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\- _]/gu, "")
      .replaceAll(" ", "-");
    let unique = name;
    for (let i = 1; names.has(unique); i++) unique = `${name}-${i}`;
    names.add(unique);
  }
  return names;
}

describe("links of the documents", () => {
  it("lead to files that are there, and to headings that they have", () => {
    const astray: string[] = [];
    for (const page of pages()) {
      for (const [, target] of prose(textOf(page)).matchAll(/\]\(([^)\s]+)[^)]*\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [path, anchor] = target.split("#");
        const file = path === "" ? page : normalize(join(dirname(page), decodeURIComponent(path)));
        if (!existsSync(join(REPOSITORY, file))) astray.push(`${page}: ${target}: no such file`);
        else if (anchor !== undefined && file.endsWith(".md") && !anchors(textOf(file)).has(anchor)) {
          astray.push(`${page}: ${target}: no such heading`);
        }
      }
    }
    assert.deepEqual(astray, []);
  });
});
