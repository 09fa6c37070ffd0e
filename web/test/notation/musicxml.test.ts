import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Key, PlainBar, PlainVoice } from "../../src/notation/model";
import { musicXml } from "../../src/notation/musicxml";
import { notate } from "../../src/notation/notate";

/** Music with what Python writes of it (tests/helpers/plain_music.py). */
const GOLDEN = new URL("golden/", import.meta.url);

interface Golden {
  readonly bars: PlainBar[];
  readonly voices: PlainVoice[];
  readonly key: Key;
}

function golden(name: string): Golden {
  return JSON.parse(readFileSync(new URL(`${name}.json`, GOLDEN), "utf8")) as Golden;
}

/** Without what Python does not write, and what the page is told: names, and divisions, which its chords may make finer. */
function comparable(xml: string): string {
  return xml
    .replaceAll(/ *<harmony[\s\S]*?<\/harmony>\n/g, "")
    .replaceAll(/<(software|part-name|instrument-name)>.*<\/\1>/g, "")
    .replace(/<divisions>.*<\/divisions>/g, "")
    .replaceAll(/<mode>.*<\/mode>/g, "");
}

describe("MusicXML", () => {
  const names = readdirSync(GOLDEN).filter((name) => name.endsWith(".json")).map((name) => name.replace(".json", ""));

  it.each(names)("is what Python writes of the same music: %s", (name) => {
    const { bars, voices, key } = golden(name);
    const expected = readFileSync(new URL(`${name}.musicxml`, GOLDEN), "utf8");
    const found = comparable(musicXml(notate(bars, voices, key))).split("\n");
    expect(found).toEqual(comparable(expected).split("\n"));
  });

  it("holds the names of chords, and what the schema allows", async () => {
    // tests/music/notation/test_page_notation.py checks this file against the standard's schema.
    const { bars, voices, key } = golden("chorale");
    const heading = { title: "Piece <1> & more", foot: "Composed by a neural network", comment: '{"seed":7}' };
    const xml = musicXml(notate(bars, voices, key), heading);
    expect(xml).toContain("<harmony");
    expect(xml).toContain("<work-title>Piece &lt;1&gt; &amp; more</work-title>");
    await expect(xml).toMatchFileSnapshot("golden/with-chords.xml");
  });

  it("leaves out what XML cannot hold", () => {
    const xml = musicXml(notate([], []), { title: "a\u0000b\ud800c" });
    expect(xml).toContain("<work-title>abc</work-title>");
  });
});
