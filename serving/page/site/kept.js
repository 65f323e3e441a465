// What the browser keeps of a visit, where it is allowed to.

const KEPT = /** @type {const} */ ({ language: "two-face-language", place: "two-face-place", token: "two-face-token" });
/** @typedef {keyof typeof KEPT} Name */

/** @param {Name} name */
const storageOf = (name) => (name === "token" ? sessionStorage : localStorage);

/**
 * @param {Name} name
 * @returns {string} empty where nothing is kept.
 */
export function kept(name) {
  try {
    return storageOf(name).getItem(KEPT[name]) ?? "";
  } catch {
    return ""; // this browser keeps nothing
  }
}

/**
 * @param {Name} name
 * @param {string} value
 */
export function keep(name, value) {
  try {
    storageOf(name).setItem(KEPT[name], value);
  } catch {
    // then it is asked for again
  }
}
