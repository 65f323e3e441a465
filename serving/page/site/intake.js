// Pictures that come in: the photo, its references, a mask.

import { ask } from "./engines/server.js";
import { Failure } from "./failure.js";
import { middleFrame } from "./geometry.js";
import { openMask, openPicture } from "./pictures.js";
import { say } from "./words.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./doing.js").Doing} Doing */
/** @typedef {import("./pictures.js").Picture} Picture */

const SAMPLES = ["photo.jpg", "reference.jpg", "mask.png"];
const SURE = 0.5; // of its confidence, from where on a face counts

/**
 * @param {Blob} one
 * @param {Blob} other
 */
async function same(one, other) {
  if (one.size !== other.size) return false;
  const [first, second] = await Promise.all([one.arrayBuffer(), other.arrayBuffer()]);
  const known = new Uint8Array(second);
  return new Uint8Array(first).every((value, at) => value === known[at]);
}

export class Intake {
  /** @type {Promise<void>} */
  #last = Promise.resolve(); // of what was dropped

  /**
   * @param {State} state
   * @param {Doing} doing
   * @param {() => void} holeChanged
   */
  constructor(state, doing, holeChanged) {
    this.state = state;
    this.doing = doing;
    this.holeChanged = holeChanged;
  }

  get #limits() {
    return this.state.about?.limits ?? { body: 80e6, pixels: 50e6 };
  }

  /**
   * The faces of a picture; the largest is the one that is meant, until another is chosen.
   * @param {Picture} picture
   * @param {AbortSignal} signal
   */
  async find(picture, signal) {
    const { state } = this;
    const engine = await this.doing.engine(signal);
    const faces = (await engine.faces(picture, signal, this.doing.tell)).filter(({ confidence }) => confidence >= SURE);
    if (signal.aborted) return;
    faces.sort((one, other) => other.frame.side - one.frame.side);
    Object.assign(picture, { faces, looked: true });
    picture.frame ??= faces[0]?.frame ?? null;
    if (picture.frame || !state.references.includes(picture)) return;
    picture.frame = middleFrame(picture.width, picture.height); // its user is asked to move it
    state.show(picture);
  }

  /** Look for the faces of all pictures where nobody has, or where that failed. */
  look() {
    return this.doing.attempt("looking", async (signal) => {
      const { photo, references } = this.state;
      for (const each of photo ? [photo, ...references] : references) if (!each.looked) await this.find(each, signal);
    });
  }

  /**
   * @param {File} file
   * @param {AbortSignal} signal
   */
  async #openPhoto(file, signal) {
    for (const { file: other } of this.state.references) if (await same(file, other)) throw new Failure("same_picture");
    const photo = await openPicture(file, this.#limits);
    if (!signal.aborted) this.state.take(photo);
  }

  /**
   * @param {File} file
   * @param {AbortSignal} signal
   */
  async #openReference(file, signal) {
    const { state } = this;
    const most = state.about?.limits.references ?? 1;
    if (state.references.length >= most) throw new Failure("too_many", { most });
    for (const other of state.references) if (await same(file, other.file)) throw new Failure("same_reference");
    if (state.photo && (await same(file, state.photo.file))) throw new Failure("same_picture");
    const reference = await openPicture(file, this.#limits);
    if (signal.aborted) return;
    state.forgetResult();
    state.change({ references: [...state.references, reference] });
  }

  /** @param {File} file */
  async photo(file) {
    await this.doing.attempt("decoding", (signal) => this.#openPhoto(file, signal));
    if (this.state.failure) return;
    await this.look();
    this.holeChanged(); // what is transparent is one
  }

  /** @param {File[]} files */
  async references(files) {
    const failures = [];
    for (const file of files) {
      await this.doing.attempt("decoding", (signal) => this.#openReference(file, signal));
      if (this.state.failure) failures.push({ name: file.name, failure: this.state.failure });
      else await this.look();
    }
    const [first] = failures;
    if (!first || files.length === 1) return;
    const said = say(first.failure.word, first.failure.values);
    this.state.change({ failure: new Failure("one_of_several", { name: first.name, said }) });
  }

  /**
   * Files that were dropped or pasted: the first is the photo, where there is none yet.
   * @param {File[]} files
   */
  any(files) {
    return (this.#last = this.#last.then(async () => {
      const [first, ...others] = this.state.photo ? [undefined, ...files] : files;
      if (first) await this.photo(first);
      if (this.state.photo && others.length) await this.references(/** @type {File[]} */ (others));
    }));
  }

  /** The sample faces, ready to be filled. */
  async samples() {
    await this.doing.attempt("decoding", async (signal) => {
      const [photo, reference, mask] = await Promise.all(SAMPLES.map(async (name) => {
        const answer = await ask(`/page/samples/${name}`, { signal }, "");
        return new File([await answer.blob()], name);
      }));
      await this.#openPhoto(photo, signal);
      await this.#openReference(reference, signal);
      await this.#openMask(mask);
    });
    if (this.state.failure) return;
    await this.look();
    this.holeChanged();
  }

  /** @param {File} file */
  async #openMask(file) {
    const { hole, photo } = this.state;
    if (!hole || !photo) return;
    const mask = await openMask(file, hole, this.#limits);
    if (!mask.includes(1)) throw new Failure("mask_empty");
    hole.replace(mask);
    this.state.show(photo);
  }

  /** @param {File} file */
  async mask(file) {
    await this.doing.attempt("decoding", () => this.#openMask(file));
    this.holeChanged();
  }
}
