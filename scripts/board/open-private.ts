/**
 * Turns private names (`#name`) of classes into plain properties (`$name`).
 *
 * In XS every function that uses a private name holds it as a closure variable: 16 bytes of flash for each name in
 * each method, a fifteenth of a gateway's image. Privacy has done its work when the compiler has passed.
 */

/** A class's own private names, by what stands for them. */
type Names = Map<string, string>;

interface Token {
  /** `#name`, an identifier, a punctuator or one character; strings, numbers and comments are "literal". */
  readonly text: string;
  readonly at: number;
}

/** The source cannot be taken apart; the message says where. */
export class PrivateNameError extends Error {}

const IDENTIFIER = /[A-Za-z_$][\w$]*/y;
const PRIVATE = /#[A-Za-z_$][\w$]*/y;
const NUMBER = /\.?\d[\w.]*/y;
/** After these words a slash begins a regular expression. */
const BEFORE_EXPRESSION = new Set(
  "return typeof instanceof in of new delete void throw case do else yield await".split(" "),
);

/** Where the literal that starts at `at` ends; templates are the tokenizer's affair. */
function endOfString(source: string, at: number): number {
  const quote = source[at];
  let end = at + 1;
  while (end < source.length && source[end] !== quote) end += source[end] === "\\" ? 2 : 1;
  return end + 1;
}

function endOfRegExp(source: string, at: number): number {
  let end = at + 1;
  let inClass = false;
  while (end < source.length && (inClass || source[end] !== "/")) {
    if (source[end] === "\n") throw new PrivateNameError(`a regular expression without an end at ${at}`);
    if (source[end] === "[") inClass = true;
    else if (source[end] === "]") inClass = false;
    end += source[end] === "\\" ? 2 : 1;
  }
  IDENTIFIER.lastIndex = end + 1;
  const flags = IDENTIFIER.exec(source);
  return end + 1 + (flags === null ? 0 : flags[0].length);
}

/** Up to the template's end, or to its next `${`. */
function endOfTemplate(source: string, at: number): number {
  let end = at;
  while (end < source.length && source[end] !== "`") {
    if (source.startsWith("${", end)) return end + 2;
    end += source[end] === "\\" ? 2 : 1;
  }
  return end + 1;
}

function match(pattern: RegExp, source: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0];
}

/** The tokens of a module, without white space. */
function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  /** Braces that are open; "`" for one that a template's `${` opened. */
  const braces: string[] = [];
  let at = 0;
  const literal = (end: number) => {
    tokens.push({ text: "literal", at });
    at = end;
  };
  const templatePart = (from: number) => {
    const end = endOfTemplate(source, from);
    if (source[end - 1] === "{") braces.push("`");
    literal(end);
  };
  while (at < source.length) {
    const char = source[at]!;
    if (/\s/.test(char)) at++;
    else if (source.startsWith("//", at)) at = (source.indexOf("\n", at) + 1 || source.length + 1) - 1;
    else if (source.startsWith("/*", at)) at = source.indexOf("*/", at) + 2;
    else if (char === '"' || char === "'") literal(endOfString(source, at));
    else if (char === "`") templatePart(at + 1);
    else if (char === "/" && expectsExpression(tokens.at(-1)?.text)) literal(endOfRegExp(source, at));
    else if (char === "}" && braces.pop() === "`") templatePart(at + 1);
    else {
      if (char === "{") braces.push("{");
      const text = match(PRIVATE, source, at) ?? match(IDENTIFIER, source, at);
      const number = text === undefined ? match(NUMBER, source, at) : undefined;
      if (number !== undefined) literal(at + number.length);
      else {
        tokens.push({ text: text ?? (source.startsWith("?.", at) ? "?." : char), at });
        at += tokens.at(-1)!.text.length;
      }
    }
  }
  return tokens;
}

function expectsExpression(before: string | undefined): boolean {
  if (before === undefined || BEFORE_EXPRESSION.has(before)) return true;
  return !/^(literal|[\w$#]+|\)|\]|\})$/.test(before);
}

interface ClassBody {
  /** Indexes of the tokens `{` and `}`. */
  readonly from: number;
  readonly to: number;
  readonly derived: boolean;
}

/** The bodies of all classes, outer ones before inner ones. */
function classBodies(tokens: readonly Token[]): ClassBody[] {
  const bodies: { from: number; to: number; derived: boolean }[] = [];
  const open: (number | undefined)[] = [];
  /** A class whose body has not begun. */
  let heading: { derived: boolean; depth: number } | undefined;
  let depth = 0;
  tokens.forEach(({ text }, index) => {
    const before = tokens[index - 1]?.text;
    const isProperty = before === "." || before === "?." || tokens[index + 1]?.text === ":";
    if (text === "class" && !isProperty) heading = { derived: false, depth };
    else if (text === "extends" && heading !== undefined) heading.derived = true;
    else if (text === "(" || text === "[") depth++;
    else if (text === ")" || text === "]") depth--;
    else if (text === "{") {
      const begins = heading !== undefined && heading.depth === depth;
      open.push(begins ? bodies.push({ from: index, to: -1, derived: heading!.derived }) - 1 : undefined);
      if (begins) heading = undefined;
    } else if (text === "}") {
      const body = open.pop();
      if (body !== undefined) bodies[body]!.to = index;
    }
  });
  const unclosed = bodies.find(({ to }) => to < 0);
  if (unclosed !== undefined)
    throw new PrivateNameError(`a class without an end at ${tokens[unclosed.from]!.at}`);
  return bodies;
}

/** Private names that stand directly in a class's body, other than behind a dot: its members. */
function declaredIn(tokens: readonly Token[], { from, to }: ClassBody): Set<string> {
  const names = new Set<string>();
  let depth = 0;
  for (let index = from; index < to; index++) {
    const { text } = tokens[index]!;
    if (text === "{" || text === "(" || text === "[") depth++;
    else if (text === "}" || text === ")" || text === "]") depth--;
    else if (depth === 1 && text.startsWith("#") && !isAccess(tokens, index)) names.add(text);
  }
  return names;
}

function isAccess(tokens: readonly Token[], index: number): boolean {
  const before = tokens[index - 1]?.text;
  return before === "." || before === "?." || tokens[index + 1]?.text === "in";
}

/** @throws PrivateNameError for source that it cannot take apart, or where a name is taken already */
export function openPrivateNames(source: string): string {
  if (!source.includes("#")) return source;
  const tokens = tokenize(source);
  const used = new Set(tokens.map(({ text }) => text));
  const classes = classBodies(tokens).map((body, index) => {
    const names: Names = new Map();
    for (const name of declaredIn(tokens, body)) {
      // A derived class must not meet its base's.
      const plain = `$${name.slice(1)}${body.derived ? `$${index}` : ""}`;
      if (used.has(plain)) throw new PrivateNameError(`${plain} is a name already`);
      names.set(name, plain);
    }
    return { ...body, names };
  });
  let result = "";
  let done = 0;
  tokens.forEach(({ text, at }, index) => {
    if (!text.startsWith("#")) return;
    const owner = classes.findLast(({ from, to, names }) => from < index && index < to && names.has(text));
    if (owner === undefined) throw new PrivateNameError(`${text} at ${at} belongs to no class`);
    const plain = owner.names.get(text)!;
    const quoted = tokens[index + 1]?.text === "in" && tokens[index - 1]?.text !== ".";
    result += source.slice(done, at) + (quoted ? `"${plain}"` : plain);
    done = at + text.length;
  });
  return result + source.slice(done);
}
