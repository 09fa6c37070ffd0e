/* The controls on a phone's lock screen and on media keys (Media Session). Phones show them only for pages that play an audio
   element, so a silent one plays along with the synthesiser's sound; it also keeps some phones from stopping the page. */

import icon from "./icon.svg?url";

const SILENCE = 10; // seconds; browsers ignore elements below 5
const RATE = 8000; // samples a second
const ARTWORK = 512; // pixels

export interface LockScreenHandlers {
  readonly onPlay: () => void;
  readonly onPause: () => void;
  /** Null where there is no next piece. */
  readonly onNext: (() => void) | null;
}

export class LockScreen {
  private readonly silence = new Audio();
  /** Undefined in old browsers, although the type does not allow that. */
  private readonly session = navigator.mediaSession as MediaSession | undefined;
  private title = "";
  private artwork: readonly MediaImage[] = [];
  private next: (() => void) | null = null;

  constructor(handlers: Omit<LockScreenHandlers, "onNext">) {
    this.silence.loop = true;
    this.silence.preload = "none";
    this.silence.src = URL.createObjectURL(new Blob([silentWave(SILENCE)], { type: "audio/wav" }));
    this.handle("play", handlers.onPlay);
    this.handle("pause", handlers.onPause);
    this.handle("stop", handlers.onPause);
    void drawArtwork().then((src) => {
      this.artwork = [{ src, sizes: `${ARTWORK}x${ARTWORK}`, type: "image/png" }];
    }, () => undefined); // without a picture, the title is enough
  }

  /** Must be called within the tap that starts the music. */
  play(): void {
    // Without it the music plays as well, but not on the lock screen.
    void this.silence.play().catch(() => undefined);
    if (this.session) this.session.playbackState = "playing";
  }

  pause(): void {
    this.silence.pause();
    if (this.session) this.session.playbackState = "paused";
  }

  /** Shows what plays. */
  show(title: string, artist: string, onNext: LockScreenHandlers["onNext"]): void {
    if (!this.session) return;
    if ((this.next === null) !== (onNext === null)) this.handle("nexttrack", onNext);
    this.next = onNext;
    if (title === this.title) return;
    this.title = title;
    this.session.metadata = new MediaMetadata({ title, artist, album: "playbach", artwork: [...this.artwork] });
  }

  private handle(action: MediaSessionAction, handler: (() => void) | null): void {
    try {
      this.session?.setActionHandler(action, handler);
    } catch {
      // The browser does not know this action.
    }
  }
}

/** A WAV file of silence: 8 bits, one channel. */
export function silentWave(seconds: number): ArrayBuffer {
  const samples = seconds * RATE;
  const bytes = new Uint8Array(44 + samples).fill(128, 44);
  const view = new DataView(bytes.buffer);
  for (const [at, text] of [[0, "RIFF"], [8, "WAVEfmt "], [36, "data"]] as const) {
    bytes.set(new TextEncoder().encode(text), at);
  }
  view.setUint32(4, 36 + samples, true);
  view.setUint32(16, 16, true);
  for (const [at, value] of [[20, 1], [22, 1], [32, 1], [34, 8]] as const) view.setUint16(at, value, true);
  for (const [at, value] of [[24, RATE], [28, RATE], [40, samples]] as const) view.setUint32(at, value, true);
  return bytes.buffer;
}

/** The page's icon as a picture that lock screens can show. */
async function drawArtwork(): Promise<string> {
  const image = new Image();
  image.src = icon;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = ARTWORK;
  canvas.getContext("2d")?.drawImage(image, 0, 0, ARTWORK, ARTWORK);
  return canvas.toDataURL("image/png");
}
