/* The sizes of a network, read at run time from a model file, in place of an exported folder's model.h. PB_MOST_… is
 * what the engine has room for. The network is an LSTM. */
#ifndef PB_MODEL_H
#define PB_MODEL_H

#include <stdint.h>

#define PB_SIZES_AT_RUN_TIME
#define PB_ROOM(size) PB_MOST_##size
#define PB_ANY(size) 1
#define PB_TABLE
#define PB_LSTM 1

#define PB_MOST_FIELDS 8
#define PB_MOST_CONTEXTS 128
#define PB_MOST_MAX_SYMBOLS 4096
#define PB_MOST_SCORES 8192
#define PB_MOST_RELATIONS 64
#define PB_MOST_LAYERS 4
#define PB_MOST_HIDDEN 1024
#define PB_MOST_INPUTS 4096
#define PB_MOST_PARTS (PB_MOST_FIELDS + PB_MOST_CONTEXTS)

typedef struct {
  uint32_t fields, contexts, max_symbols, logits, scores, relations;
  uint32_t layers, hidden, first_inputs, embedded, onehot;
} pb_sizes_of_model;

extern pb_sizes_of_model pb_sizes;
extern uint16_t pb_symbols[PB_MOST_FIELDS];

#define PB_FIELDS pb_sizes.fields
#define PB_CONTEXTS pb_sizes.contexts
#define PB_MAX_SYMBOLS pb_sizes.max_symbols
#define PB_LOGITS pb_sizes.logits
#define PB_SCORES pb_sizes.scores
#define PB_RELATIONS pb_sizes.relations
#define PB_LAYERS pb_sizes.layers
#define PB_HIDDEN pb_sizes.hidden
#define PB_FIRST_INPUTS pb_sizes.first_inputs
#define PB_EMBEDDED pb_sizes.embedded
#define PB_ONEHOT pb_sizes.onehot

typedef uint16_t pb_class;

#endif
