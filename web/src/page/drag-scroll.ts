/* Scrolling to both sides by hand, for a frame that moves its content itself: with the wheel, by dragging, with a finger that may
   fling, and with the arrow keys. Scrolling up and down is left to the browser. Knows distances only. */

const LEAST_DRAG = 6; // pixels: a shorter movement is a tap
const KEY_STEP = 80; // pixels
const LINE = 16; // pixels of a wheel that counts lines
const SLOWING = 0.004; // of a fling: the share of its speed that it loses in a millisecond
const SLOWEST = 0.02; // pixels a millisecond
const MEMORY = 80; // milliseconds over which the speed of a finger is measured

export class DragScroll {
  private from: number | null = null; // of the pointer that is down
  private isDragging = false;
  private moves: { readonly x: number; readonly at: number }[] = [];
  private fling = 0; // the animation frame of a fling

  /** @param scroll scrolls by so many pixels to the right. */
  constructor(
    private readonly frame: HTMLElement, private readonly scroll: (by: number) => void, private readonly flings: () => boolean,
  ) {
    frame.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    frame.addEventListener("pointerdown", (event) => this.press(event));
    frame.addEventListener("pointermove", (event) => this.move(event));
    frame.addEventListener("pointerup", () => this.release());
    frame.addEventListener("pointercancel", () => this.release());
    frame.addEventListener("keydown", (event) => this.key(event));
  }

  private wheel(event: WheelEvent): void {
    const { deltaX, deltaY, deltaMode } = event;
    const by = event.shiftKey && !deltaX ? deltaY : deltaX;
    if (event.ctrlKey || !by || Math.abs(by) < Math.abs(deltaY)) return;
    event.preventDefault();
    this.stop();
    this.scroll(deltaMode === WheelEvent.DOM_DELTA_PIXEL ? by : by * LINE);
  }

  private press(event: PointerEvent): void {
    this.stop();
    if (!event.isPrimary || event.button !== 0) return;
    this.from = event.clientX;
    this.isDragging = false;
    this.moves = [];
  }

  private move(event: PointerEvent): void {
    if (this.from === null || !event.isPrimary) return;
    if (!this.isDragging) {
      if (Math.abs(event.clientX - this.from) < LEAST_DRAG) return;
      this.isDragging = true;
      this.frame.setPointerCapture(event.pointerId);
    }
    this.scroll(this.from - event.clientX);
    this.from = event.clientX;
    this.moves = [...this.moves.filter(({ at }) => event.timeStamp - at < MEMORY), { x: event.clientX, at: event.timeStamp }];
  }

  private release(): void {
    const [first, last] = [this.moves[0], this.moves.at(-1)];
    const isMoving = this.isDragging && first && last && last.at > first.at && performance.now() - last.at < MEMORY;
    this.from = null;
    this.isDragging = false;
    if (isMoving && this.flings()) this.startFling((first.x - last.x) / (last.at - first.at));
  }

  private startFling(speed: number): void {
    let before = performance.now();
    const step = (now: number): void => {
      const passed = Math.max(0, now - before);
      before = now;
      this.scroll(speed * passed);
      speed *= Math.exp(-SLOWING * passed);
      this.fling = Math.abs(speed) > SLOWEST ? requestAnimationFrame(step) : 0;
    };
    this.fling = requestAnimationFrame(step);
  }

  private stop(): void {
    cancelAnimationFrame(this.fling);
    this.fling = 0;
  }

  private key(event: KeyboardEvent): void {
    const direction = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!direction || event.ctrlKey || event.altKey || event.metaKey || event.target !== this.frame) return;
    event.preventDefault();
    this.stop();
    this.scroll(direction * KEY_STEP);
  }
}
