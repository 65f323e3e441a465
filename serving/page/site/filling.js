// A fill, from what there is to what is shown of it.

import { Failure } from "./failure.js";
import { middleFrame, rounded, surroundings } from "./geometry.js";
import { boundingBox } from "./hole.js";
import { stem } from "./pictures.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./doing.js").Doing} Doing */
/** @typedef {import("./intake.js").Intake} Intake */
/** @typedef {import("./pictures.js").Picture} Picture */
/** @typedef {import("./geometry.js").Frame} Frame */
/** @typedef {import("./geometry.js").Box} Box */
/** @typedef {import("./engines/engine.js").Filled} Filled */

/** @type {Record<string, string>} */
const SUFFIXES = { "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp" };

/**
 * @param {Box} box
 * @param {number} factor
 * @returns {Box}
 */
const resizedBox = ({ left, top, right, bottom }, factor) => ({
  left: left * factor, top: top * factor, right: right * factor, bottom: bottom * factor,
});

export class Filling {
  /**
   * @param {State} state
   * @param {Doing} doing
   * @param {Intake} intake
   */
  constructor(state, doing, intake) {
    this.state = state;
    this.doing = doing;
    this.intake = intake;
  }

  fill() {
    return this.doing.attempt("sending", async (signal) => {
      const { photo, hole, missing } = this.state;
      if (missing || !photo || !hole) return;
      const [mask, place] = [hole.mask.slice(), this.state.place]; // both may change meanwhile
      await this.#frameAll(photo, mask, signal);
      const references = this.state.references.map((picture) => ({ picture, frame: frameOf(picture) }));
      const frame = frameOf(photo);
      const engine = await this.doing.engine(signal);
      const filled = await engine.fill({ photo, frame, mask, references }, signal, this.doing.tell);
      signal.throwIfAborted();
      const sharp = await this.#sharp(photo, frame, mask, filled).catch(() => null); // then it is shown less sharp
      signal.throwIfAborted();
      this.#show(photo, place, filled, sharp);
    });
  }

  /**
   * Frames of all faces; where one is not found, it is its user's to put.
   * @param {Picture} photo
   * @param {Uint8Array} mask
   * @param {AbortSignal} signal
   */
  async #frameAll(photo, mask, signal) {
    for (const each of this.state.references) {
      if (each.frame) continue;
      await this.intake.find(each, signal);
      if (!each.faces.length) throw new Failure("needs_frame");
    }
    if (!photo.frame) await this.findHidden(photo, mask, signal);
    if (photo.frame) return;
    photo.frame = middleFrame(photo.width, photo.height);
    this.state.show(photo, "frame");
    throw new Failure("hidden_face");
  }

  /**
   * The face under the hole, where none was seen.
   * @param {Picture} photo
   * @param {Uint8Array} mask
   * @param {AbortSignal} signal
   */
  async findHidden(photo, mask, signal) {
    const engine = await this.doing.engine(signal);
    const faces = await engine.underHole(photo, mask, signal, this.doing.tell).catch((error) => {
      if (error instanceof Failure && error.word === "refused") return []; // it says that there is none
      throw error;
    });
    if (signal.aborted || photo.frame) return; // put by hand meanwhile
    Object.assign(photo, { faces, frame: faces[0]?.frame ?? null });
  }

  /**
   * What is about the face and the hole, before and after, at full size.
   * @param {Picture} photo
   * @param {Frame} frame
   * @param {Uint8Array} mask
   * @param {Filled} filled
   */
  async #sharp(photo, frame, mask, filled) {
    const hole = boundingBox(mask, photo.seen.width);
    const box = surroundings(frame, photo.width, photo.height, hole ? resizedBox(hole, 1 / photo.factor) : undefined);
    const part = /** @type {const} */ ([box.left, box.top, box.right - box.left, box.bottom - box.top]);
    const cut = (/** @type {Blob} */ file) => createImageBitmap(file, ...part, { imageOrientation: "from-image" });
    const image = await cut(filled.file);
    return { image, before: await cut(photo.file), box: resizedBox(box, photo.factor) };
  }

  /**
   * @param {Picture} photo
   * @param {"server" | "browser"} place
   * @param {Filled} filled
   * @param {import("./stage.js").Scene["filled"]} sharp
   */
  #show(photo, place, filled, sharp) {
    this.state.forgetResult();
    const name = `${stem(photo.name)}-filled.${SUFFIXES[filled.file.type] ?? "png"}`;
    const address = URL.createObjectURL(filled.file);
    const anew = place === "browser" && photo.kind === "jpeg";
    this.state.change({ shown: photo, split: 0.5, result: { filled, place, name, anew, address, sharp } });
  }
}

/** @param {Picture} picture */
const frameOf = ({ frame, width, height }) => rounded(frame ?? middleFrame(width, height));
