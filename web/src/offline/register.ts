/* Registers the service worker, on a published site only: the pages of `playbach serve` need their server. */

export function registerServiceWorker(): void {
  // Undefined on plain HTTP, although its type does not allow that.
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  // Afterwards, so that what it loads does not delay the first note.
  void container?.register(new URL("sw.js", document.baseURI)).catch(() => undefined);
}
