/* The weights of a network, read at run time from a model file, in place of an exported folder's weights.h. A part of
 * playbach.c, which alone includes it. */
#include "sections.h"

#define PB_LOG2_E pb_log2_e

pb_sizes_of_model pb_sizes;
uint16_t pb_symbols[PB_MOST_FIELDS];

static uint32_t pb_log2_e;
static const uint32_t *pb_powers;
static pb_linear pb_heads;
static pb_relation pb_relations[PB_MOST_RELATIONS];

static pb_linear pb_read_linear(pb_file *f, const char *kind, int number, uint32_t rows, uint32_t inputs, int bias) {
  pb_linear l = {0, 0, 0, 0};
  const uint8_t *shift;
  l.weight = (const int8_t *)pb_read(f, kind, number, "weight", rows * inputs);
  if (bias) l.bias = (const int32_t *)pb_read(f, kind, number, "bias", 4 * rows);
  l.multiplier = (const int32_t *)pb_read(f, kind, number, "multiplier", 4 * rows);
  shift = (const uint8_t *)pb_read(f, kind, number, "shift", 1);
  if (shift) l.shift = *shift;
  if (l.shift > 62) f->damaged = 1;
  return l;
}

static const int16_t *pb_sigmoid, *pb_tanh;
static pb_table pb_embedded[PB_MOST_PARTS], pb_onehot[PB_MOST_FIELDS];
static pb_layer pb_layers[PB_MOST_LAYERS];

/* Tables of `width` columns and as many rows as the section has; `most` columns in all. */
static void pb_read_tables(pb_file *f, const char *kind, pb_table *tables, uint32_t count, uint32_t most) {
  const uint32_t *widths = (const uint32_t *)pb_read(f, kind, -1, "widths", 4 * count);
  uint32_t i, all = 0;
  for (i = 0; !f->damaged && i < count; i++) {
    char name[PB_NAME_BYTES];
    uint32_t bytes = 0;
    pb_name(name, kind, (int)i, "");
    tables[i].rows = (const int8_t *)pb_find(f, name, &bytes);
    tables[i].width = widths[i];
    all += widths[i];
    if (!tables[i].rows || (widths[i] && bytes % widths[i]) || all > most) f->damaged = 1;
  }
}

static void pb_read_layers(pb_file *f) {
  uint32_t i, gates;
  PB_LAYERS = pb_number(f, "layers", PB_MOST_LAYERS);
  PB_HIDDEN = pb_number(f, "hidden", PB_MOST_HIDDEN);
  PB_FIRST_INPUTS = pb_number(f, "first_inputs", PB_MOST_INPUTS);
  PB_EMBEDDED = pb_number(f, "embedded", PB_MOST_PARTS);
  PB_ONEHOT = pb_number(f, "onehot", PB_MOST_FIELDS);
  gates = 4 * PB_HIDDEN;
  pb_sigmoid = (const int16_t *)pb_read(f, "sigmoid", -1, "", 2 * 257);
  pb_tanh = (const int16_t *)pb_read(f, "tanh", -1, "", 2 * 257);
  pb_read_tables(f, "embedded", pb_embedded, PB_EMBEDDED, PB_FIRST_INPUTS);
  if (PB_ONEHOT) pb_read_tables(f, "onehot", pb_onehot, PB_ONEHOT, PB_ONEHOT * gates);
  for (i = 0; i < PB_LAYERS; i++) {
    pb_layers[i].inputs = pb_read_linear(f, "inputs", (int)i, gates, i ? PB_HIDDEN : PB_FIRST_INPUTS, 1);
    pb_layers[i].hidden = pb_read_linear(f, "recurrent", (int)i, gates, PB_HIDDEN, 0);
  }
}

static void pb_read_relations(pb_file *f) {
  /* Field, column, aspects, first class, table of classes, table of aspects. */
  const uint32_t *rows = (const uint32_t *)pb_read(f, "relations", -1, "", 4 * 6 * PB_RELATIONS);
  uint32_t i, k, first;
  for (i = 0; !f->damaged && i < PB_RELATIONS; i++, rows += 6) {
    pb_relation *r = &pb_relations[i];
    char name[PB_NAME_BYTES];
    r->field = rows[0];
    r->column = rows[1];
    r->aspects = rows[2];
    r->first_class = rows[3];
    pb_name(name, "classes", (int)rows[4], "");
    r->classes = (const pb_class *)pb_find(f, name, 0);
    pb_name(name, "classes", (int)rows[5], "");
    r->aspect_of = (const pb_class *)pb_find(f, name, 0);
    if (!r->classes || !r->aspect_of || r->field >= PB_FIELDS || r->column >= PB_CONTEXTS) {
      f->damaged = 1;
      return;
    }
    for (first = 0, k = 0; k < r->field; k++) first += pb_symbols[k];
    r->first_logit = first;
  }
}

/* Reads the network from a model file, which stays in memory. */
void pb_read_network(pb_file *f) {
  const uint16_t *symbols;
  uint32_t i, all = 0;
  PB_FIELDS = pb_number(f, "fields", PB_MOST_FIELDS);
  PB_CONTEXTS = pb_number(f, "contexts", PB_MOST_CONTEXTS);
  PB_SCORES = pb_number(f, "scores", PB_MOST_SCORES);
  PB_RELATIONS = pb_number(f, "relation_count", PB_MOST_RELATIONS);
  PB_MAX_SYMBOLS = 0;
  symbols = (const uint16_t *)pb_read(f, "symbols", -1, "", 2 * PB_FIELDS);
  for (i = 0; !f->damaged && i < PB_FIELDS; i++) {
    pb_symbols[i] = symbols[i];
    all += symbols[i];
    if (symbols[i] > PB_MAX_SYMBOLS) PB_MAX_SYMBOLS = symbols[i];
  }
  PB_LOGITS = all;
  if (!PB_FIELDS || all > PB_SCORES || PB_MAX_SYMBOLS > PB_MOST_MAX_SYMBOLS) f->damaged = 1;
  pb_log2_e = pb_number(f, "log2_e", 1u << 20);
  pb_powers = (const uint32_t *)pb_read(f, "powers", -1, "", 4 * 257);
  if (f->damaged) return;
  pb_read_layers(f);
  pb_heads = pb_read_linear(f, "heads", -1, PB_SCORES, PB_HIDDEN, 1);
  if (!f->damaged) pb_read_relations(f);
}
