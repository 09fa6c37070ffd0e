/* See playbach.h. The scales in weights.h are chosen so that all sums of products fit into 32 bits for any input. */
#include "playbach.h"

#include <string.h>

/* A layer: its output in fixed point is ((weight (rows, inputs) x + bias) * multiplier) >> shift. */
typedef struct {
  const int8_t *weight;
  const int32_t *bias, *multiplier;
  uint8_t shift;
} pb_linear;

/* A row of 8-bit numbers for each symbol. */
typedef struct {
  const int8_t *rows;
  uint32_t width;
} pb_table;

/* A relation between a field's symbols and a context symbol: each pair of them has a class. */
typedef struct {
  const pb_class *classes;   /* by context symbol and aspect */
  const pb_class *aspect_of; /* by symbol of the field */
  uint32_t aspects, field, column, first_logit, first_class;
} pb_relation;

#if PB_LSTM
typedef struct {
  pb_linear inputs, hidden; /* each has four gates: input, forget, cell, output */
} pb_layer;
#endif

#include "weights.h"

/* A right shift must keep the sign of negative numbers; C leaves that to the compiler, and all known ones do so. */
typedef char pb_shifts_keep_signs[(-3 >> 1) == -2 ? 1 : -1];

/* v / 2^shift, rounded, halves up. */
static int64_t rounding_shift(int64_t v, int shift) { return (v + ((int64_t)1 << shift >> 1)) >> shift; }

static int32_t clipped(int64_t v, int32_t low, int32_t high) {
  return v < low ? low : v > high ? high : (int32_t)v;
}

/* Takes almost all of the time; four sums, so that compilers can compute them side by side. */
static int32_t product(const int8_t *w, const int16_t *x, uint32_t count) {
  int32_t a = 0, b = 0, c = 0, d = 0;
  for (; count >= 4; count -= 4, w += 4, x += 4) {
    a += (int32_t)w[0] * x[0];
    b += (int32_t)w[1] * x[1];
    c += (int32_t)w[2] * x[2];
    d += (int32_t)w[3] * x[3];
  }
  for (; count; count--) a += (int32_t)*w++ * *x++;
  return a + b + c + d;
}

/* ------------------------------------------------------------------------------------------------ the last layer */

const int32_t *pb_logits(const pb_network *n, uint8_t field) {
  const int32_t *logits = n->logits;
  for (uint8_t f = 0; f < field; f++) logits += pb_symbols[f];
  return logits;
}

/* Each symbol's logit: its own score, plus that of its class in each relation to the context. */
static void score(pb_network *n, const int16_t *x, const uint16_t *context) {
  const pb_linear *l = &pb_heads;
  for (uint32_t r = 0; r < PB_SCORES; r++) {
    int32_t sum = l->bias[r] + product(l->weight + r * PB_HIDDEN, x, PB_HIDDEN);
    n->logits[r] = (int32_t)rounding_shift((int64_t)sum * l->multiplier[r], l->shift);
  }
#if PB_ANY(RELATIONS)
  for (uint32_t i = 0; i < PB_RELATIONS; i++) {
    const pb_relation *r = &pb_relations[i];
    const pb_class *classes = r->classes + (uint32_t)context[r->column] * r->aspects;
    int32_t *logits = n->logits + r->first_logit;
    for (uint32_t s = 0; s < pb_symbols[r->field]; s++)
      logits[s] += n->logits[r->first_class + classes[r->aspect_of[s]]];
  }
#else
  (void)context;
#endif
}

#if PB_LSTM
/* ----------------------------------------------------------------------------------------------------------- LSTM */

/* A curve's value in Q15 at x in Q12: a table from -8 to 8 with linear interpolation. */
static int32_t curve(const int16_t *table, int64_t x) {
  int32_t at = clipped(x, -32767 - 1, 32767) + 32768;
  int32_t low = table[at >> 8], high = table[(at >> 8) + 1];
  return low + (((high - low) * (at & 255) + 128) >> 8);
}

void pb_start(pb_network *n) { memset(n, 0, sizeof *n); }

/* Writes the inputs of the first layer; one-hot symbols are not among them. */
static void look_up(int16_t *input, const uint16_t *previous, const uint16_t *context) {
#if PB_ANY(EMBEDDED)
  for (uint32_t i = 0; i < PB_EMBEDDED; i++) {
    uint32_t part = i + PB_ONEHOT; /* fields first, then the context */
    uint32_t symbol = part < PB_FIELDS ? previous[part] : context[part - PB_FIELDS];
    const int8_t *row = pb_embedded[i].rows + symbol * pb_embedded[i].width;
    for (uint32_t k = 0; k < pb_embedded[i].width; k++) *input++ = row[k];
  }
#else
  *input = 0;
#endif
  (void)input, (void)previous, (void)context;
}

/* One gate of one cell, in Q12. */
static int64_t gate(const pb_layer *l, uint32_t row, const int16_t *x, uint32_t inputs, const int16_t *hidden,
                    const uint16_t *onehot) {
  int32_t from_inputs = l->inputs.bias[row] + product(l->inputs.weight + row * inputs, x, inputs);
  int32_t from_hidden = product(l->hidden.weight + row * PB_HIDDEN, hidden, PB_HIDDEN);
#if PB_ANY(ONEHOT)
  if (onehot && PB_ONEHOT)
    for (uint32_t f = 0; f < PB_FIELDS; f++)
      from_inputs += (int32_t)127 * pb_onehot[f].rows[onehot[f] * pb_onehot[f].width + row];
#endif
  (void)onehot;
  return rounding_shift(
      (int64_t)from_inputs * l->inputs.multiplier[row] + (int64_t)from_hidden * l->hidden.multiplier[row],
      l->inputs.shift);
}

void pb_step(pb_network *n, const uint16_t *previous, const uint16_t *context) {
  const int16_t *x = n->input;
  uint32_t inputs = PB_FIRST_INPUTS;
  look_up(n->input, previous, context);
  for (uint32_t i = 0; i < PB_LAYERS; i++) {
    const pb_layer *l = &pb_layers[i];
    const uint16_t *onehot = i ? 0 : previous;
    for (uint32_t h = 0; h < PB_HIDDEN; h++) {
      int32_t input = curve(pb_sigmoid, gate(l, h, x, inputs, n->hidden[i], onehot));
      int32_t forget = curve(pb_sigmoid, gate(l, h + PB_HIDDEN, x, inputs, n->hidden[i], onehot));
      int32_t candidate = curve(pb_tanh, gate(l, h + 2 * PB_HIDDEN, x, inputs, n->hidden[i], onehot));
      int32_t output = curve(pb_sigmoid, gate(l, h + 3 * PB_HIDDEN, x, inputs, n->hidden[i], onehot));
      int64_t sum = (int64_t)forget * n->cell[i][h] + (int64_t)input * candidate * 32; /* Q35 */
      n->cell[i][h] = clipped(rounding_shift(sum, 15), INT32_MIN, INT32_MAX);
      n->next[h] = (int16_t)rounding_shift((int64_t)output * curve(pb_tanh, rounding_shift(n->cell[i][h], 8)), 15);
    }
    memcpy(n->hidden[i], n->next, sizeof n->next);
    x = n->hidden[i];
    inputs = PB_HIDDEN;
  }
  score(n, x, context);
}

#else
/* ------------------------------------------------------------------------------------------------------------ CNN */

#define PB_MIDDLE 128 /* the image's 0 */

static int32_t product_of_bytes(const int8_t *w, const uint8_t *x, uint32_t count) {
  int32_t a = 0, b = 0, c = 0, d = 0;
  for (; count >= 4; count -= 4, w += 4, x += 4) {
    a += (int32_t)w[0] * x[0];
    b += (int32_t)w[1] * x[1];
    c += (int32_t)w[2] * x[2];
    d += (int32_t)w[3] * x[3];
  }
  for (; count; count--) a += (int32_t)*w++ * *x++;
  return a + b + c + d;
}

static uint8_t activation(const pb_linear *l, uint32_t row, int32_t sum) {
  return (uint8_t)clipped(rounding_shift((int64_t)sum * l->multiplier[row], l->shift), 0, 255);
}

/* Computes a new row of a convolution from the last PB_KERNEL rows of its input. */
static void convolve(const pb_linear *l, const uint8_t *rows, uint32_t oldest, uint32_t width, uint32_t channels,
                     uint32_t out, uint8_t *to) {
  uint32_t size = PB_KERNEL * channels;
  for (uint32_t at = 0; at + size <= width; at += PB_STRIDE * channels) {
    for (uint32_t c = 0; c < out; c++) {
      const int8_t *w = l->weight + c * (PB_KERNEL * size);
      int32_t sum = l->bias[c];
      for (uint32_t k = 0; k < PB_KERNEL; k++)
        sum += product_of_bytes(w + k * size, rows + (oldest + k) % PB_KERNEL * width + at, size);
      *to++ = activation(l, c, sum);
    }
  }
}

/* A new row of the image has been written over the oldest one; computes the new row of each convolution. */
static void feed(pb_network *n) {
  uint8_t *first = n->first + n->oldest * PB_FIRST_WIDTH, *second = n->second + n->oldest_last * PB_SECOND_WIDTH;
  n->oldest = (uint8_t)((n->oldest + 1) % PB_KERNEL);
  n->oldest_last = (uint8_t)((n->oldest_last + 1) % PB_LAST_ROWS);
  convolve(&pb_first, n->image, n->oldest, PB_IMAGE, 1, PB_CHANNELS, first);
  convolve(&pb_second, n->first, n->oldest, PB_FIRST_WIDTH, PB_CHANNELS, 2 * PB_CHANNELS, second);
}

void pb_start(pb_network *n) {
  memset(n, 0, sizeof *n);
  memset(n->image, PB_MIDDLE, sizeof n->image);
  for (uint32_t i = 1; i < PB_IMAGE; i++) feed(n);
}

void pb_step(pb_network *n, const uint16_t *previous, const uint16_t *context) {
  uint8_t *row = n->image + n->oldest * PB_IMAGE;
  for (uint32_t k = 0; k < PB_IMAGE; k++) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < PB_FIELDS + PB_CONTEXTS; i++) {
      uint32_t symbol = i < PB_FIELDS ? previous[i] : context[i - PB_FIELDS];
      sum += pb_row_multiplier[i] * pb_rows[i][symbol * PB_IMAGE + k];
    }
    row[k] = (uint8_t)(clipped(rounding_shift(sum, PB_ROW_SHIFT), -127, 127) + PB_MIDDLE);
  }
  feed(n);
  for (uint32_t h = 0; h < PB_HIDDEN; h++) {
    /* The ring's rows from the oldest to the ring's end, then those at its beginning. */
    uint32_t late = (PB_LAST_ROWS - n->oldest_last) * (uint32_t)PB_SECOND_WIDTH;
    uint32_t all = PB_LAST_ROWS * (uint32_t)PB_SECOND_WIDTH;
    const int8_t *w = pb_whole.weight + h * all;
    int32_t sum = pb_whole.bias[h] + product_of_bytes(w, n->second + (all - late), late);
    n->hidden[h] = activation(&pb_whole, h, sum + product_of_bytes(w + late, n->second, all - late));
  }
  score(n, n->hidden, context);
}
#endif

/* ------------------------------------------------------------------------------------------------------- sampling */

void pb_pcg32_seed(pb_pcg32_state *state, uint64_t seed, uint64_t stream) {
  state->state = 0;
  state->increment = stream << 1 | 1;
  pb_pcg32(state);
  state->state += seed;
  pb_pcg32(state);
}

uint32_t pb_pcg32(void *state) {
  pb_pcg32_state *s = (pb_pcg32_state *)state;
  uint64_t old = s->state;
  uint32_t mixed = (uint32_t)((old >> 18 ^ old) >> 27), rotation = (uint32_t)(old >> 59);
  s->state = old * 6364136223846793005u + s->increment;
  return mixed >> rotation | mixed << (-rotation & 31);
}

#define PB_KEPT 0x80000000u /* weights have 31 bits */

/* Marks the most probable symbols that together have the share `top_p` of `total`; returns their total weight. */
static uint32_t mark_top_p(uint32_t *weights, uint16_t count, uint32_t total, uint32_t top_p) {
  uint32_t enough = (uint32_t)((uint64_t)total * top_p >> 16), sum = 0;
  do {
    uint16_t best = 0;
    uint32_t most = 0;
    for (uint16_t i = 0; i < count; i++)
      if (weights[i] < PB_KEPT && weights[i] > most) most = weights[best = i];
    sum += most;
    weights[best] |= PB_KEPT;
  } while (sum < enough);
  return sum;
}

uint16_t pb_draw(const int32_t *logits, const uint8_t *mask, uint16_t count, const pb_sampling *sampling,
                 pb_random next, void *state, uint32_t *weights) {
  uint32_t number = next(state), total = 0, kept, top_p = sampling->top_p;
  uint16_t best = count, i;
  int bits = 0;
  for (i = 0; i < count; i++)
    if (mask[i] && (best == count || logits[i] > logits[best])) best = i;
  if (best == count || sampling->temperature == 0) return best;
  while (count >> bits) bits++;
  for (i = 0; i < count; i++) {
    weights[i] = 0;
    if (!mask[i]) continue;
    /* x: the distance from the best symbol over the temperature, in 1/65,536 bit. */
    uint64_t behind = (uint64_t)((int64_t)logits[best] - logits[i]);
    uint64_t x = behind * ((uint32_t)PB_LOG2_E * 256 / sampling->temperature) >> 16;
    uint32_t point = x >> 8 & 255, beyond = x & 255;
    uint32_t power = pb_powers[point] - (((pb_powers[point] - pb_powers[point + 1]) * beyond + 128) >> 8);
    uint64_t down = (x >> 16) + (uint64_t)(bits - 1);
    if (down > 32) down = 32;
    weights[i] = (uint32_t)((power + ((uint64_t)1 << down >> 1)) >> down);
    total += weights[i];
  }
  kept = 0;
  if (top_p < 65536) {
    total = mark_top_p(weights, count, total, top_p);
    kept = PB_KEPT;
  }
  number = (uint32_t)((uint64_t)number * total >> 32);
  for (i = 0; i < count; i++) {
    uint32_t weight = weights[i] & ~PB_KEPT;
    if (!weight || (weights[i] & PB_KEPT) != kept) continue;
    if (number < weight) break;
    number -= weight;
  }
  return i;
}
