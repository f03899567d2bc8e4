/** Making elements. Text only ever becomes text: a hostile name is shown, not run. */

type Properties = Record<string, string | number | boolean | undefined>;

/** An element with attributes; `true` makes an empty one, `false` and `undefined` none. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Properties = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : `${value}`);
  }
  element.append(...children);
  return element;
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
  fieldset: HTMLElement,
  choices: readonly (readonly [value: Value, label: string])[],
  chosen: Value,
  onChoice: (value: Value) => void,
): void {
  for (const [value, label] of choices) {
    const input = h("input", { type: "radio", name: fieldset.id, value, checked: value === chosen });
    input.addEventListener("change", () => onChoice(value));
    fieldset.append(h("label", {}, input, h("span", {}, label)));
  }
}

/** Puts elements into this order, moving only those that stand elsewhere. */
export function arrange(parent: Element, elements: readonly Element[]): void {
  elements.forEach((element, index) => {
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
  });
  while (parent.children.length > elements.length) parent.lastElementChild?.remove();
}
