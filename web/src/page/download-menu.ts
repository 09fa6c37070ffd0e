/* The menu of downloads: what has been heard of the piece as MIDI, as MusicXML and as PDF. The server engraves the PDF; without
   a server, or if it cannot, the browser prints the score. */

import { writeMidi } from "../music/midi-file";
import type { Recording } from "../playback/recording";
import { refusalReason } from "../protocol/reasons";
import { element } from "./element";

const MUSICXML = "application/vnd.recordare.musicxml+xml";
const NO_ENGRAVER = new Set([404, 405, 501]); // a static host, or a server without the extra
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
    this.item("download-musicxml", async ({ file, name }) => {
      const { scoreXml } = await import("./score-file");
      save(new Blob([scoreXml(file)], { type: MUSICXML }), withSuffix(name, ".musicxml"));
    });
    this.item("download-pdf", (recording) => this.downloadPdf(recording));
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.list.hidden) return;
      this.open(false);
      this.button.focus();
    });
    document.addEventListener("pointerdown", (event) => {
      if (event.target instanceof Node && !this.list.parentElement?.contains(event.target)) this.open(false);
    });
  }

  private item(id: string, onRecording: (recording: Recording) => unknown): void {
    element(id).addEventListener("click", () => void this.choose(onRecording));
  }

  /** Closes the menu when the file is there; says in it what went wrong. */
  private async choose(onRecording: (recording: Recording) => unknown): Promise<void> {
    const recording = this.recording();
    if (!recording) return;
    try {
      await onRecording(recording);
      this.open(false);
    } catch (error) {
      this.status.textContent = error instanceof Refusal
        ? error.message
        : "This did not work: a part of the page could not be loaded. Check the connection, and try again.";
    }
  }

  private open(open: boolean): void {
    this.list.hidden = !open;
    this.status.textContent = "";
    this.button.setAttribute("aria-expanded", String(open));
    if (open) element("download-midi").focus();
  }

  private async downloadPdf({ file, name }: Recording): Promise<void> {
    this.status.textContent = "Engraving…";
    const { printMusic, scoreXml } = await import("./score-file");
    const response = this.pdfAddress && await fetch(this.pdfAddress, {
      method: "POST", body: scoreXml(file), headers: { "content-type": MUSICXML }, signal: AbortSignal.timeout(PATIENCE),
    }).catch(() => null);
    if (response?.ok && response.headers.get("content-type")?.startsWith("application/pdf")) {
      save(await response.blob(), withSuffix(name, ".pdf"));
    } else if (!response || NO_ENGRAVER.has(response.status)) {
      await printMusic(file);
    } else {
      throw new Refusal(`The server made no PDF. ${await refusalReason(response)} MusicXML needs no server.`);
    }
  }
}

/** Why the server does not make a file, as a sentence. */
class Refusal extends Error {}

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
