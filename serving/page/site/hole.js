// The hole that is painted: one bit a pixel, at the size that is worked on, with its history.

/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./geometry.js").Box} Box */
/** @typedef {{box: Box, before: Uint8Array, after: Uint8Array}} Change */

const MOST_KEPT = 64_000_000; // bytes of history
const HALF = 128;
const TINT = [225, 29, 110]; // red, green and blue of what is shown of it
const [PIXEL] = new Uint32Array(Uint8Array.of(...TINT, 255).buffer); // all four bytes of it

/**
 * The smallest box with all of a mask in it; null where there is none.
 * @param {Uint8Array} mask
 * @param {number} width
 * @returns {Box | null}
 */
export function boundingBox(mask, width) {
  const height = mask.length / width;
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0; y < height; y += 1) {
    const row = mask.subarray(y * width, (y + 1) * width);
    const first = row.indexOf(1);
    if (first < 0) continue;
    left = Math.min(left, first);
    right = Math.max(right, row.lastIndexOf(1) + 1);
    top = Math.min(top, y);
    bottom = y + 1;
  }
  return right ? { left, top, right, bottom } : null;
}

/**
 * The part of a mask in a box.
 * @param {Uint8Array} mask
 * @param {number} width of the mask.
 * @param {Box} box
 */
export function partOf(mask, width, { left, top, right, bottom }) {
  const part = new Uint8Array((right - left) * (bottom - top));
  for (let y = top; y < bottom; y += 1) {
    part.set(mask.subarray(y * width + left, y * width + right), (y - top) * (right - left));
  }
  return part;
}

/**
 * A mask at another size: of each pixel, what lies nearest.
 * @param {Uint8Array} mask
 * @param {number} from its width
 * @param {number} width
 * @param {number} height
 * @param {number} value of the hole
 */
export function resized(mask, from, width, height, value) {
  const rows = mask.length / from;
  const columns = Uint32Array.from({ length: width }, (_, x) => Math.floor(((x + 0.5) * from) / width));
  const result = new Uint8Array(width * height);
  for (let y = 0; y < height; y += 1) {
    const start = Math.floor(((y + 0.5) * rows) / height) * from;
    const row = result.subarray(y * width, (y + 1) * width);
    for (let x = 0; x < width; x += 1) row[x] = mask[start + columns[x]] * value;
  }
  return result;
}

/** What is missing in a picture. Nothing counts until it is settled; then it can be undone. */
export class Hole {
  #count = 0; // pixels of it

  /**
   * @param {number} width
   * @param {number} height
   */
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.mask = new Uint8Array(width * height); // 1 = hole, as it was settled last
    this.canvas = document.createElement("canvas"); // the same to look at, opaque in the hole
    Object.assign(this.canvas, { width, height });
    this.context = /** @type {CanvasRenderingContext2D} */ (
      this.canvas.getContext("2d", { willReadFrequently: true })
    );
    this.context.strokeStyle = this.context.fillStyle = `rgb(${TINT.join(" ")})`;
    this.context.lineCap = "round";
    this.context.lineJoin = "round";
    /** @type {Box | null} */
    this.touched = null;
    /** @type {Change[]} */
    this.done = [];
    /** @type {Change[]} */
    this.undone = [];
  }

  get canUndo() {
    return this.done.length > 0;
  }

  get canRedo() {
    return this.undone.length > 0;
  }

  get isEmpty() {
    return this.#count === 0;
  }

  /** Share of the picture, 0 to 1. */
  get share() {
    return this.#count / this.mask.length;
  }

  /**
   * @param {Point[]} points
   * @param {number} margin
   */
  #touch(points, margin) {
    const within = (/** @type {number} */ value, /** @type {number} */ most) => Math.min(Math.max(value, 0), most);
    for (const [x, y] of points) {
      const box = {
        left: within(Math.floor(x - margin), this.width),
        top: within(Math.floor(y - margin), this.height),
        right: within(Math.ceil(x + margin), this.width),
        bottom: within(Math.ceil(y + margin), this.height),
      };
      const old = this.touched ?? box;
      this.touched = {
        left: Math.min(old.left, box.left),
        top: Math.min(old.top, box.top),
        right: Math.max(old.right, box.right),
        bottom: Math.max(old.bottom, box.bottom),
      };
    }
  }

  /** @param {boolean} erase */
  #mode(erase) {
    this.context.globalCompositeOperation = erase ? "destination-out" : "source-over";
  }

  /**
   * A line of the brush, or a dab of it where it is one point.
   * @param {Point[]} points
   * @param {number} width
   * @param {boolean} [erase]
   */
  stroke(points, width, erase = false) {
    this.#mode(erase);
    this.context.lineWidth = width;
    this.context.beginPath();
    points.forEach(([x, y], number) => this.context[number ? "lineTo" : "moveTo"](x, y));
    if (points.length === 1) this.context.lineTo(points[0][0] + 1e-3, points[0][1]);
    this.context.stroke();
    this.#touch(points, width / 2 + 2);
  }

  /**
   * What an outline encloses.
   * @param {Point[]} points
   * @param {boolean} [erase]
   */
  fill(points, erase = false) {
    if (points.length < 3) return;
    this.#mode(erase);
    this.context.beginPath();
    points.forEach(([x, y], number) => this.context[number ? "lineTo" : "moveTo"](x, y));
    this.context.fill();
    this.#touch(points, 2);
  }

  /**
   * Another hole in place of this one.
   * @param {Uint8Array} mask of its size, 1 = hole.
   */
  replace(mask) {
    this.#touch([[0, 0], [this.width, this.height]], 0);
    this.#show({ left: 0, top: 0, right: this.width, bottom: this.height }, mask);
    this.settle();
  }

  clear() {
    this.replace(new Uint8Array(this.mask.length));
  }

  /** What was drawn counts from now on, as one step. */
  settle() {
    const box = this.touched;
    this.touched = null;
    if (!box || box.right <= box.left || box.bottom <= box.top) return;
    const [width, height] = [box.right - box.left, box.bottom - box.top];
    const drawn = this.context.getImageData(box.left, box.top, width, height).data;
    const after = new Uint8Array(width * height);
    for (let at = 0; at < after.length; at += 1) after[at] = drawn[4 * at + 3] >= HALF ? 1 : 0;
    const before = partOf(this.mask, this.width, box);
    this.#show(box, after);
    if (before.every((value, at) => value === after[at])) return;
    this.#keep(box, after);
    this.undone = [];
    this.done.push({ box, before, after });
    let kept = 0;
    const first = this.done.findLastIndex((change) => (kept += 2 * change.after.length) > MOST_KEPT);
    this.done.splice(0, Math.min(first + 1, this.done.length - 1));
  }

  /** What was drawn since then is forgotten. */
  forget() {
    if (this.touched) this.#show(this.touched, partOf(this.mask, this.width, this.touched));
    this.touched = null;
  }

  undo() {
    const change = this.done.pop();
    if (!change) return;
    this.undone.push(change);
    this.#keep(change.box, change.before);
    this.#show(change.box, change.before);
  }

  redo() {
    const change = this.undone.pop();
    if (!change) return;
    this.done.push(change);
    this.#keep(change.box, change.after);
    this.#show(change.box, change.after);
  }

  /**
   * @param {Box} box
   * @param {Uint8Array} part
   */
  #keep({ left, top, right, bottom }, part) {
    for (const value of partOf(this.mask, this.width, { left, top, right, bottom })) this.#count -= value;
    for (const value of part) this.#count += value;
    for (let y = top; y < bottom; y += 1) {
      const start = (y - top) * (right - left);
      this.mask.set(part.subarray(start, start + right - left), y * this.width + left);
    }
  }

  /**
   * @param {Box} box
   * @param {Uint8Array} part
   */
  #show({ left, top, right, bottom }, part) {
    if (right <= left || bottom <= top) return;
    const image = new ImageData(right - left, bottom - top);
    const pixels = new Uint32Array(image.data.buffer);
    for (let at = 0; at < part.length; at += 1) if (part[at]) pixels[at] = PIXEL;
    this.context.putImageData(image, left, top);
  }
}
