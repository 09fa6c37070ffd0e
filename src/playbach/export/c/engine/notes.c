/* The `notes` encoding: a step for each onset, which is a note, a chord or a rest; see music.h.
 *
 * The duration is a field of its own (separate), a part of the symbol (joined), or PB_FIXED units for every onset
 * (none). A unit is a twelfth of a quarter. Symbol 0 of every field stands for all that did not occur in training.
 */
#include <string.h>

#include "music.h"
#define PB_TABLES
#include "vocabulary.h"

#define PB_QUARTER 12 /* in units */
#define PB_GRID (PB_TICKS_PER_QUARTER / PB_QUARTER)
#define PB_MAX_PLACES (8 * PB_QUARTER)
#define PB_SILENT 1 /* a top note: none, as in a rest */
#define PB_FIRST 2  /* the context symbol of pitch 0 */
#define PB_WIDEST 24
#define PB_NO_STEP (2 * PB_WIDEST + 1)
#define PB_ECHOES 6

#include "bars.h"

/* The lengths of echoes, in moves; PB_RECENT at most. */
static const uint8_t pb_echoes[PB_ECHOES] = {1, 2, 3, 4, 6, 8};

/* The number of a chord's notes; chord 0 (not in training) has none, as a rest. */
static uint16_t pb_size(uint16_t chord) { return (uint16_t)(pb_chords[chord + 1] - pb_chords[chord]); }

static uint8_t pb_pitch(uint16_t chord, uint16_t i) { return pb_pitches[pb_chords[chord] + i]; }

void pb_begin(pb_music *m, uint8_t header, uint16_t bars) {
  memset(m, 0, sizeof *m);
  m->header = pb_usable_header(header);
  m->end = pb_end_of(m->header, bars);
}

/* ---- the line of top notes ---- */

/* Within one octave, if octaves are folded. */
static int pb_folded(int pitch) {
  return PB_FOLDED ? (pitch + 24) % 12 : pitch;
}

static uint16_t pb_step_symbol(int move) {
  if (move > PB_WIDEST) move = PB_WIDEST;
  if (move < -PB_WIDEST) move = -PB_WIDEST;
  return (uint16_t)(move + PB_WIDEST);
}

static void pb_add_to_line(pb_music *m, uint8_t pitch) {
  if (m->count) {
    if (m->moves == PB_MAX_NOTES) {
      m->moves = PB_MAX_NOTES / 2;
      memmove(m->line, m->line + PB_MAX_NOTES - m->moves, m->moves);
    }
    m->line[m->moves++] = (int8_t)pb_folded(pitch - m->recent[0]);
  }
  memmove(m->recent + 1, m->recent, PB_RECENT - 1);
  m->recent[0] = pitch;
  if (m->count < PB_RECENT) m->count++;
}

/* How many of the last moves, PB_RECENT at most, equal those before move `at`. */
static unsigned pb_equal_moves(const pb_music *m, unsigned at) {
  unsigned most = at < PB_RECENT ? at : PB_RECENT, count = 0;
  while (count < most && m->line[at - 1 - count] == m->line[m->moves - 1 - count]) count++;
  return count;
}

/* ---- features of the context; each writes its symbols and returns where the next one goes ---- */

static uint16_t *pb_context_top(const pb_music *m, uint16_t *context) {
  *context++ = m->top;
  return context;
}

static uint16_t *pb_context_notes(const pb_music *m, uint16_t *context) {
  unsigned i;
  for (i = 0; i < PB_RECENT; i++) *context++ = (uint16_t)(i < m->count ? PB_FIRST + m->recent[i] : 0);
  return context;
}

static uint16_t *pb_context_steps(const pb_music *m, uint16_t *context) {
  unsigned i;
  for (i = 0; i + 1 < PB_RECENT; i++)
    *context++ = i + 1 < m->count ? pb_step_symbol(m->recent[i] - m->recent[i + 1]) : PB_NO_STEP;
  return context;
}

/* Echoes: the note that followed the last time that the line made its last k moves, for each length k. */
static uint16_t *pb_context_echoes(const pb_music *m, uint16_t *context) {
  uint16_t *echo = context, *step = context + PB_ECHOES;
  unsigned found = 0, i, at;
  for (i = 0; i < PB_ECHOES; i++) {
    echo[i] = 0;
    step[i] = PB_NO_STEP;
  }
  /* Where many moves are equal, so are fewer: short echoes are always found first. */
  for (at = m->moves; at-- > 1 && found < PB_ECHOES;) {
    unsigned equal = pb_equal_moves(m, at);
    for (; found < PB_ECHOES && pb_echoes[found] <= equal; found++) {
      int pitch = pb_folded(m->recent[0] + m->line[at]);
      if (pitch < 0 || pitch > 127) continue;
      echo[found] = (uint16_t)(PB_FIRST + pitch);
      step[found] = pb_step_symbol(pitch - m->recent[0]);
    }
  }
  return context + 2 * PB_ECHOES;
}

void pb_context(const pb_music *m, uint16_t *context) {
#define PB_WRITE(feature) context = feature(m, context);
  PB_FEATURES(PB_WRITE)
#undef PB_WRITE
}

/* ---- masks ---- */

/* Units until the end of the piece; without an end, more than any note lasts. */
static inline uint32_t pb_remaining(const pb_music *m) {
  if (m->end == 0) return UINT32_MAX;
  return m->end > m->tick ? (m->end - m->tick) / PB_GRID : 0;
}

typedef int (*pb_test)(const pb_music *m, uint16_t symbol);

/* Keeps the symbols that pass the test, or all if none does; returns whether any did. */
static int pb_narrow(const pb_music *m, uint8_t *mask, uint16_t count, pb_test test) {
  uint16_t i;
  int some = 0;
  for (i = 0; i < count && !some; i++) some = mask[i] && test(m, i);
  for (i = 0; some && i < count; i++) mask[i] = (uint8_t)(mask[i] && test(m, i));
  return some;
}

/* Whether the run of equal chords is short enough to take this symbol. */
static int pb_unrepeated(const pb_music *m, uint16_t symbol) {
  if (m->chord == PB_REST) return m->run < PB_LONGEST_REST || PB_CHORD_OF(symbol) != PB_REST;
  return m->run < PB_LONGEST_RUN || PB_CHORD_OF(symbol) != m->chord;
}

#if PB_ANY(JOINED)
static int pb_fits(const pb_music *m, uint16_t symbol) { return pb_units[symbol] <= pb_remaining(m); }
#endif

#if PB_ANY(JOINED) || PB_ANY(SEPARATE)
/* Whether this onset ends the piece, or leaves at least a quarter for the last one. */
static int pb_leaves_room(const pb_music *m, uint16_t symbol) {
  uint32_t remaining = pb_remaining(m), units = pb_units[symbol];
  return units == remaining || (units <= remaining && remaining - units >= PB_QUARTER);
}
#endif

static void pb_mask(const pb_music *m, uint8_t field, int style, uint8_t *mask) {
  uint16_t i;
  if (field == 0) {
    for (i = 0; i < PB_SYMBOLS; i++) mask[i] = PB_CHORD_OF(i) != 0;
    i = (uint16_t)pb_narrow(m, mask, PB_SYMBOLS, pb_unrepeated);
#if PB_ANY(JOINED)
    if (PB_JOINED && i) pb_narrow(m, mask, PB_SYMBOLS, pb_fits);
    if (PB_JOINED && style && m->end) pb_narrow(m, mask, PB_SYMBOLS, pb_leaves_room);
#endif
  }
#if PB_ANY(SEPARATE)
  if (PB_SEPARATE && field == PB_DURATION_FIELD) {
    uint32_t longest = pb_remaining(m) ? pb_remaining(m) : 1;
    mask[0] = 0;
    for (i = 1; i < PB_DURATION_SYMBOLS; i++) mask[i] = pb_units[i] <= longest;
    if (style && m->end) pb_narrow(m, mask, PB_DURATION_SYMBOLS, pb_leaves_room);
  }
#endif
#if PB_ANY(VELOCITIES)
  if (PB_VELOCITIES && field == PB_VELOCITY_FIELD)
    for (i = 0; i < PB_VELOCITY_SYMBOLS; i++) mask[i] = i >= PB_VELOCITY_REST;
#endif
  (void)style;
}

void pb_valid_mask(const pb_music *m, uint8_t field, uint8_t *mask) { pb_mask(m, field, 0, mask); }

void pb_style_mask(const pb_music *m, uint8_t field, uint8_t *mask) { pb_mask(m, field, 1, mask); }

/* ---- steps to notes ---- */

static uint8_t pb_units_of(const uint16_t *step) {
#if PB_ANY(JOINED) || PB_ANY(SEPARATE)
  if (PB_JOINED || PB_SEPARATE) return pb_units[step[PB_SEPARATE ? PB_DURATION_FIELD : 0]];
#endif
  (void)step;
  return PB_FIXED;
}

static unsigned pb_velocity_of(const uint16_t *step) {
#if PB_ANY(VELOCITIES)
  if (PB_VELOCITIES) {
    unsigned symbol = step[PB_VELOCITY_FIELD], bin = symbol > PB_VELOCITY_REST ? symbol - PB_VELOCITY_REST - 1u : 0;
    return PB_VELOCITY_BIN * bin + PB_VELOCITY_BIN / 2;
  }
#endif
  (void)step;
  return PB_VELOCITY;
}

/* The pitch that is played. */
static unsigned pb_played(uint8_t pitch) {
#if PB_ANY(FOLDED)
  if (PB_FOLDED) return pb_unfolded[pitch];
#endif
  return pitch;
}

uint8_t pb_feed(pb_music *m, const uint16_t *step, pb_event *events) {
  uint16_t chord = PB_CHORD_OF(step[0]), size = pb_size(chord), i;
  uint8_t units = pb_units_of(step);
  uint32_t next = m->tick + (uint32_t)units * PB_GRID, stop = m->end && next > m->end ? m->end : next;
  pb_event *event = events;
  for (i = 0; i < size; i++)
    event = pb_add_event(event, m->tick, 0, pb_played(pb_pitch(chord, i)), pb_velocity_of(step));
  for (i = 0; i < size; i++) event = pb_add_event(event, stop, 0, pb_played(pb_pitch(chord, i)), 0);
  m->run = m->run && chord == m->chord ? m->run + 1 : 1;
  m->chord = chord;
  m->top = PB_SILENT;
  if (size) {
    uint8_t top = pb_pitch(chord, (uint16_t)(size - 1));
    m->top = (uint8_t)(PB_FIRST + top);
    pb_add_to_line(m, top);
  }
  m->units = units;
  m->tick = next;
  return (uint8_t)(event - events);
}

uint8_t pb_finish(pb_music *m, pb_event *events) {
  (void)m;
  (void)events;
  return 0; /* pb_feed has returned the end of every note */
}

int pb_is_good_ending(const pb_music *m) {
  return pb_size(m->chord) > 0 && ((!PB_JOINED && !PB_SEPARATE) || m->units >= PB_QUARTER);
}
