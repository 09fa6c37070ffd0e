/* The music of a model: the context of each step, the masks of symbols that may be drawn, and the notes of the steps.
 *
 * Fixed memory, whole numbers, C99. Computes the same as playbach's own decoder (tests/export/test_c_music.py). Knows
 * nothing of networks. Ticks begin at 0 with each piece, PB_TICKS_PER_QUARTER to a quarter; a piece may last 2^32 of
 * them (at 120 quarters a minute 51 days).
 */
#ifndef PB_MUSIC_H
#define PB_MUSIC_H

#include <stdint.h>

#include "vocabulary.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A vocabulary.h whose sizes are only known at run time defines these three; see playbach.h. */
#ifndef PB_TABLE
#define PB_TABLE const
#endif
#ifndef PB_ROOM
#define PB_ROOM(size) PB_##size
#define PB_ANY(size) PB_##size
#endif

#ifndef PB_SIZES_AT_RUN_TIME
#if defined(PB_FIELDS) && PB_FIELDS != PB_MUSIC_FIELDS
#error "model.h and vocabulary.h are of different models"
#endif
#if defined(PB_CONTEXTS) && PB_CONTEXTS != PB_MUSIC_CONTEXTS
#error "model.h and vocabulary.h are of different models"
#endif
#endif

/* What holds for a whole piece. */
typedef struct {
  uint32_t pieces;       /* training pieces that have this header; 0: only a passage has it */
  uint32_t microseconds; /* of a quarter: the tempo as MIDI files write it */
  uint32_t pickup;       /* ticks before the first full bar; 0: no pickup */
  uint16_t bar;          /* ticks of a full bar */
  uint16_t meter;        /* the meter's context symbol */
  uint8_t numerator, denominator;
  uint8_t programs[PB_ROOM(TRACKS)]; /* General MIDI programs, from 0 */
} pb_header;

/* The beginning of a training piece, as steps to feed and to step the network with. */
typedef struct {
  uint16_t first; /* its first step is at pb_passage_symbols[first * PB_MUSIC_FIELDS] */
  uint16_t steps;
  uint8_t header; /* an index into pb_headers */
  uint8_t bars;   /* that it fills or begins */
} pb_passage;

extern PB_TABLE pb_header pb_headers[PB_ROOM(HEADERS)];
#if PB_PASSAGES
extern const pb_passage pb_passages[PB_PASSAGES];
extern const pb_passage_symbol pb_passage_symbols[];
#endif

/* The beginning of a note, or with velocity 0 its end. */
typedef struct {
  uint32_t tick;
  uint8_t track, pitch, velocity;
} pb_event;

#if PB_ENCODING_NOTES

/* How many moves of the line of top notes are remembered, to find echoes in; one byte each. When this is reached, the
 * older half is forgotten, and echoes from there are no longer found. At least 32. */
#ifndef PB_MAX_NOTES
#define PB_MAX_NOTES 2048
#endif
#if PB_MAX_NOTES < 32 || PB_MAX_NOTES > 65535
#error "PB_MAX_NOTES must lie between 32 and 65535"
#endif
#define PB_RECENT 8

typedef struct {
  uint32_t tick, end; /* where the next step begins; where the piece ends, 0: never */
  uint32_t run;       /* how often the last chord has come in succession */
  uint16_t chord;
  uint16_t moves; /* in `line` */
  uint8_t units;  /* of the last step */
  uint8_t top;    /* the last top note, as a context symbol */
  uint8_t count;  /* of `recent` */
  uint8_t header;
  uint8_t recent[PB_RECENT]; /* the line's last notes, the newest first */
  int8_t line[PB_MAX_NOTES]; /* the line's moves in semitones */
} pb_music;

#else /* chorale */

typedef struct {
  uint32_t tick, end;   /* where this onset is; where the piece ends, 0: never */
  uint32_t frame;       /* `tick` in sixteenths */
  uint32_t begun[4];    /* the frame at which each voice began its note or rest */
  uint32_t weights[12]; /* how long each pitch class has sounded */
  uint8_t sounding[4], before[4]; /* each voice's symbol now, and before this onset */
  uint8_t slot;                   /* which step of the onset comes next */
  uint8_t waited;                 /* sixteenths since the last onset */
  uint8_t key;                    /* of all that has sounded, 1 to 24; 0: none yet */
  uint8_t header;
} pb_music;

#endif

/* Draws a header, in proportion to the training pieces that have it; `random` has 32 uniform bits. */
uint8_t pb_draw_header(uint32_t random);

/* Begins a piece with this header (an index into pb_headers), which ends after `bars` full bars; 0: never. */
void pb_begin(pb_music *m, uint8_t header, uint16_t bars);

/* From here on, the piece ends after this number of full bars; 0: never. */
void pb_end_after(pb_music *m, uint16_t bars);

/* The bar of the next step; a pickup is bar 0. */
uint32_t pb_bar(const pb_music *m);

/* Writes the context of the next step: PB_MUSIC_CONTEXTS symbols. */
void pb_context(const pb_music *m, uint16_t *context);

/* Writes which symbols of a field are possible as the next step (1, else 0). */
void pb_valid_mask(const pb_music *m, uint8_t field, uint8_t *mask);

/* As pb_valid_mask, but only the symbols that keep the rules of style. */
void pb_style_mask(const pb_music *m, uint8_t field, uint8_t *mask);

/* Takes the next step, PB_MUSIC_FIELDS symbols. Writes the events that are then certain (PB_MAX_EVENTS at most) in
 * order of time, at one tick ends before beginnings, and returns their number. An end may lie ahead of the next
 * step. */
uint8_t pb_feed(pb_music *m, const uint16_t *step, pb_event *events);

/* Whether the piece has its full length; no step may be fed after that. */
int pb_finished(const pb_music *m);

/* Ends all notes that sound, at this point; writes events as pb_feed does. */
uint8_t pb_finish(pb_music *m, pb_event *events);

/* Whether the piece would have a good ending if it ended here. */
int pb_is_good_ending(const pb_music *m);

/* The bars that follow this one: 9 stands for many, 10 for unknown. */
uint8_t pb_bars_left(const pb_music *m);

#ifdef __cplusplus
}
#endif

#endif
