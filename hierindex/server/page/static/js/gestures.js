/** Pointers on the disk: drag, pinch, wheel, click, double click. */

const SLACK = 5; // pixels that a click may wander

/**
 * @param {HTMLCanvasElement} canvas @param {import("./view.js").View} view
 * @param {{at: (x: number, y: number) => object | null, hover: Function, click: Function, open: Function}} on `at` is
 *   what stands under a pixel
 */
export function listen(canvas, view, on) {
  const down = new Map(); // pointer -> its last pixel
  let wandered = 0,
    pinched = false;
  const pixel = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    view.stop();
    canvas.setPointerCapture(event.pointerId);
    if (!down.size) [wandered, pinched] = [0, false];
    down.set(event.pointerId, pixel(event));
    pinched ||= down.size > 1;
  });

  canvas.addEventListener("pointermove", (event) => {
    const now = pixel(event),
      last = down.get(event.pointerId);
    if (!last) {
      on.hover(on.at(...now), now);
      return;
    }
    if (down.size === 2) pinch(event.pointerId, last, now);
    else {
      wandered += Math.hypot(now[0] - last[0], now[1] - last[1]);
      if (wandered <= SLACK) return; // and `last` stays: what was under the pointer will be again
      view.drag(view.point(last), view.point(now));
      canvas.classList.add("dragging");
    }
    down.set(event.pointerId, now);
  });

  const up = (event) => {
    if (!down.delete(event.pointerId) || down.size) return;
    canvas.classList.remove("dragging");
    if (event.type === "pointerup" && wandered <= SLACK && !pinched) on.click(on.at(...pixel(event)));
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => on.hover(null, [0, 0]));

  canvas.addEventListener("dblclick", (event) => {
    const [x, y] = pixel(event);
    on.open(on.at(x, y), view.point([x, y]));
  });

  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 20 : 1;
      const step = -event.deltaY * lines * (event.ctrlKey ? 0.012 : 0.0025); // with ctrl it is a pinch on a touchpad
      view.zoom(view.point(pixel(event)), Math.max(-0.5, Math.min(0.5, step)));
    },
    { passive: false },
  );

  function pinch(id, last, now) {
    const other = [...down].find(([each]) => each !== id)[1];
    const middle = (p) => [(p[0] + other[0]) / 2, (p[1] + other[1]) / 2];
    const wide = (p) => Math.max(20, Math.hypot(p[0] - other[0], p[1] - other[1]));
    view.drag(view.point(middle(last)), view.point(middle(now)));
    view.zoom(view.point(middle(now)), 1.6 * Math.log(wide(now) / wide(last)));
  }
}
