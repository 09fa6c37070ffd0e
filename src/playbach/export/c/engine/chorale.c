/* The `chorale` encoding: four voices, onset after onset. An onset has five steps: soprano, bass, alto and tenor (a
 * pitch, hold or rest) and then the wait until the next onset; see music.h. Symbol 0 stands for whatever did not
 * occur in training.
 */
#include <string.h>

#include "music.h"
#define PB_TABLES
#include "vocabulary.h"

#define PB_VOICES 4
#define PB_BASS 3
#define PB_SLOTS (PB_VOICES + 1)
#define PB_WAIT_SLOT PB_VOICES
#define PB_HOLD 1
#define PB_SILENT 2
#define PB_FIRST_PITCH 3
#define PB_MAX_WAIT 16
#define PB_MAX_LENGTH 32
#define PB_MAX_PLACES 64
#define PB_GRID (PB_TICKS_PER_QUARTER / 4)
#define PB_NO_INTERVAL 12
#define PB_NO_MOTION 25
#define PB_WIDEST_MOTION 12

#include "bars.h"

/* The voices in the order of their steps; soprano, alto, tenor and bass are 0 to 3. */
static const uint8_t pb_order[PB_VOICES] = {0, 3, 1, 2};

static int pb_is_pitch(uint8_t symbol) { return symbol >= PB_FIRST_PITCH; }

static unsigned pb_pitch(uint8_t symbol) { return PB_LOW + symbol - (unsigned)PB_FIRST_PITCH; }

void pb_begin(pb_music *m, uint8_t header, uint16_t bars) {
  memset(m, 0, sizeof *m);
  m->header = pb_usable_header(header);
  m->end = pb_end_of(m->header, bars);
  memset(m->sounding, PB_HOLD, sizeof m->sounding);
  memset(m->before, PB_HOLD, sizeof m->before);
}

/* ---- features of the context; each writes its symbols and returns where the next one goes ---- */

/* Semitones, modulo the octave, from another voice's symbol up to this one's. */
static uint16_t pb_interval(uint8_t own, uint8_t other) {
  if (!pb_is_pitch(own) || !pb_is_pitch(other)) return PB_NO_INTERVAL;
  return (uint16_t)((own + 144 - other) % 12);
}

/* A voice's move at this onset, in semitones from -12 on. */
static uint16_t pb_motion(uint8_t before, uint8_t now) {
  int moved = now - before;
  if (!pb_is_pitch(before) || !pb_is_pitch(now)) return PB_NO_MOTION;
  if (moved > PB_WIDEST_MOTION) moved = PB_WIDEST_MOTION;
  if (moved < -PB_WIDEST_MOTION) moved = -PB_WIDEST_MOTION;
  return (uint16_t)(moved + PB_WIDEST_MOTION);
}

/* The key that best fits all that has sounded, 1 to 24; 0 if nothing has sounded. */
static uint8_t pb_best_key(const uint32_t *weights) {
  int64_t most = 0;
  uint8_t best = 0, key, i;
  int some = 0;
  for (i = 0; i < 12; i++) some |= weights[i] != 0;
  for (key = 0; some && key < 24; key++) {
    int64_t sum = 0;
    for (i = 0; i < 12; i++) sum += (int64_t)weights[i] * pb_scales[key / 12][(i + 24 - key) % 12];
    if (best == 0 || sum > most) {
      most = sum;
      best = (uint8_t)(key + 1);
    }
  }
  return best;
}

/* What this voice sounded before this onset; a wait is seen from the bass. */
static uint8_t pb_own(const pb_music *m) { return m->before[m->slot == PB_WAIT_SLOT ? PB_BASS : pb_order[m->slot]]; }

static uint16_t *pb_context_voice(const pb_music *m, uint16_t *context) {
  *context++ = m->slot;
  return context;
}

static uint16_t *pb_context_waited(const pb_music *m, uint16_t *context) {
  *context++ = m->waited;
  return context;
}

static uint16_t *pb_context_lengths(const pb_music *m, uint16_t *context) {
  unsigned v;
  for (v = 0; v < PB_VOICES; v++) *context++ = pb_min(m->frame - m->begun[v], PB_MAX_LENGTH);
  return context;
}

static uint16_t *pb_context_own(const pb_music *m, uint16_t *context) {
  *context++ = m->slot == PB_WAIT_SLOT ? 0 : pb_own(m);
  return context;
}

static uint16_t *pb_context_sounding(const pb_music *m, uint16_t *context) {
  unsigned v;
  for (v = 0; v < PB_VOICES; v++) *context++ = m->sounding[v];
  return context;
}

static uint16_t *pb_context_intervals(const pb_music *m, uint16_t *context) {
  unsigned v;
  for (v = 0; v < PB_VOICES; v++) *context++ = pb_interval(pb_own(m), m->before[v]);
  return context;
}

static uint16_t *pb_context_motions(const pb_music *m, uint16_t *context) {
  unsigned v;
  for (v = 0; v < PB_VOICES; v++) *context++ = pb_motion(m->before[v], m->sounding[v]);
  return context;
}

static uint16_t *pb_context_home(const pb_music *m, uint16_t *context) {
  *context++ = m->key;
  return context;
}

#ifdef PB_GIVEN
/* The engine composes freely: no voice is given. */
static uint16_t *pb_context_given(const pb_music *m, uint16_t *context) {
  unsigned i;
  (void)m;
  for (i = 0; i < PB_GIVEN; i++) *context++ = 0;
  return context;
}
#endif

void pb_context(const pb_music *m, uint16_t *context) {
#define PB_WRITE(feature) context = feature(m, context);
  PB_FEATURES(PB_WRITE)
#undef PB_WRITE
}

/* ---- masks ---- */

/* A wait crosses neither a bar line nor the end. */
static void pb_valid_waits(const pb_music *m, uint8_t *mask) {
  const pb_header *h = &pb_headers[m->header];
  uint32_t until = m->tick - pb_place(m) + h->bar, longest, i;
  if (m->end && until > m->end) until = m->end;
  longest = until / PB_GRID > m->frame ? until / PB_GRID - m->frame : 1;
  for (i = 0; i < longest && i < PB_MAX_WAIT; i++) mask[PB_FIRST_WAIT + i] = 1;
}

/* Whether all voices may hold at this onset: yes if the wait that led here could not have been longer. */
static int pb_may_all_hold(const pb_music *m) { return m->waited == PB_MAX_WAIT || pb_place(m) == 0; }

/* Whether a voice has begun a note or a rest at this onset. */
static int pb_any_begins(const pb_music *m) {
  int v, some = 0;
  for (v = 0; v < PB_VOICES; v++) some |= m->begun[v] == m->frame;
  return some;
}

static void pb_valid_voice(const pb_music *m, unsigned voice, uint8_t *mask) {
  uint8_t sounding = m->sounding[voice];
  uint32_t length = m->frame - m->begun[voice];
  int i;
  for (i = pb_ranges[voice][0]; i <= pb_ranges[voice][1]; i++) mask[i] = 1;
  mask[PB_HOLD] = sounding == PB_SILENT || (sounding != PB_HOLD && length < PB_LONGEST);
  mask[PB_SILENT] = sounding != PB_SILENT;
  /* If all held, there would be no onset; but a voice that never sounds can only hold. */
  if (m->slot == PB_WAIT_SLOT - 1 && !pb_may_all_hold(m) && !pb_any_begins(m))
    mask[PB_HOLD] = !mask[PB_SILENT] && pb_ranges[voice][0] > pb_ranges[voice][1];
}

static int pb_sign(int number) { return (number > 0) - (number < 0); }

static int pb_distance(int a, int b) { return a > b ? a - b : b - a; }

/* Whether moving from `own` to this symbol makes parallel octaves, unisons or fifths with another voice. */
static int pb_is_parallel(const pb_music *m, uint8_t own, int symbol, unsigned other) {
  uint8_t before = m->before[other], now = m->sounding[other];
  int interval = pb_distance(own, before) % 12;
  if (!pb_is_pitch(own) || !pb_is_pitch(before) || !pb_is_pitch(now)) return 0;
  if (now == before || (interval != 0 && interval != 7) || symbol < PB_FIRST_PITCH) return 0;
  return pb_sign(symbol - own) == pb_sign(now - before) && pb_distance(symbol, now) % 12 == interval;
}

/* Removes parallels with voices that have already moved. At least a rest remains for a voice that sounds. */
static void pb_remove_parallels(const pb_music *m, uint8_t *mask) {
  uint8_t own = m->sounding[pb_order[m->slot]];
  int symbol, slot;
  for (symbol = 0; symbol < PB_SYMBOLS; symbol++)
    for (slot = 0; slot < m->slot; slot++)
      if (pb_is_parallel(m, own, symbol, pb_order[slot])) mask[symbol] = 0;
}

void pb_valid_mask(const pb_music *m, uint8_t field, uint8_t *mask) {
  (void)field; /* there is only one */
  memset(mask, 0, PB_SYMBOLS);
  if (m->slot == PB_WAIT_SLOT)
    pb_valid_waits(m, mask);
  else
    pb_valid_voice(m, pb_order[m->slot], mask);
}

void pb_style_mask(const pb_music *m, uint8_t field, uint8_t *mask) {
  pb_valid_mask(m, field, mask);
  if (m->slot != PB_WAIT_SLOT) pb_remove_parallels(m, mask);
}

/* ---- steps to notes ---- */

/* The ends of the notes that this onset ended, or with `all` of all notes that sound. */
static pb_event *pb_ends(const pb_music *m, int all, pb_event *event) {
  unsigned v;
  for (v = 0; v < PB_VOICES; v++) {
    uint8_t old = m->begun[v] == m->frame ? m->before[v] : m->sounding[v];
    if (pb_is_pitch(old) && (all || m->begun[v] == m->frame))
      event = pb_add_event(event, m->tick, v, pb_pitch(old), 0);
  }
  return event;
}

static pb_event *pb_beginnings(const pb_music *m, pb_event *event) {
  unsigned v;
  for (v = 0; v < PB_VOICES; v++)
    if (m->begun[v] == m->frame && pb_is_pitch(m->sounding[v]))
      event = pb_add_event(event, m->tick, v, pb_pitch(m->sounding[v]), PB_VELOCITY);
  return event;
}

static void pb_wait(pb_music *m, uint16_t symbol) {
  unsigned v;
  m->waited = symbol > PB_FIRST_WAIT ? (uint8_t)(symbol - PB_FIRST_WAIT + 1) : 1;
  m->frame += m->waited;
  m->tick = m->frame * PB_GRID;
  memcpy(m->before, m->sounding, sizeof m->before);
  for (v = 0; v < PB_VOICES; v++)
    if (pb_is_pitch(m->sounding[v])) m->weights[pb_pitch(m->sounding[v]) % 12] += m->waited;
  m->key = pb_best_key(m->weights);
}

/* The events of an onset are returned with its wait, so that ends come before beginnings. */
uint8_t pb_feed(pb_music *m, const uint16_t *step, pb_event *events) {
  pb_event *event = events;
  if (m->slot == PB_WAIT_SLOT) {
    event = pb_beginnings(m, pb_ends(m, 0, event));
    pb_wait(m, step[0]);
  } else if (step[0] != PB_HOLD) {
    m->sounding[pb_order[m->slot]] = (uint8_t)step[0];
    m->begun[pb_order[m->slot]] = m->frame;
  }
  m->slot = (uint8_t)((m->slot + 1) % PB_SLOTS);
  return (uint8_t)(event - events);
}

uint8_t pb_finish(pb_music *m, pb_event *events) {
  pb_event *event = pb_ends(m, 1, events);
  memset(m->sounding, PB_SILENT, sizeof m->sounding);
  memset(m->before, PB_SILENT, sizeof m->before);
  return (uint8_t)(event - events);
}

/* Whether all voices have held for a quarter in a triad on the bass, which is the tonic; the fifth may be missing. */
int pb_is_good_ending(const pb_music *m) {
  unsigned v, above = 0; /* a bit for each interval from the bass */
  for (v = 0; v < PB_VOICES; v++) {
    if (!pb_is_pitch(m->sounding[v]) || m->frame - m->begun[v] < PB_TICKS_PER_QUARTER / PB_GRID) return 0;
    above |= 1u << pb_interval(m->sounding[v], m->sounding[PB_BASS]);
  }
  if (m->key == 0 || (m->key - 1u) % 12 != pb_pitch(m->sounding[PB_BASS]) % 12) return 0;
  above &= ~(1u << 7);
  return above == ((1u << 0) | (1u << 3)) || above == ((1u << 0) | (1u << 4));
}
