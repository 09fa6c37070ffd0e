/* Composes STEPS steps, piece after piece in different ways, and says each step and each event; then how much stack
 * and how much memory that took. test_cortex_m4.py composes the same in Python.
 */
#include <string.h>

#include "board.h"
#include "music.h"
#include "playbach.h"

static pb_network network;
static pb_music music;
static uint8_t mask[PB_MOST_SYMBOLS];
static const uint16_t temperatures[] = {256, 0, 512, 200};
static const uint16_t lengths[] = {4, 3, 5, 0}; /* in bars; the last one never ends */
static const uint32_t top_ps[] = {62259, 65536, 65536, 45875};

static void tell(const pb_event *events, uint8_t count) {
  for (uint8_t i = 0; i < count; i++) {
    say("event");
    say_number(events[i].tick);
    say_number(events[i].track);
    say_number(events[i].pitch);
    say_number(events[i].velocity);
    say("\n");
  }
}

static uint32_t compose(unsigned way, uint32_t left, pb_pcg32_state *random) {
  const pb_sampling sampling = {temperatures[way], top_ps[way]};
  uint16_t step[PB_FIELDS], context[PB_CONTEXTS];
  pb_event events[PB_MOST_EVENTS];
  uint32_t count = 0;
  pb_begin(&music, pb_draw_header(pb_pcg32(random)), lengths[way]);
  pb_start(&network);
  memcpy(step, pb_symbols, sizeof step);
  for (; count < left && !pb_finished(&music); count++) {
    pb_context(&music, context);
    pb_step(&network, step, context);
    say("step");
    for (uint8_t f = 0; f < PB_FIELDS; f++) {
      pb_allowed(&music, f, way % 2 == 0, mask);
      step[f] = pb_draw(pb_logits(&network, f), mask, pb_symbols[f], &sampling, pb_pcg32, random, network.weights);
      say_number(step[f]);
    }
    say("\n");
    tell(events, pb_feed(&music, step, events));
  }
  tell(events, pb_finish(&music, events));
  return count;
}

int main(void) {
  pb_pcg32_state random;
  uint32_t steps = 0;
  unsigned piece = 0;
  pb_pcg32_seed(&random, 7, 0);
  while (steps < STEPS) steps += compose(piece++ % 4, STEPS - steps, &random);
  say("stack");
  say_number(stack_used());
  say("\nmemory");
  say_number(sizeof network);
  say_number(sizeof music);
  say("\n");
  return 0;
}
