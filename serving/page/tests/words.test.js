import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import en from "../site/words/en.js";
import es from "../site/words/es.js";

const SITE = new URL("../site/", import.meta.url);
const values = (text) => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort();

test("every sentence is in both languages, with the same values", () => {
  assert.deepEqual(Object.keys(es), Object.keys(en));
  for (const [name, text] of Object.entries(en)) assert.deepEqual(values(es[name]), values(text), name);
});

test("every word that the page names is there, and no other", () => {
  const files = ["index.html", ...readdirSync(SITE).filter((name) => name.endsWith(".js") && name !== "sw.js"),
    ...readdirSync(new URL("engines/", SITE)).map((name) => `engines/${name}`)];
  const text = files.map((name) => readFileSync(new URL(name, SITE), "utf8")).join("\n");
  const patterns = [/data-say(?:-label)?="(\w+)"/g, /(?:Failure|say|attempt)\("(\w+)"/g, /\bword(?: =|:) "(\w+)"/g];
  for (const pattern of patterns) for (const [, name] of text.matchAll(pattern)) assert.ok(name in en, name);
  const made = /^(looks|place)_/; // of two parts
  for (const name of Object.keys(en)) assert.ok(made.test(name) || text.includes(`"${name}"`), name);
});
