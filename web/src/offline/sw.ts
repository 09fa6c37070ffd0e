/* The service worker of a published site: keeps the site's files, so that the page opens and plays offline. A new version of
   the site is loaded in the background, and used from the next visit on.

   `site.json` says which files there are, and their version. */

interface Site {
  readonly version: string;
  readonly files: readonly string[];
}

/** What the types for pages lack. */
interface WorkerScope {
  readonly registration: { readonly scope: string };
  addEventListener(type: "install" | "activate", listener: (event: LifecycleEvent) => void): void;
  addEventListener(type: "fetch", listener: (event: FetchEvent) => void): void;
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
}

interface LifecycleEvent {
  waitUntil(work: Promise<unknown>): void;
}

interface FetchEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
  waitUntil(work: Promise<unknown>): void;
}

const worker = self as unknown as WorkerScope;
const PREFIX = "playbach-";
const SITE = "site.json";

worker.addEventListener("install", (event) => event.waitUntil(install().then(() => worker.skipWaiting())));
worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || !url.href.startsWith(worker.registration.scope)) return;
  if (event.request.headers.has("range")) return;
  event.respondWith(answer(event.request));
  if (event.request.mode === "navigate") event.waitUntil(update());
});

function urlOf(file: string): string {
  return new URL(file, worker.registration.scope).href;
}

/** The site as the host has it now. */
async function newestSite(): Promise<{ site: Site; response: Response }> {
  const response = await fetch(urlOf(SITE), { cache: "no-cache" });
  if (!response.ok) throw new Error(`${SITE}: HTTP ${response.status}`);
  return { site: await response.clone().json() as Site, response };
}

/** Keeps all files of the newest version; what the browser has just loaded is not loaded again. */
async function install(): Promise<void> {
  const { site, response } = await newestSite();
  const name = PREFIX + site.version;
  // The description is kept last: without it, an earlier attempt was cut off.
  if (await (await caches.open(name)).match(urlOf(SITE))) return;
  const draft = await caches.open(`${name}-draft`);
  await draft.addAll(site.files.filter((file) => file !== SITE).map((file) => new Request(urlOf(file), { cache: "no-cache" })));
  const cache = await caches.open(name);
  for (const request of await draft.keys()) {
    const kept = await draft.match(request);
    if (kept) await cache.put(request, kept);
  }
  await cache.put(urlOf(SITE), response);
  for (const other of await caches.keys()) if (other.startsWith(PREFIX) && other !== name) await caches.delete(other);
}

async function update(): Promise<void> {
  await install().catch(() => undefined); // offline
}

/** The caches that are complete. */
async function completeCaches(): Promise<string[]> {
  const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && !name.endsWith("-draft"));
  const kept = await Promise.all(names.map(async (name) => (await caches.open(name)).match(urlOf(SITE))));
  return names.filter((_, i) => kept[i]);
}

/** The kept file, or the host's; instruments are kept when they are first loaded. */
async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  url.hash = url.search = "";
  const kept = await caches.match(url.href);
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok && url.pathname.includes("/sounds/")) await keep(url.href, response.clone());
  return response;
}

async function keep(url: string, response: Response): Promise<void> {
  const [name] = await completeCaches();
  if (name) await (await caches.open(name)).put(url, response);
}
