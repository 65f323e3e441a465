// What stands beside the picture: shown by what the page knows.

import { TOOLS } from "./tools.js";
import { PARTS } from "./parts.js";
import { say, spoken } from "./words.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./pictures.js").Picture} Picture */
/** @typedef {import("./tools.js").ToolName} ToolName */

/** @type {Record<ToolName, string>} lines of an icon of 24 x 24 */
const ICONS = {
  brush: "M4 20c3 0 5-1 5-3.500a2.500 2.500 0 0 0-5 0C4 18 3.500 19 4 20ZM9 15 19 4l1.500 1.500L11 17",
  eraser: "M8 20 3.500 15.500 14 5l6 6-9 9H8Zm0 0h12M9 10l6 6",
  rectangle: "M4 6h16v12H4Z",
  lasso: "M7 15c-3-1-4-3-4-5 0-3 4-5 9-5s9 2 9 5-4 5-9 5c-1 0-2 0-3-.3M8 14a2 2 0 1 1-2 3c1 2 1 3-1 4",
  frame: "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M9 10v.5M15 10v.5M9 15c2 1.500 4 1.500 6 0",
  hand: "M12 3v18M3 12h18M12 3 9.500 5.500M12 3l2.500 2.500M12 21l-2.500-2.500M12 21l2.500-2.500M3 12l2.500-2.500M3 12l2.500 2.500M21 12l-2.500-2.500M21 12l-2.500 2.500",
};
const SVG = "http://www.w3.org/2000/svg";

/**
 * An element of the page, which is there.
 * @param {string} id
 */
export const by = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {string} id */
export const inputBy = (id) => /** @type {HTMLInputElement} */ (document.getElementById(id));
/** @param {string} id */
export const buttonBy = (id) => /** @type {HTMLButtonElement} */ (document.getElementById(id));

/**
 * @param {string} label
 * @param {() => void} press
 * @param {Partial<HTMLButtonElement>} [more]
 */
function button(label, press, more = {}) {
  const made = Object.assign(document.createElement("button"), { type: "button", ...more });
  if (!made.textContent) made.setAttribute("aria-label", label);
  if (label) made.title = label;
  made.addEventListener("click", press);
  return made;
}

/**
 * What is done about the panel's lists.
 * @typedef {object} Acts
 * @property {(picture: Picture) => void} show
 * @property {(picture: Picture) => void} remove
 * @property {(picture: Picture, number: number) => void} choose
 * @property {(tool: ToolName) => void} tool
 * @property {(part: import("./parts.js").Part) => void} part
 */

export class Panel {
  /** @type {import("./failure.js").Failure | null} */
  #said = null;
  /** @type {Map<string, unknown[]>} what a list was made of */
  #listed = new Map();

  /**
   * @param {State} state
   * @param {Acts} acts
   */
  constructor(state, acts) {
    this.state = state;
    this.acts = acts;
    this.#makeTools();
    state.watch(() => this.show());
    state.watchBusy(() => this.#showAct());
  }

  #makeTools() {
    for (const name of TOOLS) {
      const made = button(name, () => this.acts.tool(name), { id: `tool-${name}` });
      const icon = document.createElementNS(SVG, "svg");
      icon.setAttribute("viewBox", "0 0 24 24");
      icon.setAttribute("aria-hidden", "true");
      icon.append(document.createElementNS(SVG, "path"));
      icon.firstElementChild?.setAttribute("d", ICONS[name]);
      made.setAttribute("role", "radio");
      made.dataset.sayLabel = name;
      made.append(icon);
      by("tools").append(made);
    }
    by("tools").addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = TOOLS[(TOOLS.indexOf(this.state.tool) + step + TOOLS.length) % TOOLS.length];
      this.acts.tool(next);
      by(`tool-${next}`).focus();
    });
    for (const part of PARTS) {
      const made = button("", () => this.acts.part(part), { id: `part-${part}`, className: "small", textContent: part });
      made.dataset.say = part;
      by("parts").append(made);
    }
  }

  show() {
    const { state } = this;
    document.body.dataset.view = state.result ? "result" : state.photo ? "edit" : "start";
    this.#showFailure();
    this.#showPictures();
    this.#showHole();
    this.#showResult();
    this.#showAct();
  }

  #showFailure() {
    const { failure } = this.state;
    by("failure").hidden = !failure;
    const [text, again] = by("failure").children;
    text.textContent = failure ? say(failure.word, failure.values) : "";
    /** @type {HTMLElement} */ (again).hidden = !failure?.values.again;
    if (failure && failure !== this.#said) by("failure").scrollIntoView({ block: "nearest" }); // on a phone it may lie above
    this.#said = failure;
  }

  /**
   * @param {Picture} picture
   * @param {string} name
   * @param {boolean} removable
   */
  #thumbnail(picture, name, removable) {
    const item = document.createElement("div");
    item.className = "picture";
    const small = Object.assign(document.createElement("canvas"), { width: 156, height: 156 });
    const side = Math.min(picture.seen.width, picture.seen.height);
    const [left, top] = [(picture.seen.width - side) / 2, (picture.seen.height - side) / 2];
    small.getContext("2d")?.drawImage(picture.seen, left, top, side, side, 0, 0, 156, 156);
    const look = button(say("edit_frame_of", { name }), () => this.acts.show(picture));
    look.append(small);
    item.append(look);
    if (removable) {
      item.append(button(say("remove", { name }), () => this.acts.remove(picture), { className: "remove", textContent: "×" }));
      item.lastElementChild?.setAttribute("aria-label", say("remove", { name }));
    }
    return item;
  }

  #showPictures() {
    const { photo, references, about } = this.state;
    this.#list("photo-list", photo ? [photo] : [], () => say("photo"), false);
    this.#list("reference-list", references, (number) => `${say("references")} ${number + 1}`, true);
    by("reference-help").hidden = references.length > 0;
    by("add-label").hidden = references.length >= (about?.limits.references ?? 1);
    this.#showFaces("photo", photo);
    this.#showFaces("reference", references.find((one) => one === this.state.shown) ?? references.at(-1) ?? null);
  }

  /**
   * Thumbnails before a list's chooser, made anew where the pictures or the language are others.
   * @param {string} id
   * @param {Picture[]} pictures
   * @param {(number: number) => string} name
   * @param {boolean} removable
   */
  #list(id, pictures, name, removable) {
    const known = this.#listed.get(id) ?? [];
    const now = [spoken(), ...pictures];
    const items = () => [...by(id).querySelectorAll(".picture")];
    if (now.length !== known.length || now.some((each, at) => each !== known[at])) {
      this.#listed.set(id, now);
      for (const item of items()) item.remove();
      by(id).prepend(...pictures.map((picture, number) => this.#thumbnail(picture, name(number), removable)));
    }
    items().forEach((item, number) => {
      item.firstElementChild?.setAttribute("aria-pressed", String(this.state.shown === pictures[number]));
    });
  }

  /**
   * @param {"photo" | "reference"} where
   * @param {Picture | null} picture
   */
  #showFaces(where, picture) {
    const faces = picture?.faces ?? [];
    const word = faces.length > 1 ? "faces_found" : faces.length ? "one_face" : picture?.frame ? "frame_by_hand" : "no_face_yet";
    by(`${where}-says`).textContent = picture ? say(picture.looked ? word : "not_looked", { count: faces.length }) : "";
    const now = [spoken(), ...faces];
    const known = this.#listed.get(where) ?? [];
    const made = by(`${where}-faces`);
    if (now.length !== known.length || now.some((each, at) => each !== known[at])) {
      this.#listed.set(where, now);
      made.replaceChildren(...(faces.length > 1 ? faces : []).map((_, number) => {
        const label = say("face_number", { number: number + 1 });
        const press = () => picture && this.acts.choose(picture, number);
        return button("", press, { className: "small", textContent: label });
      }));
    }
    [...made.children].forEach((each, number) => {
      each.setAttribute("aria-pressed", String(faces[number].frame === picture?.frame));
    });
  }

  #showHole() {
    const { hole, tool, brush, about, photo } = this.state;
    for (const name of TOOLS) {
      const made = by(`tool-${name}`);
      made.setAttribute("aria-checked", String(name === tool));
      made.tabIndex = name === tool ? 0 : -1;
    }
    by("brush").hidden = tool !== "brush" && tool !== "eraser";
    /** @type {HTMLInputElement} */ (by("brush").querySelector("input")).valueAsNumber = Math.round(brush * 1000);
    buttonBy("undo").disabled = !hole?.canUndo;
    buttonBy("redo").disabled = !hole?.canRedo;
    buttonBy("clear").disabled = buttonBy("save-mask").disabled = !hole || hole.isEmpty;
    for (const part of PARTS) buttonBy(`part-${part}`).disabled = !photo?.frame || !about?.landmarks;
    const share = hole ? hole.share * 100 : 0;
    const shown = share.toLocaleString(spoken(), { maximumSignificantDigits: 2 });
    by("hole-says").textContent = share ? say("hole_share", { share: shown }) : say("hole_none");
  }

  #showResult() {
    const { result, about } = this.state;
    by("result").hidden = !result;
    if (!result) return;
    const { cosine, remarks } = result.filled;
    const [words, figure] = by("likeness").children;
    const { same = 1, perhaps = 1 } = about?.likeness ?? {};
    const word = cosine === null ? "" : cosine >= same ? "looks_same" : cosine >= perhaps ? "looks_perhaps" : "looks_other";
    const shown = (/** @type {number} */ value) =>
      value.toLocaleString(spoken(), { minimumFractionDigits: 2, maximumFractionDigits: 2 });
    words.textContent = word && say(word);
    figure.textContent = cosine === null ? "" : say("likeness_figure", { cosine: shown(cosine) });
    by("likeness").hidden = cosine === null;
    by("likeness-help").textContent = say(cosine === null ? "likeness_unknown" : "likeness_help", { same: shown(same) });
    by("remarks").replaceChildren(...remarks.map((text) => Object.assign(document.createElement("li"), { textContent: text, lang: "en" })));
    const download = /** @type {HTMLAnchorElement} */ (by("download"));
    Object.assign(download, { href: result.address, download: result.name });
    by("save-anew").hidden = !result.anew;
    const marked = say(result.place === "browser" ? "marked_browser" : "marked");
    by("marked").textContent = result.anew ? `${marked} ${say("anew")}` : marked;
  }

  #showAct() {
    const { busy, missing } = this.state;
    const focused = document.activeElement;
    by("busy").hidden = !busy;
    buttonBy("fill").hidden = Boolean(busy);
    buttonBy("fill").disabled = missing !== null;
    if (busy && focused === by("fill")) by("cancel").focus({ preventScroll: true });
    if (!busy && focused === by("cancel")) by("fill").focus({ preventScroll: true });
    by("missing").textContent = !busy && missing ? say(missing) : "";
    if (!busy) return;
    if (by("busy-says").textContent !== say(busy.word)) by("busy-says").textContent = say(busy.word);
    const bar = /** @type {HTMLProgressElement} */ (by("progress"));
    bar.setAttribute("aria-label", say(busy.word));
    if (busy.share === undefined) bar.removeAttribute("value");
    else bar.value = busy.share;
  }
}
