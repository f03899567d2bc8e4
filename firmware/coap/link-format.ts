/** Lists of links (RFC 6690): what a server says about itself at /.well-known/core. */

import { Refusal } from "../bytes/refusal.js";

/** A link. Attributes keep their order; one without a value has `undefined`. */
export interface Link {
  readonly target: string;
  readonly attributes: readonly (readonly [name: string, value: string | undefined])[];
}

/** Why a text is no list of links. The detail says where. */
export type LinkReason = "link-target" | "link-attribute" | "link-quotes" | "link-separator";

/** Attributes whose value is a list, with blanks between (RFC 6690 §4.1; `ct` RFC 7252 §7.2.1; `ep`-like ones are none). */
const LISTS = ["rel", "rev", "rt", "if", "ct"];

/** The links as text: application/link-format. */
export function formatLinks(links: readonly Link[]): string {
  return links.map(formatLink).join(",");
}

function formatLink({ target, attributes }: Link): string {
  let text = `<${target}>`;
  for (const [name, value] of attributes) {
    text += `;${name}`;
    if (value !== undefined) text += `=${isNumber(value) ? value : quote(value)}`;
  }
  return text;
}

/** Cardinals (sz, ct) stand without quotes (RFC 6690 §2); everything else is well in them. */
function isNumber(value: string): boolean {
  if (value === "" || (value.length > 1 && value[0] === "0")) return false;
  for (let i = 0; i < value.length; i++) if (value[i] < "0" || value[i] > "9") return false;
  return true;
}

function quote(value: string): string {
  let text = '"';
  for (const character of value)
    text += character === '"' || character === "\\" ? `\\${character}` : character;
  return `${text}"`;
}

/** Links of a text. Takes what RFC 6690 §2 allows: blanks are none of it, but are passed over between parts. */
export function parseLinks(text: string): Link[] | Refusal<LinkReason> {
  const links: Link[] = [];
  let at = skipBlanks(text, 0);
  while (at < text.length) {
    if (text[at] !== "<") return new Refusal("link-target", `at ${at}`);
    const end = text.indexOf(">", at);
    if (end < 0) return new Refusal("link-target", `at ${at}`);
    const target = text.slice(at + 1, end);
    const attributes: [string, string | undefined][] = [];
    at = skipBlanks(text, end + 1);
    while (text[at] === ";") {
      const parsed = parseAttribute(text, skipBlanks(text, at + 1));
      if (parsed instanceof Refusal) return parsed;
      attributes.push(parsed.attribute);
      at = skipBlanks(text, parsed.end);
    }
    links.push({ target, attributes });
    if (at === text.length) break;
    if (text[at] !== ",") return new Refusal("link-separator", `at ${at}`);
    at = skipBlanks(text, at + 1);
    // A comma promises another link.
    if (at === text.length) return new Refusal("link-target", `at ${at}`);
  }
  return links;
}

interface ParsedAttribute {
  readonly attribute: [string, string | undefined];
  readonly end: number;
}

function parseAttribute(text: string, start: number): ParsedAttribute | Refusal<LinkReason> {
  let at = start;
  while (at < text.length && !'=;,"<> '.includes(text[at])) at++;
  const name = text.slice(start, at);
  if (name === "") return new Refusal("link-attribute", `at ${start}`);
  if (text[at] !== "=") return { attribute: [name, undefined], end: at };
  at++;
  if (text[at] !== '"') {
    const valueStart = at;
    while (at < text.length && !';,"<> '.includes(text[at])) at++;
    if (at === valueStart) return new Refusal("link-attribute", `at ${at}`);
    return { attribute: [name, text.slice(valueStart, at)], end: at };
  }
  let value = "";
  let from = ++at;
  for (; at < text.length && text[at] !== '"'; at++) {
    if (text[at] !== "\\") continue;
    value += text.slice(from, at);
    from = ++at;
  }
  if (at >= text.length) return new Refusal("link-quotes", `at ${start}`);
  return { attribute: [name, value + text.slice(from, at)], end: at + 1 };
}

function skipBlanks(text: string, start: number): number {
  let at = start;
  while (text[at] === " " || text[at] === "\t" || text[at] === "\r" || text[at] === "\n") at++;
  return at;
}

/**
 * The links that all parts of a query ask for (RFC 6690 §4.1): "href=/sensors*", "rt=temperature". A trailing asterisk
 * stands for anything; in list attributes one of the values has to match. A part without "=" asks for an attribute.
 */
export function filterLinks(links: readonly Link[], query: readonly string[]): Link[] {
  return links.filter((link) => query.every((part) => matches(link, part)));
}

function matches(link: Link, part: string): boolean {
  const equals = part.indexOf("=");
  const name = equals < 0 ? part : part.slice(0, equals);
  const wanted = equals < 0 ? "*" : part.slice(equals + 1);
  if (name === "href") return fits(link.target, wanted);
  for (const [attribute, value] of link.attributes) {
    if (attribute !== name) continue;
    if (wanted === "*") return true;
    if (value === undefined) continue;
    const values = LISTS.includes(name) ? value.split(" ") : [value];
    if (values.some((one) => fits(one, wanted))) return true;
  }
  return false;
}

function fits(value: string, wanted: string): boolean {
  return wanted.endsWith("*") ? value.startsWith(wanted.slice(0, -1)) : value === wanted;
}
