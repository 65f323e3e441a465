// The page: what people do, and what comes of it.

import { serverEngine, ask } from "./engines/server.js";
import { browserEngine } from "./engines/browser.js";
import { Failure } from "./failure.js";
import { middleFrame, rounded, scaled, surroundings, touches } from "./geometry.js";
import { boundingBox, resized } from "./hole.js";
import { Panel, buttonBy, by, inputBy } from "./panel.js";
import { partOutline } from "./parts.js";
import { openMask, openPicture } from "./pictures.js";
import { encodePng } from "./png.js";
import { State } from "./state.js";
import "./stage.js";
import { holds, nudged, toolOf } from "./tools.js";
import { LANGUAGES, say, speak, spoken } from "./words.js";

/** @typedef {import("./pictures.js").Picture} Picture */
/** @typedef {import("./geometry.js").Frame} Frame */
/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./engines/engine.js").Engine} Engine */
/** @typedef {import("./engines/engine.js").Filled} Filled */

const ABOUT = "/page/about";
const TOKEN = "two-face-token";
const PLACE = "two-face-place";
const SAMPLES = ["photo.jpg", "reference.jpg", "mask.png"];
const SUFFIXES = /** @type {Record<string, string>} */ ({
  "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/tiff": "tiff", "image/bmp": "bmp",
});
const SURE = 0.5; // of its confidence, from where on a face counts

const state = new State();
const stage = /** @type {import("./stage.js").PhotoStage} */ (by("picture"));
/** @type {Partial<Record<"server" | "browser", Engine>>} */
const engines = {};
/** @type {AbortController | null} */
let running = null;

/** @returns {Engine} */
function engine() {
  const { about, place } = state;
  if (!about) throw new Failure("offline");
  engines.server ??= serverEngine(about, () => sessionStorage.getItem(TOKEN) ?? "");
  if (place === "browser") engines.browser ??= browserEngine(about, () => sessionStorage.getItem(TOKEN) ?? "");
  return /** @type {Engine} */ (engines[place]);
}

/** @type {Promise<void>} */
let last = Promise.resolve();

/**
 * Do something that may take a while or fail, after what is being done, and say so.
 * @param {string} word what it is.
 * @param {(signal: AbortSignal) => Promise<unknown>} act
 */
function attempt(word, act) {
  return (last = last.then(async () => {
    const mine = (running = new AbortController());
    state.change({ busy: { word }, failure: null });
    try {
      await act(mine.signal);
    } catch (error) {
      if (!mine.signal.aborted) void fail(error, () => attempt(word, act));
    }
    running = null;
    state.change({ busy: null });
  }));
}

/**
 * @param {unknown} error
 * @param {() => void} [again]
 */
async function fail(error, again) {
  const failure = error instanceof Failure ? error : new Failure("unexpected", { said: String(error) });
  if (["busy", "late", "offline", "server_failed", "model_missing", "needs_token"].includes(failure.word)) {
    failure.values.again = again;
  }
  state.change({ failure });
  if (failure.word !== "needs_token") return;
  const token = await askToken();
  if (token === null) return;
  sessionStorage.setItem(TOKEN, token);
  again?.();
}

/** @returns {Promise<string | null>} */
function askToken() {
  const dialog = /** @type {HTMLDialogElement} */ (by("token"));
  const input = /** @type {HTMLInputElement} */ (dialog.querySelector("input"));
  input.value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "use" ? input.value.trim() : null), { once: true });
  });
}

const tell = (/** @type {import("./engines/engine.js").Progress} */ busy) => running && state.change({ busy });
const limits = () => state.about?.limits ?? { body: 80e6, pixels: 50e6 };

/* Pictures */

/**
 * The faces of a picture; the largest is the one that is meant, until another is chosen.
 * @param {Picture} picture
 */
async function look(picture) {
  await attempt("looking", async (signal) => {
    const faces = (await engine().faces(picture, signal, tell)).filter(({ confidence }) => confidence >= SURE);
    faces.sort((one, other) => other.frame.side - one.frame.side);
    picture.faces = faces;
    picture.frame ??= faces[0]?.frame ?? null;
    if (picture === state.photo || picture.frame) return;
    picture.frame = middleFrame(picture.width, picture.height); // a hint: its user is asked to move it
    show(picture);
  });
}

/** @param {File | undefined} file */
async function takePhoto(file) {
  if (!file) return;
  let photo = /** @type {Picture | null} */ (null);
  await attempt("decoding", async () => {
    photo = await openPicture(file, limits());
    state.take(photo);
    state.change({ tool: "brush" });
    stage.canvas.focus({ preventScroll: true });
  });
  if (photo) await look(photo);
  holeChanged(); // what is transparent is one
}

/**
 * @param {Blob} one
 * @param {Blob} other
 */
async function same(one, other) {
  if (one.size !== other.size) return false;
  const [first, second] = (await Promise.all([one.arrayBuffer(), other.arrayBuffer()])).map((each) => new Uint8Array(each));
  return first.every((value, at) => value === second[at]);
}

/** @param {File[]} files */
async function takeReferences(files) {
  for (const file of files) {
    const most = state.about?.limits.references ?? 1;
    let reference = /** @type {Picture | null} */ (null);
    await attempt("decoding", async () => {
      if (state.references.length >= most) throw new Failure("too_many", { most });
      if (state.photo && (await same(file, state.photo.file))) throw new Failure("same_picture");
      reference = await openPicture(file, limits());
      state.forgetResult();
      state.change({ references: [...state.references, reference] });
    });
    if (!reference) return;
    await look(reference);
    if (state.failure) return;
  }
}

/**
 * Files that were dropped or pasted: the first is the photo, where there is none yet.
 * @param {File[]} files
 */
async function take(files) {
  const [first, ...others] = state.photo ? [undefined, ...files] : files;
  if (first) await takePhoto(first);
  if (state.photo && others.length) await takeReferences(/** @type {File[]} */ (others));
}

async function takeSamples() {
  /** @type {File[]} */
  let files = [];
  await attempt("decoding", async (signal) => {
    files = await Promise.all(SAMPLES.map(async (name) => {
      const answer = await ask(`/page/samples/${name}`, { signal }, "");
      return new File([await answer.blob()], name);
    }));
  });
  if (files.length < SAMPLES.length) return;
  const [photo, reference, mask] = files;
  await takePhoto(photo);
  if (!state.photo || state.failure) return;
  await takeReferences([reference]);
  await openMaskFile(mask);
}

/** @param {Picture} picture */
function show(picture) {
  state.forgetResult();
  state.change({ shown: picture, tool: picture === state.photo ? "brush" : "frame" });
}

/** @param {File | undefined} file */
async function openMaskFile(file) {
  await attempt("decoding", async () => {
    const { hole } = state;
    if (!file || !hole) return;
    const mask = await openMask(file, hole, limits());
    if (!mask.includes(1)) throw new Failure("mask_empty");
    hole.replace(mask);
    if (state.photo) show(state.photo);
    state.tool = "brush";
  });
  holeChanged();
}

async function saveMask() {
  const { photo, hole } = state;
  if (!photo || !hole) return;
  const whole = resized(hole.mask, hole.width, photo.width, photo.height, 255);
  const address = URL.createObjectURL(await encodePng(photo.width, photo.height, whole));
  const name = `${stem(photo.name)}-mask.png`;
  Object.assign(document.createElement("a"), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

const stem = (/** @type {string} */ name) => name.replace(/\.[^.]*$/, "") || "photo";

/* Filling */

async function fill() {
  const { photo, hole, references } = state;
  if (state.missing || !photo || !hole) return;
  await attempt("sending", async (signal) => {
    const each = references.map((picture) => ({ picture, frame: rounded(/** @type {Frame} */ (picture.frame)) }));
    if (!photo.frame) await findHidden(photo, hole.mask, signal);
    if (!photo.frame) throw new Failure("hidden_face");
    const frame = rounded(/** @type {Frame} */ (photo.frame));
    const filled = await engine().fill({ photo, frame, mask: hole.mask, references: each }, signal, tell);
    if (signal.aborted) return;
    await showFilled(photo, frame, filled);
  });
}

/**
 * The face under the hole, where none was seen; where it is not found either, its frame is the user's to put.
 * @param {Picture} photo
 * @param {Uint8Array} mask
 * @param {AbortSignal} signal
 */
async function findHidden(photo, mask, signal) {
  const faces = await engine().underHole(photo, mask, signal, tell).catch((error) => {
    if (error instanceof Failure && error.word !== "refused") throw error;
    return [];
  });
  photo.faces = faces;
  photo.frame = faces[0]?.frame ?? null;
}

/** The hole is another one: it may say which face is meant, or where one is that nobody saw. */
function holeChanged() {
  const { photo, hole } = state;
  const box = photo && hole && boundingBox(hole.mask, hole.width);
  if (photo && box && !photo.byHand) {
    const middle = /** @type {Point} */ ([(box.left + box.right) / 2 / photo.factor, (box.top + box.bottom) / 2 / photo.factor]);
    const held = photo.faces.filter(({ frame }) => holds(frame, middle));
    if (held.length && !held.some(({ frame }) => frame === photo.frame)) photo.frame = held[0].frame;
  }
  state.change();
  if (!photo || photo.frame || !box || running) return;
  void attempt("looking", (signal) => findHidden(photo, hole.mask, signal));
}

/**
 * @param {Picture} photo
 * @param {Frame} frame
 * @param {Filled} filled
 */
async function showFilled(photo, frame, filled) {
  const mask = /** @type {import("./hole.js").Hole} */ (state.hole);
  const hole = boundingBox(mask.mask, mask.width);
  const grown = hole && Object.fromEntries(Object.entries(hole).map(([side, value]) => [side, value / photo.factor]));
  const box = surroundings(frame, photo.width, photo.height, /** @type {any} */ (grown ?? undefined));
  const part = /** @type {const} */ ([box.left, box.top, box.right - box.left, box.bottom - box.top]);
  const [image, before] = await Promise.all(
    [filled.file, photo.file].map((file) => createImageBitmap(file, ...part, { imageOrientation: "from-image" })),
  );
  const seen = Object.fromEntries(Object.entries(box).map(([side, value]) => [side, value * photo.factor]));
  const suffix = SUFFIXES[filled.file.type] ?? "png";
  state.forgetResult();
  state.change({
    shown: photo,
    split: 0.5,
    result: {
      filled,
      place: state.place,
      name: `${stem(photo.name)}-filled.${suffix}`,
      address: URL.createObjectURL(filled.file),
      sharp: { image, before, box: /** @type {any} */ (seen) },
    },
  });
  by("download").focus({ preventScroll: true });
  by("result").scrollIntoView({ block: "nearest" });
}

/* The picture */

/** @param {Frame} frame of what is seen. */
function setFrame(frame) {
  const { shown } = state;
  if (!shown || !touches(frame, shown.seen.width, shown.seen.height)) return;
  const most = 2 * Math.max(shown.seen.width, shown.seen.height);
  shown.frame = scaled({ ...frame, side: Math.min(frame.side, most) }, 1 / shown.factor);
  shown.byHand = true;
  drawStage();
}

/** @returns {Frame | null} */
function seenFrame() {
  const { shown } = state;
  return shown?.frame ? scaled(shown.frame, shown.factor) : null;
}

/** @param {Point} point */
function choose(point) {
  const { shown } = state;
  const face = shown?.faces.find(({ frame }) => holds(scaled(frame, shown.factor), point));
  if (shown && face) Object.assign(shown, { frame: face.frame, byHand: true });
  state.change();
}

function brushWidth() {
  return state.hole ? Math.max(1, state.brush * Math.max(state.hole.width, state.hole.height)) : 1;
}

/** @type {unknown[]} */
let picked = [];

/**
 * Put a tool into the pointer's hand; the one that is there stays, with what it has begun.
 * @param {import("./tools.js").ToolName} name
 * @param {import("./hole.js").Hole | null} hole
 */
function pickTool(name, hole) {
  const now = [name, hole];
  if (now.every((each, at) => each === picked[at]) && picked.length) return;
  picked = now;
  stage.tool = toolOf(name, hole, { width: brushWidth, changed: holeChanged, frame: seenFrame, setFrame, choose });
}

function drawStage() {
  const { shown, photo, result, tool, hole } = state;
  stage.hidden = by("zoom").hidden = !shown;
  by("toolbar").hidden = !shown || Boolean(result);
  by("start").hidden = Boolean(shown);
  by("comparing").hidden = !result;
  if (!shown) return;
  const painted = shown === photo ? hole : null;
  pickTool(result ? "hand" : shown === photo || tool === "hand" ? tool : "frame", painted);
  const framing = !result && (tool === "frame" || shown !== photo);
  stage.scene = {
    picture: shown.seen,
    width: shown.seen.width,
    height: shown.seen.height,
    hole: result ? null : painted?.canvas ?? null,
    frame: result ? null : seenFrame(),
    handles: framing,
    others: framing ? shown.faces.filter(({ frame }) => frame !== shown.frame).map(({ frame }) => scaled(frame, shown.factor)) : [],
    filled: result?.sharp ?? null,
    split: state.split,
  };
  stage.canvas.setAttribute("aria-label", say(result ? "stage_result" : framing ? "stage_frame" : "stage_photo"));
}

/** @param {KeyboardEvent} event */
function stageKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !state.shown) return;
  const step = (event.shiftKey ? 40 : 8) / stage.scale;
  const framing = stage.scene?.handles;
  const frame = framing && seenFrame();
  const moved = frame && nudged(frame, event.key === "=" ? "+" : event.key, step);
  const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (moved) setFrame(moved);
  else if (event.key === "+" || event.key === "=") stage.zoom(1.25);
  else if (event.key === "-") stage.zoom(0.8);
  else if (event.key === "0") stage.fit();
  else if (arrow && (state.result || state.tool === "hand")) stage.pan(-40 * arrow[0], -40 * arrow[1]);
  else if (arrow) movePoint(arrow[0] * step, arrow[1] * step);
  else if (event.key === " " && stage.tool) {
    const point = stage.point ?? centre();
    stage.point = point;
    stage.tool.down(point, 0);
    stage.tool.up();
  } else return;
  event.preventDefault();
  stage.draw();
}

/** @returns {Point} */
function centre() {
  const frame = seenFrame();
  return frame ? [frame.x, frame.y] : [(stage.scene?.width ?? 0) / 2, (stage.scene?.height ?? 0) / 2];
}

/**
 * @param {number} right
 * @param {number} down
 */
function movePoint(right, down) {
  const { width = 0, height = 0 } = stage.scene ?? {};
  const [x, y] = stage.point ?? centre();
  stage.point = [Math.min(Math.max(x + right, 0), width), Math.min(Math.max(y + down, 0), height)];
}

/* What is pressed, dropped and pasted */

/** @param {"undo" | "redo" | "clear"} what */
function change(what) {
  state.hole?.[what]();
  if (state.photo && state.shown !== state.photo) show(state.photo);
  state.change();
}

/** @param {import("./parts.js").Part} part */
function addPart(part) {
  const { photo, hole, about } = state;
  if (!photo?.frame || !hole || !about?.landmarks || !about.hole) return;
  const model = { landmarks: about.landmarks, hole: about.hole };
  hole.fill(partOutline(part, scaled(photo.frame, photo.factor), model));
  hole.settle();
  if (state.shown !== photo) show(photo);
  holeChanged();
}

/** @param {import("./tools.js").ToolName} tool */
function pick(tool) {
  const shown = ["frame", "hand"].includes(tool) ? state.shown : state.photo;
  if (tool === "frame" && state.shown === state.photo && state.photo && !state.photo.frame) {
    state.photo.frame = middleFrame(state.photo.width, state.photo.height);
  }
  state.change({ tool, shown });
}

/** @param {"server" | "browser"} place */
function setPlace(place) {
  running?.abort();
  localStorage.setItem(PLACE, place);
  state.forgetResult();
  state.change({ place, failure: null });
}

function showPlace() {
  const { about, place } = state;
  for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("#places input"))) {
    input.checked = input.value === place;
    if (input.value === "browser") {
      input.disabled = !about?.runtime || !about.files["repair.onnx"];
      const label = /** @type {HTMLElement} */ (input.parentElement);
      label.title = input.disabled ? say("no_runtime") : "";
    }
  }
  const provider = about ? engine().runsOn() : "";
  const why = about && !about.runtime ? ` ${say("no_runtime")}` : "";
  const text = about ? say(`place_${place}`, { provider }) + why : "";
  for (const element of document.querySelectorAll(".place-says")) element.textContent = text;
}

/** @param {DragEvent} event */
function drag(event) {
  event.preventDefault();
  const inside = event.type === "dragover" || event.type === "dragenter";
  document.body.classList.toggle("dropping", inside && Boolean(event.dataTransfer?.types.includes("Files")));
  if (event.type === "drop") void take([...(event.dataTransfer?.files ?? [])]);
}

/** @param {ClipboardEvent} event */
function paste(event) {
  const files = [...(event.clipboardData?.files ?? [])];
  if (!files.length) return;
  event.preventDefault();
  void take(files);
}

/** @param {KeyboardEvent} event */
function shortcut(event) {
  const key = event.key.toLowerCase();
  if (!(event.ctrlKey || event.metaKey) || !["z", "y"].includes(key) || event.target instanceof HTMLInputElement) return;
  event.preventDefault();
  change(key === "y" || event.shiftKey ? "redo" : "undo");
}

/**
 * @param {string} id
 * @param {(files: File[]) => unknown} act
 */
function onFiles(id, act) {
  inputBy(id).addEventListener("change", () => {
    const files = [...(inputBy(id).files ?? [])];
    inputBy(id).value = ""; // so that the same file can be chosen again
    void act(files);
  });
}

function listen() {
  onFiles("choose", take);
  onFiles("camera", take);
  onFiles("mask-file", ([file]) => openMaskFile(file));
  buttonBy("samples").addEventListener("click", () => void takeSamples());
  for (const what of /** @type {const} */ (["undo", "redo", "clear"])) buttonBy(what).addEventListener("click", () => change(what));
  buttonBy("save-mask").addEventListener("click", () => void saveMask());
  buttonBy("fill").addEventListener("click", () => void fill());
  buttonBy("cancel").addEventListener("click", () => running?.abort());
  buttonBy("again").addEventListener("click", () => state.photo && show(state.photo));
  by("failure").lastElementChild?.addEventListener("click", () => /** @type {any} */ (state.failure?.values.again)?.());
  by("brush").addEventListener("input", (event) => {
    state.change({ brush: /** @type {HTMLInputElement} */ (event.target).valueAsNumber / 1000 });
  });
  inputBy("split").addEventListener("input", () => state.change({ split: inputBy("split").valueAsNumber / 100 }));
  by("zoom").addEventListener("click", (event) => {
    const what = /** @type {HTMLElement} */ (event.target).closest("button")?.dataset.zoom;
    if (what === "fit") stage.fit();
    else if (what) stage.zoom(what === "in" ? 1.25 : 0.8);
  });
  by("places").addEventListener("change", (event) => {
    setPlace(/** @type {any} */ (/** @type {HTMLInputElement} */ (event.target).value));
  });
  stage.canvas.addEventListener("keydown", stageKey);
  for (const type of /** @type {const} */ (["dragenter", "dragover", "dragleave", "drop"])) document.addEventListener(type, drag);
  document.addEventListener("paste", paste);
  document.addEventListener("keydown", shortcut);
}

function listenLanguage() {
  const select = /** @type {HTMLSelectElement} */ (by("language"));
  for (const [code, { name }] of Object.entries(LANGUAGES)) select.add(new Option(name, code));
  select.value = spoken();
  select.addEventListener("change", () => {
    speak(select.value);
    state.change();
  });
}

async function start() {
  new Panel(state, {
    show,
    remove: (picture) => {
      state.forgetResult();
      const references = state.references.filter((each) => each !== picture);
      state.change({ references, shown: state.shown === picture ? state.photo : state.shown });
    },
    choose: (picture, number) => {
      Object.assign(picture, { frame: picture.faces[number].frame, byHand: true });
      show(picture);
    },
    tool: pick,
    part: addPart,
    addReferences: (files) => void takeReferences(files),
    changePhoto: ([file]) => void takePhoto(file),
  });
  state.watch(drawStage);
  state.watch(showPlace);
  speak();
  listenLanguage();
  listen();
  state.change();
  await attempt("looking", async (signal) => {
    const about = await (await ask(ABOUT, { signal }, "")).json();
    const wanted = localStorage.getItem(PLACE) === "browser" && about.runtime ? "browser" : "server";
    state.change({ about, place: wanted });
  });
  await navigator.serviceWorker?.register("/page/sw.js", { scope: "/" }).catch(() => undefined);
}

void start();
