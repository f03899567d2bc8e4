/** A terminal's screen as SVG: what a program has written, played through a small terminal. */

const COLORS: Record<number, string> = {
  30: "#1c1c1c",
  31: "#f07178",
  32: "#a5d6a7",
  33: "#ffd580",
  34: "#82aaff",
  35: "#c792ea",
  36: "#7fdbca",
  37: "#f5f5f5",
  90: "#8a8a8a",
};
const FOREGROUND = "#e4e4e4";
const CELL = { width: 8.4, height: 18 };
const MARGIN = 14;

const ESCAPE = "\u001b";
/** CSI sequences (ECMA-48 §5.4), other escapes, and characters by code point. */
const TOKENS = new RegExp(`${ESCAPE}\\[[0-9;?]*[A-Za-z]|${ESCAPE}.|[\\s\\S]`, "gu");

interface Cell {
  readonly text: string;
  readonly color: string;
  readonly back: string | undefined;
}

/** The last screen: lines of cells, without what was written over. */
function play(output: string): Cell[][] {
  const lines: Cell[][] = [[]];
  let [row, column] = [0, 0];
  let color = FOREGROUND;
  let back: string | undefined;
  const line = () => {
    while (lines.length <= row) lines.push([]);
    return lines[row];
  };
  for (const [token] of output.matchAll(TOKENS)) {
    if (token === "\r") column = 0;
    else if (token === "\n") row++;
    else if (token.startsWith("\u001b[")) {
      const numbers = token.slice(2, -1).split(";").map(Number);
      const [first] = numbers;
      switch (token.at(-1)) {
        case "A":
          row = Math.max(0, row - (first || 1));
          break;
        case "B":
          row += first || 1;
          break;
        case "C":
          column += first || 1;
          break;
        case "D":
          column = Math.max(0, column - (first || 1));
          break;
        case "G":
          column = Math.max(0, (first || 1) - 1);
          break;
        case "J":
          lines.length = row + 1;
          line().length = Math.min(line().length, column);
          break;
        case "K":
          if (first === 2) line().length = 0;
          else line().length = Math.min(line().length, column);
          break;
        case "m":
          for (const code of numbers) {
            if (code === 0 || code === 39) color = FOREGROUND;
            if (code === 0 || code === 49) back = undefined;
            if (COLORS[code] !== undefined) color = COLORS[code];
            if (COLORS[code - 10] !== undefined && code >= 40 && code <= 47) back = COLORS[code - 10];
          }
          break;
      }
    } else if (token >= " ") {
      const cells = line();
      while (cells.length < column) cells.push({ text: " ", color, back: undefined });
      cells[column++] = { text: token, color, back };
    }
  }
  while (lines.length > 0 && lines.at(-1)?.every(({ text }) => text === " ")) lines.pop();
  return lines;
}

const escapeXml = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** @param output what was written to the terminal, escape sequences and all */
export function drawTerminal(output: string): string {
  const lines = play(output);
  const columns = Math.max(60, ...lines.map((line) => line.length));
  const width = Math.ceil(columns * CELL.width + 2 * MARGIN);
  const height = Math.ceil(lines.length * CELL.height + 2 * MARGIN);
  const parts: string[] = [];
  lines.forEach((line, row) => {
    const y = MARGIN + row * CELL.height;
    for (let from = 0; from < line.length; ) {
      const { color, back } = line[from];
      let to = from;
      while (to < line.length && line[to].color === color && line[to].back === back) to++;
      const text = line
        .slice(from, to)
        .map((cell) => cell.text)
        .join("");
      const x = MARGIN + from * CELL.width;
      const length = (to - from) * CELL.width;
      if (back !== undefined) {
        parts.push(
          `<rect x="${x.toFixed(1)}" y="${y}" width="${(length + 0.5).toFixed(1)}" height="${CELL.height + 0.5}" fill="${back}"/>`,
        );
      }
      if (text.trim() !== "") {
        parts.push(
          `<text x="${x.toFixed(1)}" y="${y + 13.5}" fill="${color}" textLength="${length.toFixed(1)}" lengthAdjust="spacingAndGlyphs" xml:space="preserve">${escapeXml(text)}</text>`,
        );
      }
      from = to;
    }
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
    `font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14">\n` +
    `<rect width="${width}" height="${height}" rx="8" fill="#1c1c1c"/>\n${parts.join("\n")}\n</svg>\n`
  );
}
