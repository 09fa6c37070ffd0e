/* Composes a piece and prints its notes: tick, track, pitch, velocity; velocity 0 ends a note.
 *
 *   example [--midi] [--prime N] [SEED] [BARS] [TEMPERATURE]
 *
 * --midi writes MIDI bytes instead, as sent to a synthesiser over a serial line; --prime N begins with seed passage
 * N, counted from 0. With BARS 0 the piece never ends. The example does not wait between events; a board would wait
 * pb_headers[m.header].microseconds / PB_TICKS_PER_QUARTER microseconds for each tick.
 */
#include <stdio.h>
#include <string.h>

#include "music.h"
#include "playbach.h"

/* Static, since these are too large for a board's stack. */
static pb_network network;
static pb_music music;
static uint8_t mask[PB_MAX_SYMBOLS];

/* Reads a number such as 12 or 0.85, in units of 1 / one; returns 0 if it is invalid or too large. */
static int read_number(const char *text, uint32_t one, uint32_t most, uint32_t *value) {
  uint64_t whole = 0, part = 0, parts = 1;
  if (!*text) return 0;
  for (; *text >= '0' && *text <= '9'; text++) {
    whole = whole * 10 + (uint64_t)(*text - '0');
    if (whole > most) return 0;
  }
  if (*text == '.' && one > 1)
    for (text++; *text >= '0' && *text <= '9' && parts < 1000000; text++) {
      part = part * 10 + (uint64_t)(*text - '0');
      parts *= 10;
    }
  whole = whole * one + (part * one + parts / 2) / parts;
  *value = (uint32_t)whole;
  return !*text && whole <= most;
}

static void print(const pb_event *e) {
  static const char *const names[] = {"C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"};
  printf("%lu %u %s%d %u\n", (unsigned long)e->tick, e->track, names[e->pitch % 12], e->pitch / 12 - 1, e->velocity);
}

/* The MIDI channel of a track; the tenth, for drums, is skipped. */
static int channel(uint8_t track) { return (track < 9 ? track : track + 1) & 15; }

static void send(const pb_event *e) {
  putchar(0x90 | channel(e->track));
  putchar(e->pitch);
  putchar(e->velocity);
}

static void output(const pb_event *events, uint8_t count, int midi) {
  for (uint8_t i = 0; i < count; i++) {
    if (midi)
      send(&events[i]);
    else
      print(&events[i]);
  }
}

/* Composes a piece; `passage` is the number of the passage that it begins with, or negative for none. */
static void compose(int passage, uint16_t bars, const pb_sampling *sampling, pb_pcg32_state *random, int midi) {
  uint16_t previous[PB_FIELDS], context[PB_CONTEXTS + 1];
  pb_event events[PB_MAX_EVENTS];
  uint32_t primed = 0, first = 0;
  uint8_t header;
#if PB_PASSAGES
  if (passage >= 0) {
    const pb_passage *p = &pb_passages[passage];
    header = p->header;
    primed = p->steps;
    first = (uint32_t)p->first * PB_FIELDS;
    if (bars) bars = (uint16_t)(bars + p->bars);
  } else
#endif
    header = pb_draw_header(pb_pcg32(random));
  (void)passage, (void)first;

  pb_begin(&music, header, bars);
  pb_start(&network);
  memcpy(previous, pb_symbols, sizeof previous);
  for (uint8_t t = 0; midi && t < PB_TRACKS; t++) {
    putchar(0xC0 | channel(t));
    putchar(pb_headers[header].programs[t]);
  }
  for (uint32_t step = 0; !pb_finished(&music); step++) {
    pb_context(&music, context);
    pb_step(&network, previous, context);
    for (uint8_t f = 0; f < PB_FIELDS; f++) {
#if PB_PASSAGES
      if (step < primed) {
        previous[f] = pb_passage_symbols[first + step * PB_FIELDS + f];
        continue;
      }
#endif
      pb_style_mask(&music, f, mask);
      previous[f] =
          pb_draw(pb_logits(&network, f), mask, pb_symbols[f], sampling, pb_pcg32, random, network.weights);
    }
    output(events, pb_feed(&music, previous, events), midi);
  }
  (void)primed;
  output(events, pb_finish(&music, events), midi);
}

int main(int argc, char **argv) {
  uint32_t numbers[] = {0, 16, PB_TEMPERATURE_Q8};
  static const uint32_t ones[] = {1, 1, 256}, most[] = {0xFFFFFFFF, 60000, 2560};
  uint32_t passage = 0, found = 0;
  int midi = 0, has_passage = 0, valid = 1;
  pb_pcg32_state random;
  pb_sampling sampling = {PB_TEMPERATURE_Q8, PB_TOP_P_Q16};
  for (int i = 1; i < argc && valid; i++) {
    if (!strcmp(argv[i], "--midi"))
      midi = 1;
    else if (!strcmp(argv[i], "--prime") && i + 1 < argc)
      valid = has_passage = read_number(argv[++i], 1, PB_PASSAGES, &passage) && (int)passage < PB_PASSAGES;
    else
      valid = found < 3 && read_number(argv[i], ones[found], most[found], &numbers[found]), found++;
  }
  if (!valid) {
    fprintf(stderr,
            "usage: example [--midi] [--prime N] [SEED] [BARS] [TEMPERATURE]; N is less than %d (the number of seed "
            "passages), BARS at most 60000, TEMPERATURE between 0 and 10\n",
            PB_PASSAGES);
    return 2;
  }
  sampling.temperature = (uint16_t)numbers[2];
  pb_pcg32_seed(&random, numbers[0], 0);
  compose(has_passage ? (int)passage : -1, (uint16_t)numbers[1], &sampling, &random, midi);
  return 0;
}
