/* A network in integer arithmetic: computes one step after the other, and draws symbols from the logits.
 *
 * C99 without a library, floats or malloc: all state is in a struct of yours. Computes the same as playbach's integer
 * reference, bit for bit (tests/export/test_c_engine.py). Knows nothing of music; music.h does.
 */
#ifndef PB_PLAYBACH_H
#define PB_PLAYBACH_H

#include <stdint.h>

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The size of an array, and whether it has any elements. A model.h whose sizes are only known at run time defines
 * both, with the most that it has room for. */
#ifndef PB_ROOM
#define PB_ROOM(size) PB_##size
#define PB_ANY(size) PB_##size
#endif

/* The network's state in one piece. Too large for most stacks: make it static. */
typedef struct {
  int32_t logits[PB_ROOM(SCORES)];         /* after a step: field after field, PB_LOGITS in all, in 1/65,536 nat */
  uint32_t weights[PB_ROOM(MAX_SYMBOLS)]; /* for pb_draw */
#if PB_LSTM
  int32_t cell[PB_ROOM(LAYERS)][PB_ROOM(HIDDEN)];   /* Q20 */
  int16_t hidden[PB_ROOM(LAYERS)][PB_ROOM(HIDDEN)]; /* Q15 */
  int16_t next[PB_ROOM(HIDDEN)];
  int16_t input[PB_ROOM(INPUTS)];
#else
  int16_t hidden[PB_ROOM(HIDDEN)];
  uint8_t image[PB_ROOM(KERNEL) * PB_ROOM(IMAGE)]; /* this and the next two: rings of the last rows */
  uint8_t first[PB_ROOM(KERNEL) * PB_ROOM(FIRST_WIDTH)];
  uint8_t second[PB_ROOM(LAST_ROWS) * PB_ROOM(SECOND_WIDTH)];
  uint8_t oldest, oldest_last; /* the oldest row: of `image` and `first`; of `second` */
#endif
} pb_network;

/* Sets the state at the beginning of a piece. */
void pb_start(pb_network *n);

/* Computes the logits of a step from the symbols of the previous step (PB_FIELDS; at the beginning of a piece
 * pb_symbols[f]) and the context of this one (PB_CONTEXTS symbols). */
void pb_step(pb_network *n, const uint16_t *previous, const uint16_t *context);

/* A field's logits. */
const int32_t *pb_logits(const pb_network *n, uint8_t field);

/* Returns 32 uniform bits: pb_pcg32, or a generator of yours. */
typedef uint32_t (*pb_random)(void *state);

typedef struct {
  uint64_t state, increment;
} pb_pcg32_state;

/* PCG-XSH-RR (O'Neill 2014): small, fast, and the same numbers on every machine. Streams are independent. */
void pb_pcg32_seed(pb_pcg32_state *state, uint64_t seed, uint64_t stream);
uint32_t pb_pcg32(void *state);

typedef struct {
  uint16_t temperature; /* in 1/256: 0 takes the most probable symbol, 256 is temperature 1, 2560 the maximum */
  uint32_t top_p;       /* in 1/65,536: draw from the most probable symbols that have this share; 65536 for all */
} pb_sampling;

/* Draws one of `count` symbols with one random number. `mask` has a 1 for each symbol that may be drawn, at least
 * one; `weights` has room for `count` numbers. */
uint16_t pb_draw(const int32_t *logits, const uint8_t *mask, uint16_t count, const pb_sampling *sampling,
                 pb_random next, void *state, uint32_t *weights);

#ifdef __cplusplus
}
#endif

#endif
