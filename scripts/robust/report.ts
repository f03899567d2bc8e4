/** The attacks as a page of docs/. */

import type { AttackResult } from "./result.js";

/** Rules that are named for one attack; the rest is counted. */
const NAMED = 4;

/** Copies, which every mesh has, and sensors that were taken away at the end: no answer to an attack. */
const USUAL =
  /: (duplicate|segment-duplicate|segment-late|sensor: no answer|coap-ack-unexpected|acknowledgment-\w+)$/;

function rulesOf({ refusedBy }: AttackResult): string {
  const usual = (name: string): number => (USUAL.test(name) ? 1 : 0);
  const rules = [...refusedBy].sort((a, b) => usual(a[0]) - usual(b[0]) || b[1] - a[1]);
  if (rules.length === 0) return "nothing to refuse";
  const named = rules.slice(0, NAMED).map(([rule, count]) => `${rule} (${count})`);
  return rules.length > NAMED ? `${named.join(", ")}, ${rules.length - NAMED} more` : named.join(", ");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

export function attackTable(results: readonly AttackResult[]): string {
  const layers = [...new Set(results.map(({ layer }) => layer))];
  return layers
    .map((layer) => {
      const rows = results
        .filter((result) => result.layer === layer)
        .map(({ attack, attempts, effects, ...rest }) => {
          const effect = effects.length === 0 ? "none" : `**${effects.join("; ")}**`;
          const rules = rulesOf({ layer, attack, attempts, effects, refusedBy: rest.refusedBy });
          return `| ${cell(attack)} | ${attempts} | ${cell(rules)} | ${cell(effect)} |`;
        });
      const title = `${layer[0].toUpperCase()}${layer.slice(1)}`;
      return [
        `### ${title}`,
        "",
        "| Attack | Attempts | Refused by | Effect |",
        "|---|---:|---|---|",
        ...rows,
        "",
      ].join("\n");
    })
    .join("\n");
}
