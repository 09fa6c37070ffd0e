/* Downloads files, again after a short interruption, and unpacks those that are packed with gzip. */

const ATTEMPTS = 3;
const PAUSE = 1000; // milliseconds before the second attempt, and thrice that before the third

/** Downloads a file, and reports the fraction that has arrived. A short interruption does no harm. */
export async function fetchFile(url: URL, onProgress: (fraction: number) => void = () => undefined): Promise<ArrayBuffer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fetchOnce(url, onProgress);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await new Promise((resume) => setTimeout(resume, PAUSE * (2 * attempt - 1)));
    }
  }
}

async function fetchOnce(url: URL, onProgress: (fraction: number) => void): Promise<ArrayBuffer> {
  const response = await fetch(url);
  if (!response.ok || !response.body) throw new Error(`${url.pathname}: HTTP ${response.status}`);
  const total = Number(response.headers.get("content-length"));
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const reader = response.body.getReader();
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    chunks.push(chunk.value);
    size += chunk.value.length;
    if (total) onProgress(Math.min(1, size / total));
  }
  return new Blob(chunks).arrayBuffer();
}

/** Unpacks a file, unless the browser has done so already: some servers declare files that end in .gz as compressed. */
export async function unpack(file: ArrayBuffer): Promise<ArrayBuffer> {
  const [first, second] = new Uint8Array(file);
  if (first !== 0x1f || second !== 0x8b) return file;
  const stream = new Blob([file]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}
