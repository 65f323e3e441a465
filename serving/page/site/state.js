// What the page knows. Whoever changes it says so, and everything is shown anew.

import { Hole } from "./hole.js";

/** @typedef {import("./pictures.js").Picture} Picture */
/** @typedef {import("./geometry.js").Frame} Frame */
/** @typedef {import("./engines/engine.js").About} About */
/** @typedef {import("./engines/engine.js").Progress} Progress */
/** @typedef {import("./engines/engine.js").Filled} Filled */
/** @typedef {import("./failure.js").Failure} Failure */
/** @typedef {import("./tools.js").ToolName} ToolName */

/**
 * A fill, and what it was made of.
 * @typedef {object} Result
 * @property {Filled} filled
 * @property {"server" | "browser"} place where it was filled.
 * @property {string} name of the file to download.
 * @property {string} address of that file.
 * @property {boolean} anew whether it can be saved in the photo's format too, encoded anew.
 * @property {import("./stage.js").Scene["filled"]} sharp
 */

export class State {
  /** @type {About | null} */
  about = null;
  /** @type {"server" | "browser"} */
  place = "server";
  /** @type {Picture | null} */
  photo = null;
  /** @type {Picture[]} */
  references = [];
  /** @type {Picture | null} */
  shown = null; // the photo or a reference
  /** @type {Hole | null} */
  hole = null;
  /** @type {ToolName} */
  tool = "brush";
  brush = 0.04; // its width, as a share of the photo's longer side
  /** @type {Progress | null} */
  busy = null;
  /** @type {Failure | null} */
  failure = null;
  /** @type {Result | null} */
  result = null;
  split = 0.5;
  /** @type {Set<() => void>} */
  #watchers = new Set();
  /** @type {Set<() => void>} */
  #listeners = new Set();

  /** @param {() => void} watcher */
  watch(watcher) {
    this.#watchers.add(watcher);
  }

  /** @param {() => void} watcher of what is being done alone. */
  watchBusy(watcher) {
    this.#listeners.add(watcher);
  }

  /** @param {Progress} busy */
  tell(busy) {
    this.busy = busy;
    for (const listener of this.#listeners) listener();
  }

  /** @param {Partial<State>} [now] */
  change(now = {}) {
    Object.assign(this, now);
    for (const watcher of this.#watchers) watcher();
  }

  /** @param {Picture} photo */
  take(photo) {
    const hole = new Hole(photo.seen.width, photo.seen.height);
    if (photo.clear) hole.replace(photo.clear);
    this.forgetResult();
    this.change({ photo, shown: photo, hole, tool: "brush", failure: null });
  }

  /**
   * Put a picture on the stage, to work on it.
   * @param {Picture} picture
   * @param {ToolName} [tool]
   */
  show(picture, tool = picture === this.photo ? "brush" : "frame") {
    this.forgetResult();
    this.change({ shown: picture, tool });
  }

  forgetResult() {
    if (!this.result) return;
    URL.revokeObjectURL(this.result.address);
    this.result.sharp?.image.close();
    this.result.sharp?.before.close();
    this.result = null;
  }

  /**
   * What is still missing before a fill, by its word.
   * @returns {string | null}
   */
  get missing() {
    if (!this.photo) return "needs_photo";
    if (!this.references.length) return "needs_reference";
    if (!this.hole || this.hole.isEmpty) return "needs_hole";
    return null;
  }
}
