"""From a score to what stands on the page: measures, voices, chords, spelled pitches, ties, tuplets and beams.

Pure functions, from a score to frozen data; nothing is drawn or written here. `model.py` has the data, `sheet.py`
makes it from a score. Below them: `quantising.py` puts times on a grid that can be written, `layout.py` chooses
parts, staves and clefs, `hands.py` and `voices.py` divide notes among them, `spelling.py` names pitches, and
`rhythm.py` divides a bar of a voice into written values by the levels of its meter (`pulses.py`).
"""
