/* Downloads the instruments: `index.json`, which says which there are, and their files, each a SoundFont packed with gzip. */

const ATTEMPTS = 3;
const PAUSE = 1000; // milliseconds before the second attempt, and thrice that before the third

/** A file with one of General MIDI's programs, or with a drum kit. */
export interface Part {
  readonly file: string;
  readonly program: number;
  readonly drums: boolean;
  readonly name: string;
}

/** Who made the sounds, and on which terms they may be used. Unknown values are empty. */
export interface FontInfo {
  readonly name: string;
  readonly author: string;
  readonly terms: string;
  readonly termsAddress: string;
  readonly comment: string;
}

export interface SoundIndex {
  readonly font: FontInfo;
  readonly parts: readonly Part[];
}

/** The part for a program or a drum kit. If the soundfont lacks it: the piano or the standard kit, or else its first one, as
 *  other players do. Null if it has no drums. */
export function partFor(parts: readonly Part[], drums: boolean, program: number): Part | null {
  const suitable = parts.filter((part) => part.drums === drums);
  const find = (wanted: number): Part | undefined => suitable.find((part) => part.program === wanted);
  return find(program) ?? find(0) ?? suitable[0] ?? null;
}

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
