/* General MIDI's instruments as a list to choose from, in the standard's sixteen groups of eight. The names come from the
   server, which has them once and for all. */

const GROUPS = [
  "Piano", "Chromatic percussion", "Organ", "Guitar", "Bass", "Strings", "Ensemble", "Brass",
  "Reed", "Pipe", "Synth lead", "Synth pad", "Synth effects", "World", "Percussive", "Sound effects",
];

const GROUP = 8;

export function fillInstruments(select: HTMLSelectElement, names: readonly string[]): void {
  for (const [i, label] of GROUPS.entries()) {
    const group = document.createElement("optgroup");
    group.label = label;
    for (const [j, name] of names.slice(i * GROUP, (i + 1) * GROUP).entries()) {
      group.append(new Option(name, String(i * GROUP + j)));
    }
    select.append(group);
  }
}
