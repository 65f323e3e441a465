// The server fills: /faces and /inpaint.

import { Failure } from "../failure.js";
import { frameText } from "../geometry.js";
import { resized } from "../hole.js";
import { seenFile } from "../pictures.js";
import { encodePng } from "../png.js";

/** @typedef {import("./engine.js").Engine} Engine */
/** @typedef {import("./engine.js").Found} Found */
/** @typedef {import("./engine.js").About} About */

/** @type {Record<number, string>} */
const STATUSES = { 401: "needs_token", 413: "too_large", 429: "busy", 501: "cannot", 503: "busy", 504: "late" };

/**
 * Ask this server.
 * @param {string} path
 * @param {RequestInit} options
 * @param {string} token
 */
export async function ask(path, options, token) {
  const headers = new Headers(options.headers);
  if (!/^[\x21-\x7e]*$/.test(token)) throw new Failure("needs_token"); // no header can hold it
  if (token) headers.set("Authorization", `Bearer ${token}`);
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Failure("offline");
  }
  if (answer.ok) return answer;
  const said = await answer.json().then((body) => String(body.error), () => answer.statusText);
  throw new Failure(STATUSES[answer.status] ?? (answer.status < 500 ? "refused" : "server_failed"), { said });
}

/**
 * @param {any[]} faces
 * @param {number} factor from the full size to that of what was asked.
 * @returns {Found[]}
 */
function found(faces, factor) {
  return faces.map(({ frame: [x, y, side, angle], confidence }) => ({
    frame: { x: x / factor, y: y / factor, side: side / factor, angle },
    confidence,
  }));
}

/**
 * @param {string} text base64
 * @param {string} type
 */
function fileOf(text, type) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = letters.charCodeAt(at);
  return new Blob([bytes], { type });
}

/**
 * @param {About} about
 * @param {() => string} token
 * @returns {Engine}
 */
export function serverEngine(about, token) {
  return {
    runsOn: () => about.provider.replace("ExecutionProvider", ""),

    async faces(picture, signal) {
      const form = new FormData();
      form.append("photo", await seenFile(picture), "photo");
      const answer = await ask("/faces", { method: "POST", body: form, signal }, token());
      return found((await answer.json()).faces, picture.factor);
    },

    async underHole(photo, mask, signal) {
      const { width, height } = photo.seen;
      const form = new FormData();
      form.append("photo", await seenFile(photo), "photo");
      form.append("mask", await encodePng(width, height, mask.map((value) => 255 * value)), "mask.png");
      const answer = await ask("/faces", { method: "POST", body: form, signal }, token());
      return found((await answer.json()).faces, photo.factor);
    },

    async fill({ photo, frame, mask, references }, signal, tell) {
      tell({ word: "sending" });
      const form = new FormData();
      const { width, height } = photo;
      form.append("photo", photo.file, "photo");
      for (const { picture } of references) form.append("reference", picture.file, "reference");
      const whole = resized(mask, photo.seen.width, width, height, 255);
      form.append("mask", await encodePng(width, height, whole), "mask.png");
      if (photo.clear) form.append("opaque", "true"); // what is filled does not stay transparent
      form.append("frame", frameText(frame));
      form.append("reference_frames", references.map((each) => frameText(each.frame)).join(";"));
      if (about.checks) form.append("check", "true");
      tell({ word: "filling" });
      const headers = { Accept: "application/json" };
      const told = await ask("/inpaint", { method: "POST", body: form, headers, signal }, token());
      const answer = await told.json().catch((error) => {
        if (signal.aborted) throw error;
        throw new Failure("offline"); // it broke off
      });
      return {
        file: fileOf(answer.picture, answer.media),
        cosine: answer.likeness?.cosine ?? null,
        remarks: [...answer.remarks, ...(answer.likeness?.remark ? [answer.likeness.remark] : [])],
      };
    },
  };
}
