// One thing after the other: what takes a while, how it is broken off, and what is said where it fails.

import { browserEngine } from "./engines/browser.js";
import { ask, serverEngine } from "./engines/server.js";
import { Failure } from "./failure.js";
import { keep, kept } from "./kept.js";
import { by } from "./panel.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./engines/engine.js").Engine} Engine */
/** @typedef {import("./engines/engine.js").Progress} Progress */

const ABOUT = "/page/about";
const WORTH_ANOTHER_TRY = [
  "browser_failed", "busy", "late", "model_changed", "model_missing", "needs_token", "offline", "server_failed",
];

export class Doing {
  /** @type {Promise<void>} */
  #last = Promise.resolve();
  /** @type {AbortController | null} */
  #running = null;
  /** @type {Partial<Record<"server" | "browser", Engine>>} */
  #engines = {};

  /** @param {State} state */
  constructor(state) {
    this.state = state;
  }

  get isIdle() {
    return this.#running === null;
  }

  cancel() {
    this.#running?.abort();
  }

  /** @param {Progress} busy */
  tell = (busy) => {
    if (this.#running) this.state.tell(busy);
  };

  /**
   * What fills, by what is chosen; it knows what the server says of itself.
   * @param {AbortSignal} signal
   * @returns {Promise<Engine>}
   */
  async engine(signal) {
    this.state.about ??= await (await ask(ABOUT, { signal }, "")).json();
    const { about, place } = this.state;
    if (!about) throw new Failure("offline");
    const make = place === "browser" ? browserEngine : serverEngine;
    return (this.#engines[place] ??= make(about, () => kept("token")));
  }

  /** What really computes, in words; empty before that is known. */
  get runsOn() {
    const { about, place } = this.state;
    return this.#engines[place]?.runsOn() ?? (place === "browser" ? "WebAssembly" : about?.provider.replace("ExecutionProvider", "") ?? "");
  }

  /**
   * Do something after what is being done.
   * @param {string} word what it is.
   * @param {(signal: AbortSignal) => Promise<unknown>} act reads what it works on when it is its turn.
   * @param {boolean} [aside] whether what failed before stays said.
   * @returns {Promise<void>}
   */
  attempt(word, act, aside = false) {
    return (this.#last = this.#last.then(async () => {
      const mine = (this.#running = new AbortController());
      this.state.change({ busy: { word }, failure: aside ? this.state.failure : null });
      try {
        await act(mine.signal);
      } catch (error) {
        if (!mine.signal.aborted) void this.#fail(error, () => this.attempt(word, act));
      }
      this.#running = null;
      this.state.change({ busy: null });
    }));
  }

  /**
   * @param {unknown} error
   * @param {() => void} again
   */
  async #fail(error, again) {
    const failure = error instanceof Failure ? error : new Failure("unexpected", { said: String(error) });
    if (WORTH_ANOTHER_TRY.includes(failure.word)) failure.values.again = again;
    if (failure.word === "model_changed") {
      this.state.about = null;
      this.#engines = {};
    }
    this.state.change({ failure });
    if (failure.word !== "needs_token") return;
    const token = await askToken(kept("token") !== "");
    if (!token) return;
    keep("token", token);
    again();
  }
}

/**
 * @param {boolean} wrong whether there was one.
 * @returns {Promise<string>} empty where none is given.
 */
function askToken(wrong) {
  const dialog = /** @type {HTMLDialogElement} */ (by("token"));
  const input = /** @type {HTMLInputElement} */ (dialog.querySelector("input"));
  input.value = "";
  by("token-wrong").hidden = !wrong;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "use" ? input.value.trim() : ""), { once: true });
  });
}
