/* What the page calls: loads a model file, and composes one piece, step after step.
 *
 * All that a piece depends on is in one struct, so that the page can copy it at a bar line, and return to it later.
 */
#include "music.h"
#include "playbach.h"
#include "sections.h"

#define EXPORT(name) __attribute__((export_name(#name)))

void pb_read_network(pb_file *f);
void pb_read_vocabulary(pb_file *f);

static struct {
  pb_music music;
  pb_pcg32_state random;
  pb_network network;
  uint16_t step[PB_MOST_FIELDS]; /* the last one, or the start symbols */
} piece;

static uint8_t masks[PB_MOST_FIELDS][PB_MOST_MAX_SYMBOLS]; /* those that the last step was drawn with */
static pb_event events[PB_MAX_EVENTS];

extern uint8_t __heap_base;

/* The address where a model file of so many bytes goes; 0 if there is no memory. */
EXPORT(room) uint32_t room(uint32_t bytes) {
  uint32_t start = ((uint32_t)(uintptr_t)&__heap_base + 15) & ~15u, page = 65536;
  uint32_t pages = (uint32_t)(((uint64_t)start + bytes + page - 1) / page), have = __builtin_wasm_memory_size(0);
  if (pages > have && __builtin_wasm_memory_grow(0, pages - have) == (size_t)-1) return 0;
  return start;
}

/* Reads the model file at the address of `room`; 0 if it is damaged. */
EXPORT(load) uint32_t load(uint32_t bytes) {
  pb_file f;
  pb_open(&f, (const uint8_t *)(uintptr_t)room(bytes), bytes);
  if (!f.damaged) pb_read_network(&f);
  if (!f.damaged) pb_read_vocabulary(&f);
  return !f.damaged;
}

EXPORT(seed) void seed(uint32_t low, uint32_t high) {
  pb_pcg32_seed(&piece.random, (uint64_t)high << 32 | low, 0);
}

EXPORT(draw_header) uint32_t draw_header(void) { return pb_draw_header(pb_pcg32(&piece.random)); }

EXPORT(begin) void begin(uint32_t header, uint32_t bars) {
  pb_begin(&piece.music, (uint8_t)header, (uint16_t)bars);
  pb_start(&piece.network);
  memcpy(piece.step, pb_symbols, sizeof piece.step);
}

EXPORT(end_after) void end_after(uint32_t bars) { pb_end_after(&piece.music, (uint16_t)bars); }

static void step_network(void) {
  uint16_t context[PB_MOST_CONTEXTS];
  pb_context(&piece.music, context);
  pb_step(&piece.network, piece.step, context);
}

static void write_mask(uint32_t field, uint32_t rules) {
  if (rules)
    pb_style_mask(&piece.music, (uint8_t)field, masks[field]);
  else
    pb_valid_mask(&piece.music, (uint8_t)field, masks[field]);
}

/* Composes a step; returns the number of events that it completes. Temperature and top-p as in pb_sampling. */
EXPORT(compose) uint32_t compose(uint32_t temperature, uint32_t top_p, uint32_t rules) {
  pb_sampling sampling = {(uint16_t)temperature, top_p};
  uint32_t f;
  step_network();
  for (f = 0; f < PB_FIELDS; f++) {
    write_mask(f, rules);
    piece.step[f] = pb_draw(pb_logits(&piece.network, (uint8_t)f), masks[f], pb_symbols[f], &sampling, pb_pcg32,
                            &piece.random, piece.network.weights);
  }
  return pb_feed(&piece.music, piece.step, events);
}

/* Takes a step of one symbol that is given, if the mask allows it; returns the number of events, or -1. */
EXPORT(take) int32_t take(uint32_t symbol) {
  step_network();
  write_mask(0, 0);
  if (PB_FIELDS != 1 || symbol >= pb_symbols[0] || !masks[0][symbol]) return -1;
  piece.step[0] = (uint16_t)symbol;
  return pb_feed(&piece.music, piece.step, events);
}

EXPORT(finish) uint32_t finish(void) { return pb_finish(&piece.music, events); }

EXPORT(finished) uint32_t finished(void) { return (uint32_t)pb_finished(&piece.music); }

EXPORT(is_good_ending) uint32_t is_good_ending(void) { return (uint32_t)pb_is_good_ending(&piece.music); }

EXPORT(bars_left) uint32_t bars_left(void) { return pb_bars_left(&piece.music); }

EXPORT(bar) uint32_t bar(void) { return pb_bar(&piece.music); }

EXPORT(tick) uint32_t tick(void) { return piece.music.tick; }

EXPORT(piece_address) void *piece_address(void) { return &piece; }

EXPORT(piece_bytes) uint32_t piece_bytes(void) { return sizeof piece; }

EXPORT(random_address) void *random_address(void) { return &piece.random; }

EXPORT(step_address) void *step_address(void) { return piece.step; }

EXPORT(events_address) void *events_address(void) { return events; }

EXPORT(logits_address) const void *logits_address(uint32_t field) { return pb_logits(&piece.network, (uint8_t)field); }

EXPORT(mask_address) void *mask_address(uint32_t field) { return masks[field]; }
