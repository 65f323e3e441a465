// Pointers on the picture: one draws with the tool that is picked, or moves the picture; two move it and zoom.

/** @typedef {import("./geometry.js").Point} Point */

const STEP = 1.25; // of a wheel's notch
const NEAR = 22; // screen pixels: a finger

export class Pointers {
  /** @type {Point | null} */
  over = null; // where a mouse is, in the picture
  #stage;
  #down = /** @type {Map<number, Point>} */ (new Map());
  #drawing = false;

  /** @param {import("./stage.js").PhotoStage} stage */
  constructor(stage) {
    this.#stage = stage;
    const { canvas } = stage;
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerleave", () => {
      this.over = null;
      stage.draw();
    });
    canvas.addEventListener("pointerup", (event) => this.#end(event, true));
    canvas.addEventListener("pointercancel", (event) => this.#end(event, false));
    canvas.addEventListener("lostpointercapture", (event) => this.#end(event, false)); // a menu took its end
  }

  /** What the tool has begun is not done. */
  breakOff() {
    if (this.#drawing) this.#stage.tool?.cancel();
    this.#drawing = false;
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    if (!this.#stage.scene) return;
    event.preventDefault();
    this.#stage.zoom(STEP ** (-event.deltaY / (event.ctrlKey ? 20 : 100)), this.#stage.inPicture([event.clientX, event.clientY]));
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    if (!this.#stage.scene) return;
    this.#stage.canvas.focus({ preventScroll: true });
    if (event.isPrimary) this.#down.clear(); // of one whose end was never seen
    this.#stage.canvas.setPointerCapture(event.pointerId);
    this.#down.set(event.pointerId, [event.clientX, event.clientY]);
    this.#stage.point = null;
    if (this.#down.size > 1) {
      this.breakOff();
    } else if (this.#stage.tool && event.button === 0) {
      this.#drawing = true;
      this.#stage.tool.down(this.#stage.inPicture([event.clientX, event.clientY]), NEAR / this.#stage.scale);
    }
    this.#stage.draw();
  }

  /** @param {PointerEvent} event */
  #move(event) {
    this.over = event.pointerType === "mouse" ? this.#stage.inPicture([event.clientX, event.clientY]) : null;
    if (this.#stage.tool?.hover) this.#stage.draw();
    const old = this.#down.get(event.pointerId);
    if (!old) return;
    const now = /** @type {Point} */ ([event.clientX, event.clientY]);
    this.#down.set(event.pointerId, now);
    if (this.#down.size === 2) this.#pinch(event.pointerId, old, now);
    else if (this.#drawing) {
      const each = event.getCoalescedEvents?.() ?? [];
      for (const one of each.length ? each : [event]) this.#stage.tool?.move(this.#stage.inPicture([one.clientX, one.clientY]));
    } else if (this.#down.size === 1) this.#stage.pan(now[0] - old[0], now[1] - old[1]);
    this.#stage.draw();
  }

  /**
   * Two fingers move and zoom.
   * @param {number} id
   * @param {Point} old
   * @param {Point} now
   */
  #pinch(id, old, now) {
    const [other] = [...this.#down].filter(([each]) => each !== id).map(([, point]) => point);
    const apart = (/** @type {Point} */ point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
    const middle = /** @type {Point} */ ([(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
    this.#stage.pan((now[0] - old[0]) / 2, (now[1] - old[1]) / 2);
    if (apart(old) > 1) this.#stage.zoom(apart(now) / apart(old), this.#stage.inPicture(middle));
  }

  /**
   * @param {PointerEvent} event
   * @param {boolean} done
   */
  #end(event, done) {
    if (!this.#down.delete(event.pointerId) || !this.#drawing) return;
    this.#drawing = false;
    if (done) this.#stage.tool?.up();
    else this.#stage.tool?.cancel();
    this.#stage.draw();
  }
}
