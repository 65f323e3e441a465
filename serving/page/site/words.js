// What the page says, in the browser's language.

import { keep, kept } from "./kept.js";
import en from "./words/en.js";
import es from "./words/es.js";

export const LANGUAGES = /** @type {Record<string, {name: string, words: Record<string, string>}>} */ ({
  en: { name: "English", words: en },
  es: { name: "Español", words: es },
});

/** @returns {string} */
function preferred() {
  const wanted = [kept("language"), ...navigator.languages].map((each) => each.slice(0, 2).toLowerCase());
  return wanted.find((each) => each in LANGUAGES) ?? "en";
}

let language = "en";

/**
 * A sentence, with values in it.
 * @param {string} name
 * @param {Record<string, unknown>} [values]
 */
export function say(name, values = {}) {
  const text = LANGUAGES[language].words[name] ?? name;
  return text.replace(/\{(\w+)\}/g, (_, key) => String(values[key] ?? ""));
}

/** The language in use. */
export function spoken() {
  return language;
}

/**
 * Say all of a page in a language: `data-say` is an element's text, `data-say-label` its name for those who hear it.
 * @param {string} [chosen] else the browser's.
 * @param {ParentNode} [root]
 */
export function speak(chosen, root = document) {
  if (chosen) keep("language", chosen);
  language = chosen ?? preferred();
  document.documentElement.lang = language;
  for (const element of root.querySelectorAll("[data-say]")) {
    element.textContent = say(element.getAttribute("data-say") ?? "");
  }
  for (const element of root.querySelectorAll("[data-say-label]")) {
    const words = say(element.getAttribute("data-say-label") ?? "");
    element.setAttribute("aria-label", words);
    if (element instanceof HTMLButtonElement || element instanceof HTMLLabelElement) element.title = words;
  }
}
