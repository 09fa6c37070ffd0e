/* The menu of General MIDI's instruments, in the standard's sixteen groups of eight. The names come from the server. */

const GROUPS = [
  "Piano", "Chromatic percussion", "Organ", "Guitar", "Bass", "Strings", "Ensemble", "Brass",
  "Reed", "Pipe", "Synth lead", "Synth pad", "Synth effects", "World", "Percussive", "Sound effects",
];

const GROUP_SIZE = 8;

export function fillInstrumentMenu(select: HTMLSelectElement, names: readonly string[]): void {
  for (const [i, label] of GROUPS.entries()) {
    const group = document.createElement("optgroup");
    group.label = label;
    for (const [j, name] of names.slice(i * GROUP_SIZE, (i + 1) * GROUP_SIZE).entries()) {
      group.append(new Option(name, String(i * GROUP_SIZE + j)));
    }
    select.append(group);
  }
}
