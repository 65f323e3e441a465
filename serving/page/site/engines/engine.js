// What fills: this server, or this browser. Both do the same, behind this one interface.

/** @typedef {import("../geometry.js").Frame} Frame */
/** @typedef {import("../geometry.js").Point} Point */
/** @typedef {import("../pictures.js").Picture} Picture */

/** @typedef {{frame: Frame, confidence: number}} Found A face at the picture's full size. */

/**
 * What to fill.
 * @typedef {object} Order
 * @property {Picture} photo
 * @property {Frame} frame of its face.
 * @property {Uint8Array} mask of the seen photo, 1 = hole.
 * @property {{picture: Picture, frame: Frame}[]} references
 */

/**
 * @typedef {object} Filled
 * @property {Blob} file in the photo's format where that loses nothing.
 * @property {number | null} cosine of identity embeddings, -1 to 1: how much it looks like the references; null where
 *   there is no recogniser.
 * @property {string[]} remarks that the server made.
 */

/**
 * @typedef {object} Progress
 * @property {string} word what it does.
 * @property {number} [share] of it that is done, 0 to 1.
 */

/**
 * @typedef {object} Engine
 * @property {() => string} runsOn what really computes.
 * @property {(picture: Picture, signal: AbortSignal, tell: (progress: Progress) => void) => Promise<Found[]>} faces
 * @property {(order: Order, signal: AbortSignal, tell: (progress: Progress) => void) => Promise<Filled>} fill
 * @property {(photo: Picture, mask: Uint8Array, signal: AbortSignal, tell: (progress: Progress) => void) =>
 *   Promise<Found[]>} underHole the face that a hole hides in part, by the rest of it; `mask` is of the seen photo.
 */

/**
 * What the server says of itself.
 * @typedef {object} About
 * @property {string} software
 * @property {string} version of the model.
 * @property {string} provider
 * @property {boolean} token whether requests must bring one.
 * @property {boolean} runtime whether a browser's runtime lies beside the page.
 * @property {boolean} [checks] whether it says whom a fill looks like.
 * @property {{same: number, perhaps: number}} likeness the least cosines of it.
 * @property {{body: number, pixels: number, references?: number}} limits
 * @property {Record<string, {url: string, bytes: number, sha256: string}>} files
 * @property {Point[]} [landmarks] of a mean face, in shares of the frame.
 * @property {number[]} [hole] the model's own: left, top, right, bottom, in shares of the frame.
 */

export {};
