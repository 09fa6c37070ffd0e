import { describe, expect, it } from "vitest";

import { voiceLabels } from "../../src/music/voice-labels";
import { VoiceMix } from "../../src/playback/voice-mix";

const choir = ["Soprano", "Alto", "Tenor", "Bass"];
const heard = (mix: VoiceMix, labels = choir): string[] => labels.filter((label) => mix.hears(label, labels));

describe("VoiceMix", () => {
  it("hears every voice at first, and all but those that are muted", () => {
    const mix = new VoiceMix();
    expect(heard(mix)).toEqual(choir);
    mix.toggleMute("Alto");
    mix.toggleMute("Bass");
    mix.toggleMute("Bass");
    expect(heard(mix)).toEqual(["Soprano", "Tenor", "Bass"]);
    expect([mix.isMuted("Alto"), mix.isMuted("Bass")]).toEqual([true, false]);
  });

  it("hears only solos, if there are any, even muted ones", () => {
    const mix = new VoiceMix();
    mix.toggleMute("Alto");
    mix.toggleSolo("Alto");
    mix.toggleSolo("Bass");
    expect(heard(mix)).toEqual(["Alto", "Bass"]);
    mix.toggleSolo("Alto");
    mix.toggleSolo("Bass");
    expect(heard(mix)).toEqual(["Soprano", "Tenor", "Bass"]);
  });

  it("keeps the choice for later pieces, and hears a piece without the solo", () => {
    const mix = new VoiceMix();
    mix.toggleSolo("Tenor");
    expect(heard(mix, ["Violin", "Cello"])).toEqual(["Violin", "Cello"]);
    expect(heard(mix)).toEqual(["Tenor"]);
  });
});

describe("the labels of voices", () => {
  it("are all different", () => {
    const names = ["Violin", "", "Violin", "Cello", ""].map((name) => ({ name }));
    expect(voiceLabels(names)).toEqual(["Violin", "Voice 2", "Violin 2", "Cello", "Voice 5"]);
  });
});
