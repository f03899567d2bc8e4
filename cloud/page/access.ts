import { h } from "./dom.js";

/** The token that lets the page write, and read from afar: for as long as the tab is open, in no address and no cookie. */

const KEY = "oscore-mesh-token";

export function token(): string | undefined {
  return sessionStorage.getItem(KEY) ?? undefined;
}

/** A header holds visible ASCII: anything else cannot be a token. */
const TOKEN = /^[\x21-\x7e]+$/;

/** Asks for the token. Resolves to whether one was given, also when it was there before. */
export class TokenDialog {
  readonly #dialog: HTMLDialogElement;
  readonly #input = h("input", {
    type: "password",
    id: "token",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    pattern: "[\\x21-\\x7e]+",
    "data-testid": "token",
  });
  readonly #why = h("p", { class: "quiet", id: "token-why" });
  readonly #forget = h(
    "button",
    { type: "submit", value: "forget", class: "button", formnovalidate: true },
    "Forget it",
  );
  #done: (given: boolean) => void = () => {};
  /** Called when there is another token, or none any more. */
  onChange: () => void = () => {};

  constructor() {
    const form = h(
      "form",
      { method: "dialog" },
      h("h2", { id: "token-title" }, "Access token"),
      this.#why,
      h("label", { class: "field" }, h("span", {}, "Token"), this.#input),
      h(
        "div",
        { class: "actions" },
        h(
          "button",
          { type: "submit", value: "use", class: "button primary", "data-testid": "use-token" },
          "Use it",
        ),
        this.#forget,
        h("button", { type: "submit", value: "cancel", class: "button", formnovalidate: true }, "Cancel"),
      ),
    );
    this.#dialog = h("dialog", { "aria-labelledby": "token-title", "aria-describedby": "token-why" }, form);
    this.#dialog.addEventListener("close", () => this.#close());
    document.body.append(this.#dialog);
  }

  ask(why: string): Promise<boolean> {
    this.#done(false);
    this.#why.textContent = why;
    this.#input.value = "";
    this.#forget.hidden = token() === undefined;
    this.#dialog.returnValue = "cancel";
    if (!this.#dialog.open) this.#dialog.showModal();
    return new Promise((resolve) => {
      this.#done = resolve;
    });
  }

  #close(): void {
    const value = this.#input.value.trim();
    const { returnValue } = this.#dialog;
    this.#input.value = "";
    const used = returnValue === "use" && TOKEN.test(value);
    if (used) sessionStorage.setItem(KEY, value);
    else if (returnValue === "forget") sessionStorage.removeItem(KEY);
    if (used || returnValue === "forget") this.onChange();
    const done = this.#done;
    this.#done = () => {};
    done(used);
  }
}
