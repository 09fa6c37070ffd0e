/* Composes STEPS steps, piece after piece with different settings, and prints each step and event, then the stack and
 * the memory used. test_cortex_m4.py composes the same in Python.
 */
#include <string.h>

#include "board.h"
#include "music.h"
#include "playbach.h"

static pb_network network;
static pb_music music;
static uint8_t mask[PB_MAX_SYMBOLS];
static const uint16_t temperatures[] = {256, 0, 512, 200};
static const uint16_t lengths[] = {4, 3, 5, 0}; /* in bars; the last one never ends */
static const uint32_t top_ps[] = {62259, 65536, 65536, 45875};

static void print_events(const pb_event *events, uint8_t count) {
  for (uint8_t i = 0; i < count; i++) {
    print("event");
    print_number(events[i].tick);
    print_number(events[i].track);
    print_number(events[i].pitch);
    print_number(events[i].velocity);
    print("\n");
  }
}

static uint32_t compose(unsigned setting, uint32_t left, pb_pcg32_state *random) {
  const pb_sampling sampling = {temperatures[setting], top_ps[setting]};
  uint16_t step[PB_FIELDS], context[PB_CONTEXTS];
  pb_event events[PB_MAX_EVENTS];
  uint32_t count = 0;
  pb_begin(&music, pb_draw_header(pb_pcg32(random)), lengths[setting]);
  pb_start(&network);
  memcpy(step, pb_symbols, sizeof step);
  for (; count < left && !pb_finished(&music); count++) {
    pb_context(&music, context);
    pb_step(&network, step, context);
    print("step");
    for (uint8_t f = 0; f < PB_FIELDS; f++) {
      if (setting % 2 == 0)
        pb_style_mask(&music, f, mask);
      else
        pb_valid_mask(&music, f, mask);
      step[f] = pb_draw(pb_logits(&network, f), mask, pb_symbols[f], &sampling, pb_pcg32, random, network.weights);
      print_number(step[f]);
    }
    print("\n");
    print_events(events, pb_feed(&music, step, events));
  }
  print_events(events, pb_finish(&music, events));
  return count;
}

int main(void) {
  pb_pcg32_state random;
  uint32_t steps = 0;
  unsigned piece = 0;
  pb_pcg32_seed(&random, 7, 0);
  while (steps < STEPS) steps += compose(piece++ % 4, STEPS - steps, &random);
  print("stack");
  print_number(stack_used());
  print("\nmemory");
  print_number(sizeof network);
  print_number(sizeof music);
  print("\n");
  return 0;
}
