/* A network that plays, in whole numbers: one step after the other, and symbols drawn from what it says.
 *
 * C99 without a library; no floats, no malloc: all that changes is in a struct of yours. Computes what playbach's
 * integer reference computes, bit for bit (tests/test_c_engine.py). Knows nothing of music; that is music.h.
 */
#ifndef PB_PLAYBACH_H
#define PB_PLAYBACH_H

#include <stdint.h>

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One piece's way through the network. Too large for most stacks: make it static. */
typedef struct {
  int32_t logits[PB_SCORES];         /* after a step: field after field, PB_LOGITS in all, in 65,536ths of a nat */
  uint32_t weights[PB_MOST_SYMBOLS]; /* for pb_draw */
#if PB_LSTM
  int32_t cell[PB_LAYERS][PB_HIDDEN];   /* Q20 */
  int16_t hidden[PB_LAYERS][PB_HIDDEN]; /* Q15 */
  int16_t next[PB_HIDDEN];
  int16_t input[PB_INPUTS];
#else
  int16_t hidden[PB_HIDDEN];
  uint8_t image[PB_KERNEL * PB_IMAGE]; /* rings of the last rows */
  uint8_t first[PB_KERNEL * PB_FIRST_WIDTH];
  uint8_t second[PB_SEEN * PB_SECOND_WIDTH];
  uint8_t oldest, oldest_seen; /* their rows that come first */
#endif
} pb_network;

/* Having seen nothing. */
void pb_start(pb_network *n);

/* One step: the symbols of the step before (PB_FIELDS of them; pb_symbols[f] where a piece begins) and what is known of
 * this one (PB_CONTEXTS symbols) become logits. */
void pb_step(pb_network *n, const uint16_t *previous, const uint16_t *context);

/* Where a field's logits begin. */
const int32_t *pb_logits(const pb_network *n, uint8_t field);

/* 32 uniform bits, of a generator of yours or pb_pcg32's. */
typedef uint32_t (*pb_random)(void *state);

typedef struct {
  uint64_t state, increment;
} pb_pcg32_state;

/* PCG-XSH-RR (O'Neill 2014): small, fast, and the same numbers everywhere. Different streams never meet. */
void pb_pcg32_seed(pb_pcg32_state *state, uint64_t seed, uint64_t stream);
uint32_t pb_pcg32(void *state);

typedef struct {
  uint16_t temperature; /* in 256ths; 0 takes the most probable symbol, 256 the network's own chances, 2560 the most */
  uint32_t top_p;       /* in 65,536ths: the share that the symbols that are drawn from have at least; 65536 is all */
} pb_sampling;

/* A symbol of `count`, with one random number. `mask` has a 1 for each that may be drawn, at least one; `weights` is
 * room for `count` numbers. */
uint16_t pb_draw(const int32_t *logits, const uint8_t *mask, uint16_t count, const pb_sampling *sampling,
                 pb_random next, void *state, uint32_t *weights);

#ifdef __cplusplus
}
#endif

#endif
