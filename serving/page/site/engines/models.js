// Files of the model and of the runtime, kept by the browser under the checksum that they have.

import { Failure } from "../failure.js";
import { ask } from "./server.js";

const CACHE = "two-face-models";

/** @typedef {{url: string, bytes: number, sha256: string}} ModelFile */

/** Where files are kept; nowhere over plain HTTP from another machine, nor checked there. */
const kept = () => ("caches" in globalThis ? caches.open(CACHE) : null);

/** @param {Uint8Array<ArrayBuffer>} content */
async function sumOf(content) {
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(sum, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {Response} answer
 * @param {number} bytes
 * @param {(share: number) => void} tell
 */
async function received(answer, bytes, tell) {
  const content = new Uint8Array(bytes);
  let have = 0;
  const reader = /** @type {ReadableStream<Uint8Array>} */ (answer.body).getReader();
  for (;;) {
    const { done, value } = await reader.read().catch((error) => {
      throw error.name === "AbortError" ? error : new Failure("model_missing"); // it broke off
    });
    if (done) break;
    if (have + value.length > bytes) throw new Failure("model_changed");
    content.set(value, have);
    have += value.length;
    tell(have / bytes);
  }
  if (have < bytes) throw new Failure("model_missing");
  return content;
}

/**
 * A file of the model: the one that is kept, else the server's, which is kept from then on. Others are forgotten.
 * @param {ModelFile} file
 * @param {string[]} current addresses of all files of this version.
 * @param {string} token
 * @param {AbortSignal} signal
 * @param {(share: number) => void} tell
 * @throws {Failure} it cannot be had, or is another one.
 */
export async function modelFile({ url, bytes, sha256 }, current, token, signal, tell) {
  const cache = await kept();
  const known = await cache?.match(url);
  if (known) return new Uint8Array(await known.arrayBuffer());
  const answer = await ask(url, { signal }, token).catch((error) => {
    throw error.word === "refused" ? new Failure("model_changed") : error;
  });
  const content = await received(answer, bytes, tell);
  if (crypto.subtle && (await sumOf(content)) !== sha256) throw new Failure("model_changed");
  if (!cache) return content;
  await cache.put(url, new Response(content)).catch(() => undefined); // a full disk costs a download, no more
  for (const request of await cache.keys()) {
    if (!current.includes(new URL(request.url).pathname)) await cache.delete(request);
  }
  return content;
}
