// The page: what is pressed, dropped and pasted, and who is told.

import { Doing } from "./doing.js";
import { Failure } from "./failure.js";
import { Filling } from "./filling.js";
import { resized } from "./hole.js";
import { Intake } from "./intake.js";
import { asJpeg } from "./jpeg.js";
import { keep, kept } from "./kept.js";
import { Panel, buttonBy, by, inputBy } from "./panel.js";
import { stem } from "./pictures.js";
import { encodePng } from "./png.js";
import { State } from "./state.js";
import "./stage.js";
import { View } from "./view.js";
import { LANGUAGES, say, speak, spoken } from "./words.js";

const PAGE_CACHE = "two-face-page"; // as the service worker's

const state = new State();
const stage = /** @type {import("./stage.js").PhotoStage} */ (by("picture"));
const doing = new Doing(state);
const view = new View(state, stage, searchHidden);
const intake = new Intake(state, doing, view.holeChanged);
const filling = new Filling(state, doing, intake);

function searchHidden() {
  if (!doing.isIdle) return; // a fill looks for it anyway
  void doing.attempt("looking", async (signal) => {
    const { photo, hole } = state;
    if (photo && !photo.frame && hole && !hole.isEmpty) await filling.findHidden(photo, hole.mask, signal);
  });
}

async function fill() {
  await filling.fill();
  if (!state.result) {
    if (document.activeElement === document.body) buttonBy("fill").focus({ preventScroll: true });
    return;
  }
  by("download").focus({ preventScroll: true });
  by("result").scrollIntoView({ block: "start" });
}

function saveMask() {
  void doing.attempt("writing", async () => {
    const { photo, hole } = state;
    if (!photo || !hole) throw new Failure("needs_photo");
    const whole = resized(hole.mask, hole.width, photo.width, photo.height, 255);
    hand(await encodePng(photo.width, photo.height, whole), `${stem(photo.name)}-mask.png`);
  }, true);
}

function saveAnew() {
  void doing.attempt("writing", async (signal) => {
    const { result } = state;
    if (!result) return;
    const jpeg = await asJpeg(result.filled.file);
    signal.throwIfAborted();
    hand(jpeg, `${stem(result.name)}.jpg`);
  }, true);
}

/**
 * Let the browser save a file.
 * @param {Blob} file
 * @param {string} name
 */
function hand(file, name) {
  const address = URL.createObjectURL(file);
  Object.assign(document.createElement("a"), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** @param {"undo" | "redo" | "clear"} what */
function change(what) {
  if (!state.hole || !state.photo) return;
  state.hole[what]();
  if (state.result || state.shown !== state.photo) state.show(state.photo);
  view.holeChanged();
}

/** @param {"server" | "browser"} place */
function setPlace(place) {
  doing.cancel();
  keep("place", place);
  state.forgetResult();
  state.change({ place, failure: null });
  if (state.photo) void intake.look(); // what was broken off
}

function showPlace() {
  const { about, place } = state;
  for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("#places input"))) {
    input.checked = input.value === place;
    if (input.value === "browser") {
      input.disabled = !about?.runtime || !about.files["repair.onnx"];
      /** @type {HTMLElement} */ (input.parentElement).title = about && input.disabled ? say("no_runtime") : "";
    }
  }
  const why = about && !about.runtime ? ` ${say("no_runtime")}` : "";
  const text = about ? say(`place_${place}`, { provider: doing.runsOn }) + why : "";
  for (const element of document.querySelectorAll(".place-says")) element.textContent = text;
}

/** @param {DragEvent} event */
function drag(event) {
  event.preventDefault();
  const inside = event.type === "dragover" || event.type === "dragenter";
  document.body.classList.toggle("dropping", inside && Boolean(event.dataTransfer?.types.includes("Files")));
  if (event.type === "drop") void intake.any([...(event.dataTransfer?.files ?? [])]);
}

/** @param {ClipboardEvent} event */
function paste(event) {
  const files = [...(event.clipboardData?.files ?? [])];
  if (!files.length) return;
  event.preventDefault();
  void intake.any(files);
}

/** @param {KeyboardEvent} event */
function shortcut(event) {
  const key = event.key.toLowerCase();
  const inText = event.target instanceof HTMLInputElement && event.target.type === "password";
  if (!(event.ctrlKey || event.metaKey) || !["z", "y"].includes(key) || inText) return;
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
    if (files.length) void act(files);
  });
}

/** @param {File[]} files */
async function takePhoto([file]) {
  await intake.photo(file);
  if (document.activeElement === document.body) stage.canvas.focus({ preventScroll: true });
}

function listen() {
  onFiles("choose", takePhoto);
  onFiles("camera", takePhoto);
  onFiles("change-photo", takePhoto);
  onFiles("add-reference", (files) => intake.references(files));
  onFiles("mask-file", ([file]) => intake.mask(file));
  const presses = {
    samples: () => void intake.samples(), undo: () => change("undo"), redo: () => change("redo"),
    clear: () => change("clear"), "save-mask": saveMask, "save-anew": saveAnew, fill: () => void fill(), cancel: () => doing.cancel(),
  };
  for (const [id, press] of Object.entries(presses)) buttonBy(id).addEventListener("click", press);
  buttonBy("again").addEventListener("click", () => {
    if (state.photo) state.show(state.photo);
    stage.canvas.focus({ preventScroll: true });
  });
  by("failure").lastElementChild?.addEventListener("click", () => /** @type {any} */ (state.failure?.values.again)?.());
  by("brush").addEventListener("input", (event) => {
    state.change({ brush: /** @type {HTMLInputElement} */ (event.target).valueAsNumber / 1000 });
  });
  inputBy("split").addEventListener("input", () => state.change({ split: inputBy("split").valueAsNumber / 100 }));
  by("places").addEventListener("change", (event) => {
    setPlace(/** @type {any} */ (/** @type {HTMLInputElement} */ (event.target).value));
  });
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

/** Keep what this visit loaded, for one without a network; the service worker sees what comes after it. */
async function keepPage() {
  const workers = navigator.serviceWorker;
  if (!workers) return; // over plain HTTP from another machine
  await workers.register("/page/sw.js", { scope: "/" });
  await workers.ready;
  const loaded = performance.getEntriesByType("resource").map(({ name }) => new URL(name));
  const ours = loaded.filter(({ origin, pathname }) => origin === location.origin && pathname.startsWith("/page/"));
  const files = ours.map(({ pathname }) => pathname).filter((path) => !path.startsWith("/page/models/"));
  await (await caches.open(PAGE_CACHE)).addAll(["/", ...new Set(files)]);
  document.documentElement.dataset.kept = "true";
}

async function start() {
  new Panel(state, {
    show: (picture) => {
      state.show(picture);
      if (!picture.looked && doing.isIdle) void intake.look();
    },
    remove: (picture) => {
      state.forgetResult();
      const references = state.references.filter((each) => each !== picture);
      state.change({ references, failure: null, shown: state.shown === picture ? state.photo : state.shown });
    },
    choose: (picture, number) => {
      Object.assign(picture, { frame: picture.faces[number].frame, byHand: true });
      state.show(picture);
    },
    tool: (tool) => view.pick(tool),
    part: (part) => view.addPart(part),
  });
  state.watch(showPlace);
  speak();
  listenLanguage();
  listen();
  state.change();
  await doing.attempt("looking", async (signal) => {
    await doing.engine(signal);
    if (kept("place") === "browser" && state.about?.runtime) state.change({ place: "browser" });
  });
  await keepPage().catch(() => undefined); // then it needs its server
}

void start();
