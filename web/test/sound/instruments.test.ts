import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";

import { afterEach, describe, expect, it, vi } from "vitest";

import { DRUM_CHANNEL, Instruments, type Needed } from "../../src/sound/instruments";
import { unpack } from "../../src/download/files";
import { partFor, type Part } from "../../src/sound/sound-files";
import type { EmptySynth } from "../../src/sound/synth";

const PARTS = [[0, false], [40, false], [52, false], [0, true], [16, true]] as const;
const INDEX = {
  font: { name: "test", author: "", terms: "", termsAddress: "", comment: "" },
  parts: PARTS.map(([program, drums]): Part => ({ file: `${drums ? "drums-" : ""}${program}.sf3.gz`, program, drums, name: "" })),
};

class SynthSpy implements EmptySynth {
  readonly renderer = "AudioWorklet";
  readonly parts: string[] = [];
  readonly messages: (readonly [type: string, channel: number, value: number, time: number])[] = [];
  addPart(name: string, soundFont: ArrayBuffer): Promise<void> {
    expect(new TextDecoder().decode(soundFont)).toBe(name);
    this.parts.push(name);
    return Promise.resolve();
  }
  noteOn(channel: number, pitch: number, _velocity: number, time: number): void {
    this.messages.push(["on", channel, pitch, time]);
  }
  noteOff(channel: number, pitch: number, time: number): void {
    this.messages.push(["off", channel, pitch, time]);
  }
  programChange(channel: number, program: number, time: number): void {
    this.messages.push(["program", channel, program, time]);
  }
  setMuted(): void {
    // Not tested here.
  }
  silence(): void {
    // Not tested here.
  }
  renderAhead(): void {
    // Not tested here.
  }
}

/** A static host whose files arrive when the test says so. */
class Host {
  readonly requests: string[] = [];
  private readonly held = new Map<string, () => void>();
  private readonly server: Server;

  constructor(private readonly broken: Set<string> = new Set(), private readonly slow: Set<string> = new Set()) {
    this.server = createServer((request, response) => {
      const name = (request.url ?? "").replace("/sounds/", "");
      this.requests.push(name);
      const answer = (): void => {
        response.statusCode = this.broken.has(name) ? 500 : 200;
        response.end(name === "index.json" ? JSON.stringify(INDEX) : gzipSync(name));
      };
      if (this.slow.has(name)) this.held.set(name, answer);
      else answer();
    });
  }

  async open(): Promise<URL> {
    await new Promise<void>((ready) => this.server.listen(0, "127.0.0.1", ready));
    return new URL(`http://127.0.0.1:${(this.server.address() as AddressInfo).port}/sounds/`);
  }

  release(name: string): void {
    this.held.get(name)?.();
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

describe("Instruments", () => {
  let host = new Host();
  const spy = { synth: new SynthSpy() };

  async function load(needed: readonly Needed[], broken: string[] = [], slow: string[] = []): Promise<Instruments> {
    host = new Host(new Set(broken), new Set(slow));
    spy.synth = new SynthSpy();
    return Instruments.load(Promise.resolve(spy.synth), await host.open(), Promise.resolve(needed), () => undefined);
  }

  afterEach(() => {
    host.close();
  });

  it("starts with the first instrument, and loads the others behind", async () => {
    const instruments = await load([{ program: 0, drums: true }, { program: 52, drums: false }, { program: 40, drums: false }]);
    expect(spy.synth.parts).toEqual(["52.sf3.gz"]);
    await vi.waitFor(() => expect(spy.synth.parts.sort()).toEqual(["40.sf3.gz", "52.sf3.gz", "drums-0.sf3.gz"]));
    expect(host.requests.filter((name) => name === "52.sf3.gz")).toHaveLength(1);
    expect(instruments.font.name).toBe("test");
  });

  it("keeps a voice's instrument until the new one has arrived, and changes no earlier than was asked", async () => {
    const instruments = await load([{ program: 52, drums: false }], [], ["40.sf3.gz"]);
    instruments.programChange(1, 52, 10);
    instruments.programChange(1, 40, 20);
    expect(spy.synth.messages).toEqual([["program", 1, 52, 10], ["program", 1, 52, 20]]);
    await vi.waitFor(() => expect(host.requests).toContain("40.sf3.gz"));
    host.release("40.sf3.gz");
    await vi.waitFor(() => expect(spy.synth.messages.at(-1)).toEqual(["program", 1, 40, 20]));
  });

  it("forgets an instrument that is no longer wanted when it arrives", async () => {
    const instruments = await load([{ program: 52, drums: false }], [], ["40.sf3.gz"]);
    instruments.programChange(1, 40, 10);
    instruments.programChange(1, 52, 20);
    await vi.waitFor(() => expect(host.requests).toContain("40.sf3.gz"));
    host.release("40.sf3.gz");
    await vi.waitFor(() => expect(spy.synth.parts).toContain("40.sf3.gz"));
    expect(spy.synth.messages.map((message) => message[2])).toEqual([52, 52]);
  });

  it("keeps drums silent until drums arrive, and then lets another kit stand in", async () => {
    const instruments = await load([{ program: 52, drums: false }], [], ["drums-0.sf3.gz", "drums-16.sf3.gz"]);
    instruments.programChange(DRUM_CHANNEL, 0, 10);
    instruments.noteOn(DRUM_CHANNEL, 36, 90, 10);
    expect(spy.synth.messages).toEqual([]);
    await vi.waitFor(() => expect(host.requests).toContain("drums-0.sf3.gz"));
    host.release("drums-0.sf3.gz");
    await vi.waitFor(() => expect(spy.synth.messages).toEqual([["program", DRUM_CHANNEL, 0, 10]]));
    instruments.noteOn(DRUM_CHANNEL, 36, 90, 11);
    instruments.programChange(DRUM_CHANNEL, 16, 12);
    expect(spy.synth.messages.slice(1)).toEqual([["on", DRUM_CHANNEL, 36, 11], ["program", DRUM_CHANNEL, 0, 12]]);
  });

  it("takes the piano for a program that the soundfont lacks", async () => {
    const instruments = await load([{ program: 99, drums: false }]);
    instruments.programChange(0, 99, 10);
    expect(spy.synth.parts).toEqual(["0.sf3.gz"]);
    expect(spy.synth.messages).toEqual([["program", 0, 0, 10]]);
  });

  it("asks again for what could not be loaded", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    const warned = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    try {
      const instruments = await load([{ program: 52, drums: false }], ["40.sf3.gz"]);
      instruments.programChange(0, 40, 10);
      await vi.waitFor(async () => {
        await vi.advanceTimersByTimeAsync(5000);
        expect(warned).toHaveBeenCalledOnce();
      });
      expect(host.requests.filter((name) => name === "40.sf3.gz")).toHaveLength(3);
      instruments.programChange(0, 40, 20);
      await vi.waitFor(() => expect(host.requests.filter((name) => name === "40.sf3.gz")).toHaveLength(4));
    } finally {
      vi.useRealTimers();
      warned.mockRestore();
    }
  });
});

describe("partFor", () => {
  it("falls back as soundfont players do", () => {
    const piano = partFor(INDEX.parts, false, 0);
    expect(partFor(INDEX.parts, false, 7)).toBe(piano);
    expect(partFor(INDEX.parts, true, 7)?.file).toBe("drums-0.sf3.gz");
    expect(partFor(INDEX.parts.slice(1), false, 7)?.program).toBe(40);
    expect(partFor(INDEX.parts.filter((part) => !part.drums), true, 0)).toBeNull();
  });
});

describe("unpack", () => {
  it("unpacks gzip, and leaves what a host has unpacked already", async () => {
    const plain = new TextEncoder().encode("RIFF").buffer;
    const packed = new Uint8Array(gzipSync("RIFF")).buffer;
    for (const file of [plain, packed]) expect(new TextDecoder().decode(await unpack(file))).toBe("RIFF");
  });
});
