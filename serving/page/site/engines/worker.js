// The work in the browser: onnxruntime on WebAssembly, the model's own graphs, and pictures as bytes.

import { Windows, placeUnderHole, SIZE as WINDOW } from "./placement.js";
import { likenessOf } from "./likeness.js";
import { coloursOf, flattened, isOpaque, pixelsOf, withoutAlpha } from "./pixels.js";
import { Failure } from "../failure.js";
import { fitFrame, fromUnit, surroundings, toUnit } from "../geometry.js";
import { boundingBox, partOf } from "../hole.js";
import { MARK, exifOf } from "../metadata.js";
import { encodePng, exifChunk, xmpChunk } from "../png.js";

/** @typedef {import("../geometry.js").Box} Box */
/** @typedef {import("../geometry.js").Frame} Frame */
/** @typedef {import("../geometry.js").Point} Point */

const PROVIDER = "wasm"; // one, by name: there is nothing to fall back on unnoticed
const SURE = 0.998; // of a face, else the picture may lie on its side
const DETECTED_SURELY = 0.97; // of a face under a hole, which the placement is not sure of

const VENDOR = new URL("../vendor/", import.meta.url).href; // put there by `make page`
const MOST_THREADS = 8;

/** @typedef {typeof import("onnxruntime-web")} Runtime */
/** @type {Runtime} */
let ort;
/** @type {Record<string, import("onnxruntime-web").InferenceSession>} */
const sessions = {};

/** @param {import("./engine.js").Progress} progress */
const tell = (progress) => self.postMessage({ tell: progress });

/**
 * @param {string} name
 * @param {Uint8Array} content
 */
async function open(name, content) {
  if (!ort) {
    ort = /** @type {Runtime} */ (await import(`${VENDOR}ort.wasm.min.mjs`));
    ort.env.wasm.wasmPaths = VENDOR;
    ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS) : 1;
  }
  sessions[name] ??= await ort.InferenceSession.create(content, { executionProviders: [PROVIDER], enableMemPattern: false });
}

const provider = () => (ort ? `WebAssembly × ${ort.env.wasm.numThreads}` : "WebAssembly");

const whole = (/** @type {ImageBitmap} */ { width, height }) => ({ left: 0, top: 0, right: width, bottom: height });
const upright = (/** @type {Blob} */ file) => createImageBitmap(file, { imageOrientation: "from-image" });
const sizes = (/** @type {number[]} */ numbers, /** @type {number[]} */ shape) =>
  new ort.Tensor("int64", BigInt64Array.from(numbers, BigInt), shape);

/**
 * @param {Blob} file
 * @param {Uint8Array | null} mask
 * @param {Point[]} canonical
 */
async function faces(file, mask, canonical) {
  const bitmap = await upright(file);
  const { pixels, width, height } = pixelsOf(bitmap, whole(bitmap));
  bitmap.close();
  if (mask) flattened(pixels, mask, width);
  const photo = new ort.Tensor("uint8", pixels, [height, width, 3]);
  /** @type {{confidence: number, points: Point[]}[]} */
  let found = [];
  for (const turns of [0, 1, 2, 3]) {
    const told = await sessions["detector.onnx"].run({ photo, quarter_turns: sizes([turns], []) });
    const points = /** @type {Float32Array} */ (told.landmarks.data);
    const each = Array.from(/** @type {Float32Array} */ (told.confidences.data), (confidence, number) => ({
      confidence,
      points: Array.from({ length: 5 }, (_, point) => {
        const at = 10 * number + 2 * point;
        return /** @type {Point} */ ([points[at], points[at + 1]]);
      }),
    }));
    const surest = (/** @type {{confidence: number}[]} */ some) => Math.max(0, ...some.map(({ confidence }) => confidence));
    if (surest(each) > surest(found)) found = each;
    if (turns === 0 && surest(found) > SURE) break;
  }
  return found.map(({ confidence, points }) => ({ confidence, frame: fitFrame(canonical, points) }));
}

/**
 * The face that a hole hides in part.
 * @param {Blob} file
 * @param {Uint8Array} mask of its size, 1 = hole.
 * @param {Point[]} canonical
 */
async function underHole(file, mask, canonical) {
  const bitmap = await upright(file);
  const hole = boundingBox(mask, bitmap.width);
  const landmarks = hole && (await placeUnderHole(placing, new Windows(bitmap, mask), hole));
  bitmap.close();
  if (landmarks) return [{ confidence: 1, frame: fitFrame(canonical, landmarks) }];
  if (!hole) return [];
  const middle = /** @type {Point} */ ([(hole.left + hole.right) / 2, (hole.top + hole.bottom) / 2]);
  const found = await faces(file, mask, canonical);
  return found.filter(({ confidence, frame }) => {
    return confidence >= DETECTED_SURELY && toUnit(frame, middle).every((share) => share >= 0 && share <= 1);
  });
}

/** @type {import("./placement.js").Network} */
async function placing(looks, count) {
  const windows = new ort.Tensor("uint8", looks, [count, WINDOW, WINDOW, 4]);
  const told = await sessions["placement.onnx"].run({ windows });
  const numbers = (/** @type {string} */ name) => /** @type {Float32Array} */ (told[name].data);
  return { points: numbers("landmarks"), scales: numbers("log_scales"), there: numbers("face") };
}

/**
 * The landmarks of a frame's face, in a part of its picture.
 * @param {Frame} frame
 * @param {Point[]} canonical
 * @param {Box} part
 */
function landmarksOf(frame, canonical, { left, top }) {
  return canonical.flatMap((share) => {
    const [x, y] = fromUnit(frame, share);
    return [x - left, y - top];
  });
}

/**
 * Pictures of any sizes in one: each in the first rows and columns of its own.
 * @param {{pixels: Uint8Array, width: number, height: number}[]} pictures
 */
function together(pictures) {
  const [width, height] = [Math.max(...pictures.map((each) => each.width)), Math.max(...pictures.map((each) => each.height))];
  const all = new Uint8Array(3 * width * height * pictures.length);
  pictures.forEach((each, number) => {
    for (let row = 0; row < each.height; row += 1) {
      const from = each.pixels.subarray(3 * row * each.width, 3 * (row + 1) * each.width);
      all.set(from, 3 * width * (number * height + row));
    }
  });
  return new ort.Tensor("uint8", all, [pictures.length, height, width, 3]);
}

/**
 * A part of a picture, for the recogniser.
 * @param {Uint8ClampedArray<ArrayBuffer>} colours
 * @param {Box} part
 * @param {Frame} frame of the face in the whole picture.
 */
function portrait(colours, { left, top, right, bottom }, frame) {
  const source = new OffscreenCanvas(right - left, bottom - top);
  source.getContext("2d")?.putImageData(new ImageData(colours, right - left), 0, 0);
  return { source, frame: { ...frame, x: frame.x - left, y: frame.y - top } };
}

/** @type {import("./likeness.js").Network} */
async function recognising(pixels, size) {
  const session = sessions["recogniser.onnx"];
  const told = await session.run({ [session.inputNames[0]]: new ort.Tensor("float32", pixels, [1, 3, size, size]) });
  return /** @type {Float32Array} */ (told[session.outputNames[0]].data);
}

/**
 * How much the fill looks like the references; null where there is no recogniser.
 * @param {ImageBitmap} bitmap
 * @param {Box} box
 * @param {Uint8Array} part of the mask
 * @param {Uint8Array} content of the part, filled
 * @param {Frame} frame
 * @param {import("./likeness.js").Portrait[]} references
 * @param {Point[]} canonical
 */
async function compared(bitmap, box, part, content, frame, references, canonical) {
  if (!sessions["recogniser.onnx"]) return null;
  const colours = coloursOf(bitmap, box);
  for (let at = 0; at < part.length; at += 1) {
    if (part[at]) colours.set([...content.subarray(3 * at, 3 * at + 3), 255], 4 * at);
  }
  return likenessOf(recognising, portrait(colours, box, frame), references, canonical);
}

/**
 * @param {{file: Blob, frame: Frame}} photo
 * @param {Uint8Array} mask of the whole photo, 1 = hole.
 * @param {{file: Blob, frame: Frame}[]} references
 * @param {Point[]} canonical
 */
async function fill({ file, frame }, mask, references, canonical) {
  tell({ word: "decoding" });
  const bitmap = await upright(file);
  const { width, height } = bitmap;
  const hole = boundingBox(mask, width);
  if (!hole) throw new Failure("needs_hole");
  const box = surroundings(frame, width, height, hole);
  const [photo, part] = [pixelsOf(bitmap, box), partOf(mask, width, box)];
  const others = [];
  const portraits = [];
  const marks = [];
  for (const each of references) {
    const other = await upright(each.file);
    const cut = surroundings(each.frame, other.width, other.height);
    others.push(pixelsOf(other, cut));
    portraits.push(portrait(coloursOf(other, cut), cut, each.frame));
    marks.push(...landmarksOf(each.frame, canonical, cut));
    other.close();
  }
  tell({ word: "filling" });
  const { filled_photo: filled } = await sessions["repair.onnx"].run({
    photo: new ort.Tensor("uint8", photo.pixels, [photo.height, photo.width, 3]),
    mask: new ort.Tensor("uint8", part.map((value) => 255 * value), [photo.height, photo.width]),
    landmarks: new ort.Tensor("float32", Float32Array.from(landmarksOf(frame, canonical, box)), [5, 2]),
    references: together(others),
    reference_sizes: sizes(others.flatMap((each) => [each.height, each.width]), [others.length, 2]),
    reference_landmarks: new ort.Tensor("float32", Float32Array.from(marks), [others.length, 5, 2]),
  });
  const content = /** @type {Uint8Array} */ (filled.data);
  tell({ word: "writing" });
  const likeness = await compared(bitmap, box, part, content, frame, portraits, canonical);
  const result = coloursOf(bitmap, whole(bitmap));
  bitmap.close();
  for (let at = 0; at < part.length; at += 1) {
    if (!part[at]) continue;
    const row = Math.floor(at / photo.width);
    const to = 4 * ((box.top + row) * width + box.left + at - row * photo.width);
    for (let colour = 0; colour < 3; colour += 1) result[to + colour] = content[3 * at + colour];
    result[to + 3] = 255;
  }
  const pixels = isOpaque(result) ? withoutAlpha(result) : result;
  const exif = exifOf(new Uint8Array(await file.arrayBuffer()));
  const beside = exif ? [exifChunk(exif), xmpChunk(MARK)] : [xmpChunk(MARK)];
  return { file: await encodePng(width, height, pixels, beside), cosine: likeness };
}

/** @param {any} order */
async function answer(order) {
  if (order.open) return open(order.open, order.content);
  if (order.faces && order.mask) return underHole(order.faces, order.mask, order.landmarks);
  if (order.faces) return faces(order.faces, null, order.landmarks);
  return fill(order.fill, order.mask, order.references, order.landmarks);
}

self.addEventListener("message", async ({ data }) => {
  try {
    self.postMessage({ answer: await answer(data), provider: provider() });
  } catch (error) {
    const failure = error instanceof Failure ? error : new Failure("browser_failed", { said: String(error).slice(0, 200) });
    self.postMessage({ failure: { word: failure.word, values: failure.values } });
  }
});
