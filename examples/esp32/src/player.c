/* See player.h. */
#include "player.h"

#include <string.h>

#define HEADER_TRACK 0xFF /* marks an event that begins a piece; its `pitch` is the piece's header */

/* The MIDI channel of a track; the tenth, for drums, is skipped. */
static uint8_t channel(uint8_t track) { return (uint8_t)((track < 9 ? track : track + 1) & 15); }

/* ---- composing ---- */

static void add_waiting(player *p, pb_event event) {
  event.tick += p->base;
  p->waiting[(p->first + p->count) % PLAYER_AHEAD] = event;
  p->count++;
  if (p->in_last_bar) p->held++;
}

static void add_all_waiting(player *p, const pb_event *events, uint8_t count) {
  for (uint8_t i = 0; i < count; i++) add_waiting(p, events[i]);
}

static void begin_piece(player *p) {
  pb_event begins = {0, HEADER_TRACK, pb_draw_header(pb_pcg32(&p->random)), 0};
  pb_begin(&p->now.music, begins.pitch, PLAYER_BARS);
  pb_start(&p->now.network);
  memcpy(p->now.previous, pb_symbols, sizeof p->now.previous);
  p->in_last_bar = 0;
  p->held = 0;
  add_waiting(p, begins);
}

static void end_piece(player *p) {
  pb_event events[PB_MAX_EVENTS];
  add_all_waiting(p, events, pb_finish(&p->now.music, events));
  p->base += p->now.music.tick + PLAYER_BREATH;
  begin_piece(p);
}

/* Accepts the last bar as it is: its events may be played. */
static void release(player *p) {
  p->held = 0;
  p->tries = 0;
}

static void compose_step(player *p) {
  static uint8_t mask[PB_MAX_SYMBOLS];
  uint16_t context[PB_CONTEXTS + 1];
  pb_event events[PB_MAX_EVENTS];
  player_piece *now = &p->now;
  if (pb_bars_left(&now->music) == 0 && !p->in_last_bar) {
    p->in_last_bar = 1;
    p->tries = PLAYER_ENDINGS;
    p->last_bar = *now;
  }
  pb_context(&now->music, context);
  pb_step(&now->network, now->previous, context);
  for (uint8_t f = 0; f < PB_FIELDS; f++) {
    pb_style_mask(&now->music, f, mask);
    now->previous[f] = pb_draw(pb_logits(&now->network, f), mask, pb_symbols[f], &p->sampling, pb_pcg32, &p->random,
                               now->network.weights);
  }
  add_all_waiting(p, events, pb_feed(&now->music, now->previous, events));
  if (!p->tries) p->held = 0;
}

static void compose(player *p) {
  player_piece *now = &p->now;
  if (!pb_finished(&now->music)) {
    compose_step(p);
  } else if (p->tries > 1 && !pb_is_good_ending(&now->music)) {
    p->tries--;
    p->count = (uint16_t)(p->count - p->held);
    p->held = 0;
    *now = p->last_bar;
  } else {
    release(p);
    end_piece(p);
  }
}

/* ---- playing ---- */

static void send_programs(player *p) {
  for (uint8_t t = 0; t < PB_TRACKS; t++) {
    uint8_t program = p->program < 0 ? pb_headers[p->header].programs[t] : (uint8_t)p->program;
    uint8_t bytes[] = {(uint8_t)(0xC0 | channel(t)), program};
    p->send(bytes, sizeof bytes);
  }
}

static void play(player *p, const pb_event *event) {
  if (event->track == HEADER_TRACK) {
    p->header = event->pitch;
    p->microseconds = pb_headers[p->header].microseconds;
    send_programs(p);
  } else {
    uint8_t bytes[] = {(uint8_t)(0x90 | channel(event->track)), event->pitch, event->velocity};
    p->send(bytes, sizeof bytes);
  }
}

static uint16_t ready(const player *p) { return (uint16_t)(p->count - p->held); }

/* Advances the music by the time since the last call. If no event is ready the music waits, and does not catch up. */
static void advance(player *p) {
  uint32_t now = p->clock(), passed = now - p->then;
  p->then = now;
  if (!ready(p)) return;
  p->part += (uint64_t)passed * PB_TICKS_PER_QUARTER * p->percent / 100;
  p->tick += (uint32_t)(p->part / p->microseconds);
  p->part %= p->microseconds;
}

/* Whether a step can be composed before the next event is due. */
static int has_time(const player *p) {
  uint32_t ticks = p->waiting[p->first].tick - p->tick;
  return (uint64_t)ticks * p->microseconds * 100 > (uint64_t)p->slowest * PB_TICKS_PER_QUARTER * p->percent;
}

void player_update(player *p) {
  advance(p);
  while (ready(p) && (int32_t)(p->tick - p->waiting[p->first].tick) >= 0) {
    play(p, &p->waiting[p->first]);
    p->first = (uint16_t)((p->first + 1) % PLAYER_AHEAD);
    p->count--;
  }
  if (p->held && !ready(p)) release(p); /* no time, or no room, to try another ending */
  if (p->count + PB_MAX_EVENTS + 1 <= PLAYER_AHEAD && (!ready(p) || has_time(p))) {
    uint32_t start = p->clock(), took;
    compose(p);
    took = p->clock() - start;
    if (took > p->slowest) p->slowest = took;
  }
}

void player_set_program(player *p, int16_t program) {
  p->program = program;
  send_programs(p);
}

void player_set_tempo(player *p, uint16_t percent) { p->percent = percent; }

void player_begin(player *p, uint64_t seed, player_clock clock, player_send send) {
  memset(p, 0, sizeof *p);
  p->clock = clock;
  p->send = send;
  p->then = clock();
  p->sampling.temperature = PB_TEMPERATURE_Q8;
  p->sampling.top_p = PB_TOP_P_Q16;
  p->percent = 100;
  p->program = -1;
  pb_pcg32_seed(&p->random, seed, 0);
  begin_piece(p);
  play(p, &p->waiting[0]); /* the header, at once: time needs a tempo */
  p->count = 0;
}
