// Files of the model and of the runtime, kept by the browser under the checksum that they have.

import { Failure } from "../failure.js";

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
    const { done, value } = await reader.read();
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
  /** @type {Record<string, string>} */
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(url, { headers, signal }).catch((error) => {
    if (signal.aborted) throw error;
    throw new Failure("offline");
  });
  if (answer.status === 401) throw new Failure("needs_token");
  if (!answer.ok) throw new Failure(answer.status === 404 ? "model_changed" : "model_missing");
  const content = await received(answer, bytes, tell);
  if (crypto.subtle && (await sumOf(content)) !== sha256) throw new Failure("model_changed");
  if (!cache) return content;
  await cache.put(url, new Response(content)).catch(() => undefined); // a full disk costs a download, no more
  for (const request of await cache.keys()) {
    if (!current.includes(new URL(request.url).pathname)) await cache.delete(request);
  }
  return content;
}
