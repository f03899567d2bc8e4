/** Pages of docs/ with a place for results that a command makes. */

const [BEGIN, END] = ["<!-- results -->", "<!-- end of results -->"];

/** The page with its results replaced; what stands around them stays. */
export function withResults(page: string, results: string): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`the page has no ${BEGIN} … ${END}`);
  return `${page.slice(0, from + BEGIN.length)}\n\n${results}\n${page.slice(to)}`;
}
