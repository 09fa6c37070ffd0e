/* The music of a model: what it is told before a step, which symbols make sense as one, and the notes that steps are.
 *
 * Fixed memory, whole numbers, C99. Agrees in everything with playbach's own decoder (tests/test_c_music.py). Knows
 * nothing of networks; ticks are PB_TICKS_PER_QUARTER to a quarter and begin at 0 with each piece. One piece may last
 * 2^32 ticks (at 120 quarters a minute 51 days).
 */
#ifndef PB_MUSIC_H
#define PB_MUSIC_H

#include <stdint.h>

#include "vocabulary.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(PB_FIELDS) && PB_FIELDS != PB_MUSIC_FIELDS
#error "model.h and vocabulary.h are of different models"
#endif
#if defined(PB_CONTEXTS) && PB_CONTEXTS != PB_MUSIC_CONTEXTS
#error "model.h and vocabulary.h are of different models"
#endif

/* What is said once of a piece. */
typedef struct {
  uint32_t pieces;       /* how many training pieces begin so; 0: only a passage does */
  uint32_t microseconds; /* a quarter: the tempo as MIDI files write it */
  uint32_t pickup;       /* ticks of the bar before the first full one; 0: there is none */
  uint16_t bar;          /* ticks of a full bar */
  uint16_t meter;        /* as a symbol of the context */
  uint8_t numerator, denominator;
  uint8_t programs[PB_TRACKS]; /* General MIDI's, from 0 */
} pb_header;

/* The beginning of a training piece, as steps to feed and to let the network hear. */
typedef struct {
  uint16_t first; /* its first step's place in pb_passage_symbols is first * PB_MUSIC_FIELDS */
  uint16_t steps;
  uint8_t header;
  uint8_t bars; /* that it fills or begins */
} pb_passage;

extern const pb_header pb_headers[PB_HEADERS];
#if PB_PASSAGES
extern const pb_passage pb_passages[PB_PASSAGES];
extern const pb_passage_symbol pb_passage_symbols[];
#endif

/* A note begins, or with velocity 0 ends. */
typedef struct {
  uint32_t tick;
  uint8_t track, pitch, velocity;
} pb_event;

#if PB_ENCODING_NOTES

/* Moves of the line of top notes that are remembered, to find echoes in: one byte each. Where a piece has more, the
 * older half is forgotten, and from then on an echo that was last heard there is not told. At least 32. */
#ifndef PB_MOST_NOTES
#define PB_MOST_NOTES 2048
#endif
#if PB_MOST_NOTES < 32 || PB_MOST_NOTES > 65535
#error "PB_MOST_NOTES must lie between 32 and 65535"
#endif
#define PB_RECENT 8

typedef struct {
  uint32_t tick, end; /* where the next step begins; where the piece ends, 0: never */
  uint32_t run;       /* how often the last chord has come in succession */
  uint16_t chord;
  uint16_t moves; /* in `line` */
  uint8_t units;  /* of the last step */
  uint8_t top;
  uint8_t heard; /* of `notes` */
  uint8_t header;
  uint8_t notes[PB_RECENT]; /* the line's last ones, the last first */
  int8_t line[PB_MOST_NOTES];
} pb_music;

#else /* chorale */

typedef struct {
  uint32_t tick, end; /* where this onset is; where the piece ends, 0: never */
  uint32_t frame;     /* `tick` in sixteenths */
  uint32_t begun[4];  /* the frame since which each voice does what it does */
  uint32_t weights[12]; /* how long each pitch class has sounded */
  uint8_t sounding[4], before[4]; /* as symbols: now, and before this onset */
  uint8_t slot, waited, home, header;
} pb_music;

#endif

/* A header, drawn as often as training pieces begin with it; `random` are 32 uniform bits. */
uint8_t pb_draw_header(uint32_t random);

/* A piece that begins with this header (an index into pb_headers) and ends after so many full bars; 0: never. */
void pb_begin(pb_music *m, uint8_t header, uint16_t bars);

/* What is known before the next step: PB_MUSIC_CONTEXTS symbols. */
void pb_context(const pb_music *m, uint16_t *context);

/* Which symbols of a field make sense as the next step (1, else 0); `careful`: those a careful writer would take. */
void pb_allowed(const pb_music *m, uint8_t field, int careful, uint8_t *mask);

/* Take the next step, PB_MUSIC_FIELDS symbols, and give the events that are certain by it, at most PB_MOST_EVENTS, in
 * order of time and at one tick ends before beginnings; returns how many. An end can lie ahead of the next step. */
uint8_t pb_feed(pb_music *m, const uint16_t *step, pb_event *events);

/* Whether the length that was asked for is reached; nothing may be fed after that. */
int pb_finished(const pb_music *m);

/* Ends what sounds, here; as pb_feed. */
uint8_t pb_finish(pb_music *m, pb_event *events);

/* Whether what was fed would be an ending, if it ended here. */
int pb_ends_well(const pb_music *m);

/* How many bars follow this one, 9 for many, 10 where the length is not known. */
uint8_t pb_left(const pb_music *m);

#ifdef __cplusplus
}
#endif

#endif
