/* The vocabulary of a model, read at run time from a model file, in place of an exported folder's vocabulary.h. There
 * is an engine for each encoding: PB_ENCODING_NOTES comes from the command line. */
#ifndef PB_VOCABULARY_H
#define PB_VOCABULARY_H

#include "model.h"

#define PB_ENCODING_CHORALE !PB_ENCODING_NOTES
#define PB_TICKS_PER_QUARTER 480
#define PB_PASSAGES 0
#define PB_MOST_TRACKS 4
#define PB_MOST_HEADERS 16
#define PB_MOST_FEATURES 32
#define PB_MAX_EVENTS 256

typedef uint16_t pb_passage_symbol;

typedef struct {
  uint32_t tracks, headers, features, symbols;
#if PB_ENCODING_NOTES
  uint32_t chord_count, rest, longest_run, longest_rest, folded, joined, separate, fixed, duration_symbols;
  uint32_t velocities, velocity, velocity_field, velocity_rest, velocity_symbols, velocity_bin;
#else
  uint32_t low, first_wait, longest, velocity, given;
#endif
} pb_music_sizes;

extern pb_music_sizes pb_vocabulary;

#define PB_MUSIC_FIELDS PB_FIELDS
#define PB_MUSIC_CONTEXTS PB_CONTEXTS
#define PB_TRACKS pb_vocabulary.tracks
#define PB_HEADERS pb_vocabulary.headers
#define PB_SYMBOLS (int)pb_vocabulary.symbols
#define PB_VELOCITY pb_vocabulary.velocity
#if PB_ENCODING_NOTES
#define PB_CHORD_OF(symbol) pb_chord_of[symbol]
#define PB_REST pb_vocabulary.rest
#define PB_LONGEST_RUN pb_vocabulary.longest_run
#define PB_LONGEST_REST pb_vocabulary.longest_rest
#define PB_FOLDED pb_vocabulary.folded
#define PB_JOINED pb_vocabulary.joined
#define PB_SEPARATE pb_vocabulary.separate
#define PB_FIXED (uint8_t)pb_vocabulary.fixed
#define PB_DURATION_FIELD 1
#define PB_DURATION_SYMBOLS pb_vocabulary.duration_symbols
#define PB_VELOCITIES pb_vocabulary.velocities
#define PB_VELOCITY_FIELD pb_vocabulary.velocity_field
#define PB_VELOCITY_SYMBOLS pb_vocabulary.velocity_symbols
#define PB_VELOCITY_REST pb_vocabulary.velocity_rest
#define PB_VELOCITY_BIN pb_vocabulary.velocity_bin
#else
#define PB_LOW pb_vocabulary.low
#define PB_FIRST_WAIT pb_vocabulary.first_wait
#define PB_LONGEST pb_vocabulary.longest
#define PB_GIVEN pb_vocabulary.given
#endif

/* Applies `apply` to the function of each feature of the model, in order. */
#define PB_FEATURES(apply)                     \
  uint32_t i;                                  \
  for (i = 0; i < pb_vocabulary.features; i++) \
    apply(pb_feature_of[i])

#endif

/* Only music.c needs these. */
#if defined(PB_TABLES) && !defined(PB_TABLES_READ)
#define PB_TABLES_READ

#include "sections.h"

typedef uint16_t *(*pb_feature)(const pb_music *m, uint16_t *context);

pb_music_sizes pb_vocabulary;
pb_header pb_headers[PB_MOST_HEADERS];
static pb_feature pb_feature_of[PB_MOST_FEATURES];
#if PB_ENCODING_NOTES
static const uint16_t *pb_chord_of;
static const uint32_t *pb_chords;
static const uint8_t *pb_pitches, *pb_units, *pb_unfolded;
#else
static const uint8_t (*pb_ranges)[2];
static const int32_t (*pb_scales)[12];
#endif

#endif
