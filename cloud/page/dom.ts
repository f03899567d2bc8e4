/** Making elements. Text only ever becomes text: a hostile name is shown, not run. */

type Properties = Record<string, string | number | boolean | undefined>;
export type Child = Node | string | undefined | false;

/** An element with attributes; `true` makes an empty one, `false` and `undefined` none. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  return fill(document.createElement(tag), properties, children);
}

/** The same in an SVG. */
export function s<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  properties: Properties = {},
  ...children: Child[]
): SVGElementTagNameMap[Tag] {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

function fill<Made extends Element>(element: Made, properties: Properties, children: Child[]): Made {
  for (const [name, value] of Object.entries(properties)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : `${value}`);
  }
  for (const child of children) if (child !== undefined && child !== false) element.append(child);
  return element;
}

/** A button that does something. */
export function button(label: string, onClick: () => void, properties: Properties = {}): HTMLButtonElement {
  const element = h("button", { type: "button", class: "button", ...properties }, label);
  element.addEventListener("click", onClick);
  return element;
}

export function link(href: string, label: string, properties: Properties = {}): HTMLAnchorElement {
  return h("a", { href, ...properties }, label);
}

/** Changes text only where it differs, so that screen readers and selections are left alone. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

/** One choice out of a few, as radio buttons: keyboards and screen readers know them. */
export function segments<Value extends string>(
  name: string,
  legend: string,
  choices: readonly (readonly [value: Value, label: string])[],
  chosen: Value | undefined,
  onChoice: (value: Value) => void,
): HTMLFieldSetElement {
  const fieldset = h(
    "fieldset",
    { class: "segments", "data-testid": name },
    h("legend", { class: "unseen" }, legend),
  );
  for (const [value, label] of choices) {
    const input = h("input", { type: "radio", name, value, checked: value === chosen });
    input.addEventListener("change", () => onChoice(value));
    fieldset.append(h("label", {}, input, h("span", {}, label)));
  }
  return fieldset;
}

/** One choice out of several, with its label. */
export function select<Value extends string>(
  label: string,
  choices: readonly (readonly [value: Value, label: string])[],
  chosen: string,
  onChoice: (value: Value) => void,
  properties: Properties = {},
): HTMLLabelElement {
  const element = h(
    "select",
    properties,
    ...choices.map(([value, text]) => h("option", { value, selected: value === chosen }, text)),
  );
  element.addEventListener("change", () => onChoice(element.value as Value));
  return h("label", { class: "field" }, h("span", {}, label), element);
}

/** A line of text that acts when it has rested for a moment. */
export function textField(
  label: string,
  value: string,
  onText: (value: string) => void,
  properties: Properties = {},
): HTMLLabelElement {
  const element = h("input", {
    type: "search",
    value,
    autocomplete: "off",
    spellcheck: "false",
    ...properties,
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  element.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => onText(element.value.trim()), 200);
  });
  return h("label", { class: "field" }, h("span", {}, label), element);
}

/** Puts elements into this order, moving only those that stand elsewhere. */
export function arrange(parent: Element, elements: readonly Element[]): void {
  elements.forEach((element, index) => {
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
  });
  while (parent.children.length > elements.length) parent.lastElementChild?.remove();
}

/** Name and value pairs. */
export function facts(rows: readonly (readonly [name: string, value: Child])[]): HTMLElement {
  return h(
    "dl",
    { class: "facts" },
    ...rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

/** At most once in so many ms, and once more for what came meanwhile. */
export function throttled(ms: number, act: () => void): { (): void; cancel(): void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let last = Number.NEGATIVE_INFINITY;
  const call = () => {
    if (timer !== undefined) return;
    timer = setTimeout(
      () => {
        timer = undefined;
        last = performance.now();
        act();
      },
      Math.max(0, last + ms - performance.now()),
    );
  };
  call.cancel = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  return call;
}
