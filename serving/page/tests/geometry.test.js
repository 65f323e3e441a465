import assert from "node:assert/strict";
import { test } from "node:test";

import { corners, fitFrame, frameText, fromUnit, rounded, scaled, surroundings, toUnit, touches } from "../site/geometry.js";

const CANONICAL = [[0.37, 0.42], [0.63, 0.42], [0.5, 0.57], [0.39, 0.7], [0.61, 0.7]];
const FRAME = { x: 120.5, y: 80.25, side: 64, angle: 33 };

const near = (found, wanted, most = 1e-9) => found.forEach((value, at) => assert.ok(Math.abs(value - wanted[at]) <= most));

test("a frame's points come back", () => {
  for (const share of [[0, 0], [1, 0.25], [0.5, 0.5]]) near(toUnit(FRAME, fromUnit(FRAME, share)), share);
  near(fromUnit(FRAME, [0.5, 0.5]), [FRAME.x, FRAME.y]);
  const [first, second] = corners(FRAME);
  assert.ok(Math.abs(Math.hypot(second[0] - first[0], second[1] - first[1]) - FRAME.side) < 1e-9);
});

test("landmarks of a frame give that frame", () => {
  const found = fitFrame(CANONICAL, CANONICAL.map((share) => fromUnit(FRAME, share)));
  near(Object.values(found), [FRAME.x, FRAME.y, FRAME.side, FRAME.angle], 1e-6);
});

test("a frame in words is the frame that is computed with", () => {
  const odd = { x: 1.23456, y: -7.891, side: 99.999, angle: 190.126 };
  assert.equal(frameText(odd), "1.23,-7.89,100,-169.87");
  assert.deepEqual(frameText(rounded(odd)), frameText(odd));
  assert.deepEqual(scaled(scaled(FRAME, 0.5), 2), FRAME);
  assert.equal(rounded({ ...odd, angle: -725 }).angle, -5);
});

test("a frame beside the picture is none", () => {
  assert.ok(touches(FRAME, 200, 200));
  assert.ok(!touches({ ...FRAME, x: -80 }, 200, 200));
});

test("what is cut off for a repair holds the frame and the hole with what is about it", () => {
  const frame = { x: 50, y: 50, side: 20, angle: 0 };
  assert.deepEqual(surroundings(frame, 300, 200), { left: 38, top: 38, right: 62, bottom: 62 });
  const hole = { left: 100, top: 40, right: 140, bottom: 60 };
  assert.deepEqual(surroundings(frame, 300, 200, hole), { left: 38, top: 28, right: 152, bottom: 72 });
  assert.deepEqual(surroundings({ ...frame, x: 0, y: 0 }, 300, 200), { left: 0, top: 0, right: 12, bottom: 12 });
});
