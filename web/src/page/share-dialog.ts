/* The dialog that shows a share link: to copy, to hand to the device's own share sheet, and as a QR code, which is drawn on the
   device. The code's encoder is loaded when the dialog opens for the first time. */

import { element } from "./element";

const LOCAL = /^(localhost|127\.|\[::1\])/;

export class ShareDialog {
  private readonly dialog = element("share-dialog", HTMLDialogElement);
  private readonly link = element("link", HTMLInputElement);
  private readonly status = element("copy-status");
  private readonly code = element("qr-code");

  constructor() {
    const send = element("send", HTMLButtonElement);
    send.hidden = !("share" in navigator); // there is no share sheet on plain HTTP, nor on many desktops
    send.addEventListener("click", () => void this.send());
    element("copy").addEventListener("click", () => void this.copy());
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
  }

  open(link: string): void {
    this.link.value = link;
    this.status.textContent = "";
    element("localhost-hint").hidden = !LOCAL.test(window.location.hostname);
    this.dialog.showModal();
    this.link.select();
    void this.drawCode(link);
  }

  private async send(): Promise<void> {
    try {
      await navigator.share({ title: "playbach", text: "A piece that a neural network composed", url: this.link.value });
    } catch (error) {
      // The listener closed the sheet.
      if (error instanceof DOMException && error.name === "AbortError") return;
      this.status.textContent = "Could not share. Please copy the link.";
    }
  }

  private async copy(): Promise<void> {
    this.link.select();
    // Undefined on plain HTTP, although its type does not allow that. The deprecated command still works there.
    const clipboard = navigator.clipboard as Clipboard | undefined;
    const written = clipboard ? clipboard.writeText(this.link.value) : Promise.reject(new Error("no clipboard"));
    const copied = await written.then(
      () => true,
      () => document.execCommand("copy"), // eslint-disable-line @typescript-eslint/no-deprecated
    );
    this.status.textContent = copied ? "Link copied." : "Could not copy. Please copy the link by hand.";
  }

  private async drawCode(link: string): Promise<void> {
    this.code.replaceChildren();
    const hint = element("qr-hint");
    hint.textContent = "";
    const encoder = await import("./qr-code").catch(() => null); // null without a connection
    if (!encoder || this.link.value !== link) return;
    const picture = encoder.qrCode(link);
    if (picture) this.code.replaceChildren(picture);
    else hint.textContent = "This link is too long for a QR code that a phone can read.";
  }
}
