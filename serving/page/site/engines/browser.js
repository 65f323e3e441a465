// This browser fills: the work is a worker's, so that the page stays quick.

import { Failure } from "../failure.js";
import { rounded } from "../geometry.js";
import { resized } from "../hole.js";
import { seenFile } from "../pictures.js";
import { modelFile } from "./models.js";

/** @typedef {import("./engine.js").Engine} Engine */
/** @typedef {import("./engine.js").About} About */
/** @typedef {import("./engine.js").Progress} Progress */

const WORKER = "/page/engines/worker.js";

/** A worker, asked one thing at a time; it ends with what was broken off. */
class Desk {
  /** @type {Worker | null} */
  #worker = null;
  provider = "WebAssembly";

  /**
   * @param {any} order
   * @param {AbortSignal} signal
   * @param {(progress: Progress) => void} tell
   * @param {Transferable[]} [moved] what of it the page needs no more.
   * @returns {Promise<any>}
   */
  ask(order, signal, tell, moved = []) {
    signal.throwIfAborted();
    const worker = (this.#worker ??= new Worker(WORKER, { type: "module" }));
    return new Promise((resolve, reject) => {
      const end = () => {
        signal.removeEventListener("abort", stop);
        worker.onmessage = worker.onerror = null;
      };
      const stop = () => {
        end();
        this.close();
        reject(signal.reason);
      };
      signal.addEventListener("abort", stop);
      worker.onmessage = ({ data }) => {
        if (data.tell) return tell(data.tell);
        end();
        if (data.failure) {
          this.close(); // whatever it left behind
          return reject(new Failure(data.failure.word, data.failure.values));
        }
        this.provider = data.provider ?? this.provider;
        return resolve(data.answer);
      };
      worker.onerror = (event) => {
        end();
        this.close();
        reject(new Failure("browser_failed", { said: event.message || "worker" }));
      };
      worker.postMessage(order, moved);
    });
  }

  get started() {
    return this.#worker !== null;
  }

  close() {
    this.#worker?.terminate();
    this.#worker = null;
  }
}

/**
 * @param {About} about
 * @param {() => string} token
 * @returns {Engine}
 */
export function browserEngine(about, token) {
  const desk = new Desk();
  /** @type {Set<string>} */
  let opened = new Set();

  /**
   * Open a file of the model, where the worker has not.
   * @param {string} name
   * @param {AbortSignal} signal
   * @param {(progress: Progress) => void} tell
   */
  async function open(name, signal, tell) {
    if (!desk.started) opened = new Set();
    if (opened.has(name)) return;
    const current = Object.values(about.files).map(({ url }) => url);
    const told = (/** @type {number} */ share) => tell({ word: "loading_model", share });
    const content = await modelFile(about.files[name], current, token(), signal, told);
    tell({ word: "loading_runtime" });
    await desk.ask({ open: name, content }, signal, tell, [content.buffer]);
    opened.add(name);
  }

  /**
   * @param {import("./engine.js").Picture} picture
   * @param {Uint8Array | null} mask what of it does not count.
   * @param {AbortSignal} signal
   * @param {(progress: Progress) => void} tell
   */
  async function faces(picture, mask, signal, tell) {
    await open("detector.onnx", signal, tell);
    if (mask) await open("placement.onnx", signal, tell);
    tell({ word: "looking" });
    const order = { faces: await seenFile(picture), mask, landmarks: about.landmarks };
    const found = await desk.ask(order, signal, tell);
    return found.map((/** @type {any} */ { frame: { x, y, side, angle }, confidence }) => {
      const frame = { x: x / picture.factor, y: y / picture.factor, side: side / picture.factor, angle };
      return { frame: rounded(frame), confidence };
    });
  }

  return {
    runsOn: () => desk.provider,
    faces: (picture, signal, tell) => faces(picture, null, signal, tell),
    underHole: faces,

    async fill({ photo, frame, mask, references }, signal, tell) {
      await open("repair.onnx", signal, tell);
      if (about.files["recogniser.onnx"]) await open("recogniser.onnx", signal, tell);
      const whole = resized(mask, photo.seen.width, photo.width, photo.height, 1);
      const others = references.map((each) => ({ file: each.picture.file, frame: each.frame }));
      const order = { fill: { file: photo.file, frame }, mask: whole, references: others, landmarks: about.landmarks };
      const { file, cosine } = await desk.ask(order, signal, tell, [whole.buffer]);
      return { file, cosine, remarks: [] };
    },
  };
}
