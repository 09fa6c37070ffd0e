/* For tests/export/test_c_engine.py: steps a network without music and writes to stdout, in 32 bits of the machine's
 * byte order: sizeof(pb_network), then each step's logits and symbols.
 *
 *   walk STEPS TEMPERATURE TOP_P CONTEXT…
 *
 * Context, masks and symbols are drawn from one generator, in this order; CONTEXT are the numbers of symbols of the
 * context fields. A new piece begins every 400 steps.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "playbach.h"

static pb_network network;
static uint8_t mask[PB_MAX_SYMBOLS];

static void put(int32_t value) { fwrite(&value, sizeof value, 1, stdout); }

int main(int argc, char **argv) {
  pb_pcg32_state random;
  pb_sampling sampling;
  uint16_t previous[PB_FIELDS], context[PB_CONTEXTS + 1];
  if (argc != 4 + PB_CONTEXTS) return 2;
  sampling.temperature = (uint16_t)atoi(argv[2]);
  sampling.top_p = (uint32_t)atol(argv[3]);
  pb_pcg32_seed(&random, 1, 2);
  put((int32_t)sizeof network);
  for (int step = 0; step < atoi(argv[1]); step++) {
    if (step % 400 == 0) {
      pb_start(&network);
      memcpy(previous, pb_symbols, sizeof previous);
    }
    for (int i = 0; i < PB_CONTEXTS; i++) context[i] = (uint16_t)(pb_pcg32(&random) % (uint32_t)atoi(argv[4 + i]));
    pb_step(&network, previous, context);
    for (int i = 0; i < PB_LOGITS; i++) put(network.logits[i]);
    for (uint8_t f = 0; f < PB_FIELDS; f++) {
      for (uint16_t i = 0; i < pb_symbols[f]; i++) mask[i] = pb_pcg32(&random) % 4 != 0;
      mask[pb_pcg32(&random) % pb_symbols[f]] = 1;
      previous[f] = pb_draw(pb_logits(&network, f), mask, pb_symbols[f], &sampling, pb_pcg32, &random, network.weights);
      put(previous[f]);
    }
  }
  return 0;
}
