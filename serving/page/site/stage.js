// The picture that is worked on: drawn, moved, made larger; and what of it is where on the screen.

import { cross, outline } from "./drawing.js";
import { corners, fromUnit } from "./geometry.js";
import { Pointers } from "./pointers.js";

/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./geometry.js").Frame} Frame */
/** @typedef {import("./geometry.js").Box} Box */

/**
 * What is shown; lengths in pixels of `picture`.
 * @typedef {object} Scene
 * @property {CanvasImageSource} picture
 * @property {number} width
 * @property {number} height
 * @property {HTMLCanvasElement | null} hole
 * @property {Frame | null} frame of the face that is meant.
 * @property {boolean} handles whether it can be moved just now.
 * @property {Frame[]} others of faces that are not meant.
 * @property {{image: ImageBitmap, before: ImageBitmap, box: Box} | null} filled
 *   its surroundings as sharp as they are, before and after.
 * @property {number} split share of the width that is shown as it was before.
 */

/**
 * What gets the pointer; points are the picture's.
 * @typedef {object} Tool
 * @property {string} cursor
 * @property {(point: Point, reach: number) => void} down `reach`: what counts as near, in the picture's pixels.
 * @property {(point: Point) => void} move
 * @property {() => void} up
 * @property {() => void} cancel
 * @property {(context: CanvasRenderingContext2D, scale: number) => void} [draw]
 * @property {(context: CanvasRenderingContext2D, scale: number, point: Point) => void} [hover] what shows under a mouse.
 */

const [LEAST, MOST] = [0.5, 40]; // zoom, of the whole picture's
const LEVER = 0.1; // of a frame's side, how far inside the handle is that turns it
const TINTED = 0.55;

/** Where the handle is that turns a frame. */
export const leverOf = (/** @type {Frame} */ frame) => fromUnit(frame, [0.5, LEVER]);

export class PhotoStage extends HTMLElement {
  /** @type {Scene | null} */
  #scene = null;
  /** @type {Tool | null} */
  #tool = null;
  /** @type {Point | null} */
  point = null; // of the keyboard, in the picture
  #zoom = 1;
  #middle = /** @type {Point} */ ([0, 0]); // of the view, in the picture
  #asked = false;
  canvas = document.createElement("canvas");
  #pointers = new Pointers(this);

  connectedCallback() {
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.append(this.canvas);
    new ResizeObserver(() => this.draw()).observe(this);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  get tool() {
    return this.#tool;
  }

  /** @param {Tool | null} tool */
  set tool(tool) {
    this.#pointers.breakOff();
    this.#tool = tool;
  }

  get scene() {
    return this.#scene;
  }

  /** @param {Scene | null} scene */
  set scene(scene) {
    const [old, now] = [this.#scene, scene];
    this.#scene = scene;
    if (now && (old?.width !== now.width || old.height !== now.height)) this.fit();
    this.draw();
  }

  /** Screen pixels a pixel of the picture. */
  get scale() {
    if (!this.#scene) return 1;
    const { width, height } = this.#scene;
    return Math.min(this.clientWidth / width, this.clientHeight / height) * 0.96 * this.#zoom;
  }

  fit() {
    this.#zoom = 1;
    if (this.#scene) this.#middle = [this.#scene.width / 2, this.#scene.height / 2];
    this.point = null;
    this.draw();
  }

  /**
   * @param {number} factor
   * @param {Point} [about] in the picture.
   */
  zoom(factor, about = this.#middle) {
    const zoom = Math.min(Math.max(this.#zoom * factor, LEAST), MOST);
    const share = this.#zoom / zoom;
    this.#zoom = zoom;
    this.#look([about[0] + share * (this.#middle[0] - about[0]), about[1] + share * (this.#middle[1] - about[1])]);
  }

  /**
   * @param {number} right screen pixels.
   * @param {number} down
   */
  pan(right, down) {
    this.#look([this.#middle[0] - right / this.scale, this.#middle[1] - down / this.scale]);
  }

  /** @param {Point} middle */
  #look([x, y]) {
    if (!this.#scene) return;
    this.#middle = [Math.min(Math.max(x, 0), this.#scene.width), Math.min(Math.max(y, 0), this.#scene.height)];
    this.draw();
  }

  /**
   * @param {Point} client
   * @returns {Point} in the picture.
   */
  inPicture([x, y]) {
    const { left, top } = this.canvas.getBoundingClientRect();
    const { scale } = this;
    return [
      this.#middle[0] + (x - left - this.clientWidth / 2) / scale,
      this.#middle[1] + (y - top - this.clientHeight / 2) / scale,
    ];
  }

  /**
   * @param {Point} point of the picture.
   * @returns {Point} on the screen, for tests and for what is laid over it.
   */
  onScreen([x, y]) {
    const { left, top } = this.canvas.getBoundingClientRect();
    const { scale } = this;
    return [
      left + this.clientWidth / 2 + (x - this.#middle[0]) * scale,
      top + this.clientHeight / 2 + (y - this.#middle[1]) * scale,
    ];
  }

  /** Soon, and once. */
  draw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#paint();
    });
  }

  #paint() {
    const { canvas, clientWidth: width, clientHeight: height } = this;
    const sharp = devicePixelRatio;
    const size = [Math.round(width * sharp), Math.round(height * sharp)];
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.resetTransform();
    context.clearRect(0, 0, canvas.width, canvas.height);
    canvas.style.cursor = this.tool?.cursor ?? "grab";
    const scene = this.#scene;
    if (!scene || !width) return;
    const scale = this.scale;
    context.scale(sharp, sharp);
    context.translate(width / 2, height / 2);
    context.scale(scale, scale);
    context.translate(-this.#middle[0], -this.#middle[1]);
    context.imageSmoothingQuality = "high";
    context.imageSmoothingEnabled = scale < 4;
    context.drawImage(scene.picture, 0, 0, scene.width, scene.height);
    if (scene.filled) this.#paintFilled(context, scene, scale);
    if (scene.hole) {
      context.globalAlpha = TINTED;
      context.drawImage(scene.hole, 0, 0);
      context.globalAlpha = 1;
    }
    for (const other of scene.others) outline(context, corners(other), scale, [6, 5]);
    if (scene.frame) this.#paintFrame(context, scene.frame, scale, scene.handles);
    this.tool?.draw?.(context, scale);
    if (this.#pointers.over) this.tool?.hover?.(context, scale, this.#pointers.over);
    if (this.point) cross(context, this.point, scale);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Scene} scene
   * @param {number} scale
   */
  #paintFilled(context, { filled, split, width, height }, scale) {
    if (!filled) return;
    const { left, top, right, bottom } = filled.box;
    const place = /** @type {const} */ ([left, top, right - left, bottom - top]);
    context.drawImage(filled.before, ...place);
    context.save();
    context.beginPath();
    context.rect(split * width, 0, width, height);
    context.clip();
    context.drawImage(filled.image, ...place);
    context.restore();
    if (split > 0 && split < 1) outline(context, [[split * width, 0], [split * width, height]], scale, []);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Frame} frame
   * @param {number} scale
   * @param {boolean} handles
   */
  #paintFrame(context, frame, scale, handles) {
    outline(context, corners(frame), scale, []);
    if (!handles) return;
    outline(context, [fromUnit(frame, [0.5, 0]), leverOf(frame)], scale, []);
    for (const [x, y] of [...corners(frame), leverOf(frame)]) {
      context.beginPath();
      context.arc(x, y, 7 / scale, 0, 2 * Math.PI);
      context.fillStyle = "#fff";
      context.fill();
      context.lineWidth = 2 / scale;
      context.strokeStyle = "#0b5d4f";
      context.stroke();
    }
  }
}

customElements.define("photo-stage", PhotoStage);
