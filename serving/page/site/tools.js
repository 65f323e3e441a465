// What a pointer does on the picture: it paints the hole, or moves the face's frame. Lengths in pixels of what is seen.

import { outline, ring } from "./drawing.js";
import { corners, toUnit } from "./geometry.js";
import { leverOf } from "./stage.js";

/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./geometry.js").Frame} Frame */
/** @typedef {import("./hole.js").Hole} Hole */
/** @typedef {import("./stage.js").Tool} Tool */

export const HOLE_TOOLS = /** @type {const} */ (["brush", "eraser", "rectangle", "lasso"]);
export const TOOLS = /** @type {const} */ ([...HOLE_TOOLS, "frame", "hand"]);
/** @typedef {typeof TOOLS[number]} ToolName */

/**
 * @param {Hole} hole
 * @param {() => number} width
 * @param {boolean} erase
 * @param {() => void} changed
 * @returns {Tool}
 */
function brush(hole, width, erase, changed) {
  /** @type {Point | null} */
  let last = null;
  return {
    cursor: "crosshair",
    down(point) {
      last = point;
      hole.stroke([point], width(), erase);
    },
    move(point) {
      if (last) hole.stroke([last, point], width(), erase);
      last = point;
    },
    up() {
      last = null;
      hole.settle();
      changed();
    },
    cancel() {
      last = null;
      hole.forget();
    },
    hover: (context, scale, point) => ring(context, point, width() / 2, scale),
  };
}

/**
 * A tool that draws an outline, and fills it in the end.
 * @param {Hole} hole
 * @param {(points: Point[], point: Point) => Point[]} grow the outline, by the pointer's next point.
 * @param {() => void} changed
 * @returns {Tool}
 */
function outlined(hole, grow, changed) {
  /** @type {Point[]} */
  let points = [];
  return {
    cursor: "crosshair",
    down(point) {
      points = [point];
    },
    move(point) {
      points = grow(points, point);
    },
    up() {
      hole.fill(points);
      hole.settle();
      points = [];
      changed();
    },
    cancel() {
      points = [];
    },
    draw(context, scale) {
      if (points.length > 1) outline(context, points, scale, [5, 4]);
    },
  };
}

/**
 * How a frame follows a pointer that took hold of it.
 * @param {Frame} start
 * @param {Point} from
 * @param {number} reach
 * @returns {((point: Point) => Frame) | null} null: it did not.
 */
export function hold(start, from, reach) {
  const most = Math.min(reach, start.side / 4); // else a small frame could not be moved
  const near = ([x, y] = /** @type {Point} */ ([0, 0])) => Math.hypot(x - from[0], y - from[1]) <= most;
  const turn = ([x, y] = /** @type {Point} */ ([0, 0])) => (Math.atan2(y - start.y, x - start.x) * 180) / Math.PI;
  const away = ([x, y] = /** @type {Point} */ ([0, 0])) => Math.hypot(x - start.x, y - start.y);
  if (near(leverOf(start))) return (point) => ({ ...start, angle: start.angle + turn(point) - turn(from) });
  if (corners(start).some(near)) {
    return (point) => ({ ...start, side: Math.max(8, (start.side * away(point)) / away(from)) });
  }
  const [u, v] = toUnit(start, from);
  if (u < 0 || u > 1 || v < 0 || v > 1) return null;
  return ([x, y]) => ({ ...start, x: start.x + x - from[0], y: start.y + y - from[1] });
}

/**
 * @param {() => Frame | null} get
 * @param {(frame: Frame) => void} set
 * @param {(point: Point) => void} choose another face, where the pointer is outside of the frame.
 * @returns {Tool}
 */
function framing(get, set, choose) {
  /** @type {((point: Point) => Frame) | null} */
  let follow = null;
  /** @type {Frame | null} */
  let before = null;
  return {
    cursor: "move",
    down(point, reach) {
      before = get();
      follow = before && hold(before, point, reach);
      if (!follow) choose(point);
    },
    move(point) {
      if (follow) set(follow(point));
    },
    up() {
      follow = null;
    },
    cancel() {
      if (follow && before) set(before);
      follow = null;
    },
  };
}

/**
 * The tool of a name; none moves the picture.
 * @param {ToolName} name
 * @param {Hole | null} hole
 * @param {{width: () => number, changed: () => void, frame: () => Frame | null, setFrame: (frame: Frame) => void,
 *   choose: (point: Point) => void}} on
 * @returns {Tool | null}
 */
export function toolOf(name, hole, on) {
  if (name === "frame") return framing(on.frame, on.setFrame, on.choose);
  if (name === "hand" || !hole) return null;
  if (name === "brush" || name === "eraser") return brush(hole, on.width, name === "eraser", on.changed);
  if (name === "lasso") return outlined(hole, (points, point) => [...points, point], on.changed);
  return outlined(hole, ([first], [x, y]) => [first, [x, first[1]], [x, y], [first[0], y]], on.changed);
}

/**
 * A frame by a key; null where the key does nothing to it.
 * @param {Frame} frame
 * @param {string} key
 * @param {number} step pixels.
 * @returns {Frame | null}
 */
export function nudged(frame, key, step) {
  /** @type {Record<string, Partial<Frame>>} */
  const moves = {
    ArrowLeft: { x: frame.x - step },
    ArrowRight: { x: frame.x + step },
    ArrowUp: { y: frame.y - step },
    ArrowDown: { y: frame.y + step },
    "+": { side: frame.side + 2 * step },
    "-": { side: Math.max(8, frame.side - 2 * step) },
    ",": { angle: frame.angle - 2 },
    ".": { angle: frame.angle + 2 },
  };
  return key in moves ? { ...frame, ...moves[key] } : null;
}

/**
 * Whether a point lies in a frame.
 * @param {Frame} frame
 * @param {Point} point
 */
export function holds(frame, point) {
  return toUnit(frame, point).every((share) => share >= 0 && share <= 1);
}

