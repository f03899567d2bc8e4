/** Pages of docs/ with places for results that a command makes. */

/**
 * The page with the results between `<!-- NAME -->` and `<!-- end of NAME -->` replaced; what stands around stays.
 * @throws Error when the page has no such place
 */
export function withResults(page: string, results: string, name = "results"): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the page has no ${begin} … ${end}`);
  return `${page.slice(0, from + begin.length)}\n\n${results}\n${page.slice(to)}`;
}
