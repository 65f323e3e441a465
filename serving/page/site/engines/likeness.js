// Is it the same person? The recogniser SFace compares faces; as the server's `faces/recogniser.py`.

import { fitFrame, fromUnit } from "../geometry.js";
import { cut, knife } from "./cut.js";

/** @typedef {import("../geometry.js").Point} Point */
/** @typedef {import("../geometry.js").Frame} Frame */
/** @typedef {{source: CanvasImageSource, frame: Frame}} Portrait A picture, and the frame of its face. */
/** @typedef {(pixels: Float32Array, size: number) => Promise<Float32Array>} Network (1, 3, size, size) to (1, D). */

const SIZE = 112;
/** @type {Point[]} ArcFace's five points (Deng et al. 2019), on which SFace was trained */
const LANDMARKS = [[38.29, 51.7], [73.53, 51.5], [56.03, 71.74], [41.55, 92.37], [70.73, 92.2]];
const SHARES = LANDMARKS.map(([x, y]) => /** @type {Point} */ ([x / SIZE, y / SIZE]));

const length = (/** @type {Float32Array} */ vector) => Math.hypot(...vector) || 1;

/**
 * The unit identity embedding of a face.
 * @param {Network} network
 * @param {Portrait} portrait
 * @param {Point[]} canonical where a frame has its face's landmarks.
 */
async function embed(network, { source, frame }, canonical) {
  const window = fitFrame(SHARES, canonical.map((share) => fromUnit(frame, share)));
  const colours = cut(knife(SIZE), source, window, "#000");
  const pixels = Float32Array.from({ length: 3 * SIZE * SIZE }, (_, at) => {
    const [channel, place] = [Math.floor(at / (SIZE * SIZE)), at % (SIZE * SIZE)];
    return colours[4 * place + channel];
  });
  const found = await network(pixels, SIZE);
  return found.map((value) => value / length(found));
}

/**
 * How much a filled face looks like its references: a cosine, -1 to 1.
 * @param {Network} network
 * @param {Portrait} filled
 * @param {Portrait[]} references
 * @param {Point[]} canonical
 */
export async function likenessOf(network, filled, references, canonical) {
  /** @type {Float32Array[]} */
  const known = [];
  for (const each of references) known.push(await embed(network, each, canonical));
  const mean = known[0].map((/** @type {number} */ _, at) => known.reduce((sum, one) => sum + one[at], 0));
  const own = await embed(network, filled, canonical);
  return own.reduce((sum, value, at) => sum + value * mean[at], 0) / length(mean);
}
