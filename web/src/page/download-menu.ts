/* The menu of downloads: what has been heard of the piece as MIDI, as MusicXML and as PDF. The server engraves the PDF; without
   a server, or if it cannot, the browser prints the score. */

import { writeMidi, type MidiFile } from "../music/midi-file";
import { plainMusic } from "../notation/from-midi-file";
import { musicXml, type Heading } from "../notation/musicxml";
import { notate } from "../notation/notate";
import type { Recording } from "../playback/recording";
import { element } from "./element";
import { printScore } from "./print-score";

const MUSICXML = "application/vnd.recordare.musicxml+xml";
const PATIENCE = 60_000; // milliseconds

export class DownloadMenu {
  private readonly button = element("download", HTMLButtonElement);
  private readonly list = element("download-formats");
  private readonly status = element("download-status");

  /** @param pdfAddress null without a server.
   *  @param recording what has been heard; null if nothing has. */
  constructor(private readonly pdfAddress: URL | null, private readonly recording: () => Recording | null) {
    this.button.addEventListener("click", () => this.open(this.list.hidden !== false));
    this.item("download-midi", ({ file, name }) => save(new Blob([writeMidi(file)], { type: "audio/midi" }), name));
    this.item("download-musicxml", ({ file, name }) => {
      save(new Blob([scoreXml(file)], { type: MUSICXML }), withSuffix(name, ".musicxml"));
    });
    element("download-pdf").addEventListener("click", () => void this.downloadPdf());
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.list.hidden) return;
      this.open(false);
      this.button.focus();
    });
    document.addEventListener("pointerdown", (event) => {
      if (event.target instanceof Node && !this.list.parentElement?.contains(event.target)) this.open(false);
    });
  }

  private item(id: string, onRecording: (recording: Recording) => void): void {
    element(id).addEventListener("click", () => {
      const recording = this.recording();
      if (recording) onRecording(recording);
      this.open(false);
    });
  }

  private open(open: boolean): void {
    this.list.hidden = !open;
    this.status.textContent = "";
    this.button.setAttribute("aria-expanded", String(open));
    if (open) element("download-midi").focus();
  }

  private async downloadPdf(): Promise<void> {
    const recording = this.recording();
    if (!recording) return;
    const { file, name } = recording;
    this.status.textContent = "Engraving…";
    const response = this.pdfAddress && await fetch(this.pdfAddress, {
      method: "POST", body: scoreXml(file), headers: { "content-type": MUSICXML }, signal: AbortSignal.timeout(PATIENCE),
    }).catch(() => null);
    if (response?.ok && response.headers.get("content-type")?.startsWith("application/pdf")) {
      save(await response.blob(), withSuffix(name, ".pdf"));
      this.open(false);
      return;
    }
    if (response && response.status !== 404 && response.status !== 405 && response.status !== 501) {
      this.status.textContent = `The server cannot engrave this: ${(await response.text()).slice(0, 200)}`;
      return;
    }
    this.open(false);
    const { bars, voices } = plainMusic(file);
    await printScore(notate(bars, voices), headingOf(file).title ?? "");
  }
}

function scoreXml(file: MidiFile): string {
  const { bars, voices } = plainMusic(file);
  return musicXml(notate(bars, voices), headingOf(file));
}

/** The words around the music, from what the file says of how the piece was made. */
function headingOf({ marker }: MidiFile): Heading {
  const comment = marker.slice(marker.indexOf("{"));
  try {
    const { model, seed } = JSON.parse(comment) as { model?: unknown; seed?: unknown };
    return { title: `${String(model)}, seed ${String(seed)}`, foot: "Composed by a neural network: playbach", comment };
  } catch {
    return { title: "playbach" };
  }
}

function withSuffix(name: string, suffix: string): string {
  return name.replace(/\.mid$/, "") + suffix;
}

function save(blob: Blob, name: string): void {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000);
}
