/* Keeps the screen on while the music plays, if the listener wishes it. Browsers drop the lock whenever the page is hidden. */

export class WakeLock {
  private sentinel: WakeLockSentinel | null = null;
  private wanted = false;
  private requested = false;

  constructor() {
    document.addEventListener("visibilitychange", () => void this.update());
  }

  /** Undefined on plain HTTP and in old browsers, although the type does not allow that. */
  static get supported(): boolean {
    return (navigator.wakeLock as typeof navigator.wakeLock | undefined) !== undefined;
  }

  set(wanted: boolean): void {
    if (wanted === this.wanted) return;
    this.wanted = wanted;
    void this.update();
  }

  private async update(): Promise<void> {
    if (!WakeLock.supported || this.requested) return;
    if (this.wanted && !document.hidden && (!this.sentinel || this.sentinel.released)) {
      this.requested = true;
      // A device with little battery refuses; the screen then turns off as usual.
      this.sentinel = await navigator.wakeLock.request("screen").catch(() => null);
      this.requested = false;
    }
    if (!this.wanted) {
      await this.sentinel?.release();
      this.sentinel = null;
    }
  }
}
