// The picture on the stage: which one, with which tool; and what keys do to it.

import { middleFrame, scaled, touches } from "./geometry.js";
import { boundingBox } from "./hole.js";
import { by } from "./panel.js";
import { partOutline } from "./parts.js";
import { holds, nudged, toolOf } from "./tools.js";
import { say } from "./words.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./geometry.js").Frame} Frame */
/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./tools.js").ToolName} ToolName */

/** @type {Record<string, Point>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const [STEP, LONG_STEP, PAN] = [8, 40, 40]; // screen pixels
const ZOOM = 1.25;

export class View {
  /** @type {unknown[]} */
  #picked = [];
  #outlining = false; // by keys

  /**
   * @param {State} state
   * @param {import("./stage.js").PhotoStage} stage
   * @param {() => void} searchHidden
   */
  constructor(state, stage, searchHidden) {
    this.state = state;
    this.stage = stage;
    this.searchHidden = searchHidden;
    state.watch(() => this.draw());
    stage.canvas.addEventListener("keydown", (event) => this.#key(event));
    by("zoom").addEventListener("click", (event) => {
      const what = /** @type {HTMLElement} */ (event.target).closest("button")?.dataset.zoom;
      if (what === "fit") stage.fit();
      else if (what) stage.zoom(what === "in" ? ZOOM : 1 / ZOOM);
    });
  }

  /** Whether the frame of what is shown can be moved. */
  get #framing() {
    const { shown, photo, result, tool } = this.state;
    return !result && shown !== null && (tool === "frame" || shown !== photo);
  }

  /** The frame of what is shown; where there is none, the one to put over its face. */
  get #frame() {
    const { shown } = this.state;
    if (!shown) return null;
    const frame = shown.frame ?? (this.#framing ? middleFrame(shown.width, shown.height) : null);
    return frame && scaled(frame, shown.factor);
  }

  /** @param {Frame} frame of what is seen. */
  #setFrame(frame) {
    const { shown } = this.state;
    if (!shown || !touches(frame, shown.seen.width, shown.seen.height)) return;
    const most = 2 * Math.max(shown.seen.width, shown.seen.height);
    shown.frame = scaled({ ...frame, side: Math.min(frame.side, most) }, 1 / shown.factor);
    shown.byHand = true;
    this.draw();
  }

  /** @param {Point} point */
  #choose(point) {
    const { shown } = this.state;
    const face = shown?.faces.find(({ frame }) => holds(scaled(frame, shown.factor), point));
    if (shown && face) Object.assign(shown, { frame: face.frame, byHand: true });
    this.state.change();
  }

  /** The hole is another one: it may say which face is meant, or where one is that nobody saw. */
  holeChanged = () => {
    const { photo, hole } = this.state;
    const box = photo && hole && boundingBox(hole.mask, hole.width);
    if (photo && box && !photo.byHand) {
      const middle = /** @type {Point} */ ([(box.left + box.right) / 2 / photo.factor, (box.top + box.bottom) / 2 / photo.factor]);
      const held = photo.faces.filter(({ frame }) => holds(frame, middle));
      if (held.length && !held.some(({ frame }) => frame === photo.frame)) photo.frame = held[0].frame;
    }
    this.state.change();
    if (photo?.looked && !photo.frame && box) this.searchHidden();
  };

  /** @param {import("./parts.js").Part} part */
  addPart(part) {
    const { photo, hole, about } = this.state;
    if (!photo?.frame || !hole || !about?.landmarks || !about.hole) return;
    const model = { landmarks: about.landmarks, hole: about.hole };
    hole.fill(partOutline(part, scaled(photo.frame, photo.factor), model));
    hole.settle();
    if (this.state.shown !== photo) this.state.show(photo);
    this.holeChanged();
  }

  /** @param {ToolName} tool */
  pick(tool) {
    const shown = ["frame", "hand"].includes(tool) ? this.state.shown : this.state.photo;
    this.state.change({ tool, shown });
  }

  /**
   * Put a tool into the pointer's hand; the one that is there stays, with what it has begun.
   * @param {ToolName} name
   * @param {import("./hole.js").Hole | null} hole
   */
  #take(name, hole) {
    const now = [name, hole];
    if (this.#picked.length && now.every((each, at) => each === this.#picked[at])) return;
    this.#picked = now;
    this.#outlining = false;
    const { state } = this;
    this.stage.tool = toolOf(name, hole, {
      width: () => Math.max(1, state.brush * Math.max(hole?.width ?? 0, hole?.height ?? 0)),
      changed: this.holeChanged,
      frame: () => this.#frame,
      setFrame: (frame) => this.#setFrame(frame),
      choose: (point) => this.#choose(point),
    });
  }

  draw() {
    const { shown, photo, result, tool, hole, split } = this.state;
    this.stage.hidden = by("zoom").hidden = !shown;
    by("toolbar").hidden = !shown || Boolean(result);
    by("start").hidden = Boolean(shown);
    by("comparing").hidden = !result;
    if (!shown) return;
    const painted = shown === photo ? hole : null;
    const framing = this.#framing;
    this.#take(result ? "hand" : framing && tool !== "hand" ? "frame" : tool, painted);
    const others = shown.faces.filter(({ frame }) => frame !== shown.frame).map(({ frame }) => scaled(frame, shown.factor));
    this.stage.scene = {
      picture: shown.seen,
      width: shown.seen.width,
      height: shown.seen.height,
      hole: result ? null : painted?.canvas ?? null,
      frame: result ? null : this.#frame,
      handles: framing,
      others: framing ? others : [],
      filled: result?.sharp ?? null,
      split,
    };
    const label = result ? "stage_result" : tool === "hand" ? "stage_hand" : framing ? "stage_frame" : "stage_photo";
    this.stage.canvas.setAttribute("aria-label", say(label));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { state, stage } = this;
    if (event.ctrlKey || event.metaKey || event.altKey || !state.shown) return;
    const key = event.key === "=" ? "+" : event.key;
    const step = (event.shiftKey ? LONG_STEP : STEP) / stage.scale;
    const frame = this.#framing && state.tool !== "hand" ? this.#frame : null;
    const moved = frame && nudged(frame, key, step);
    if (moved) this.#setFrame(moved);
    else if (key === "+" || key === "-") stage.zoom(key === "+" ? ZOOM : 1 / ZOOM);
    else if (key === "0") stage.fit();
    else if (key in ARROWS) this.#arrow(ARROWS[key], step);
    else if (key === " " && stage.tool && !frame) this.#space();
    else return;
    event.preventDefault();
    stage.draw();
  }

  /**
   * @param {Point} arrow
   * @param {number} step
   */
  #arrow([right, down], step) {
    const { stage, state } = this;
    if (state.result || state.tool === "hand") {
      stage.pan(-PAN * right, -PAN * down);
      return;
    }
    const { width = 0, height = 0 } = stage.scene ?? {};
    const [x, y] = stage.point ?? this.#centre();
    stage.point = [Math.min(Math.max(x + right * step, 0), width), Math.min(Math.max(y + down * step, 0), height)];
    if (this.#outlining) stage.tool?.move(stage.point);
  }

  /** A dab of the brush; a rectangle or a lasso begins with one and ends with the next. */
  #space() {
    const { stage, state } = this;
    stage.point ??= this.#centre();
    if (this.#outlining) stage.tool?.move(stage.point);
    else stage.tool?.down(stage.point, 0);
    const isOutline = state.tool === "rectangle" || state.tool === "lasso";
    this.#outlining = isOutline && !this.#outlining;
    if (!this.#outlining) stage.tool?.up();
  }

  /** @returns {Point} */
  #centre() {
    const frame = this.#frame;
    return frame ? [frame.x, frame.y] : [(this.stage.scene?.width ?? 0) / 2, (this.stage.scene?.height ?? 0) / 2];
  }
}
