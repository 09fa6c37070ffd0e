/* Bars, and other functions that both encodings share. A part of music.c, which alone includes it, after it has
 * defined PB_GRID (ticks from one place to the next) and PB_MAX_PLACES.
 *
 * A pickup is bar number 0, and its places count from the end of a full bar; the first full bar is number 1. A piece
 * with a pickup ends before the end of its last bar, by the pickup's length, so that n bars are always as long as n
 * full bars.
 */
#define PB_LEFT_MANY 9
#define PB_LEFT_UNKNOWN 10

static uint32_t pb_bar_number(const pb_music *m, uint32_t tick) {
  const pb_header *h = &pb_headers[m->header];
  if (tick < h->pickup) return 0;
  return 1 + (tick - h->pickup) / h->bar;
}

/* Ticks since the bar began; in a pickup, since a full bar would have begun. */
static inline uint32_t pb_place(const pb_music *m) {
  const pb_header *h = &pb_headers[m->header];
  if (m->tick < h->pickup) return m->tick + h->bar - h->pickup;
  return (m->tick - h->pickup) % h->bar;
}

static uint8_t pb_usable_header(uint8_t header) { return header < PB_HEADERS ? header : 0; }

static uint32_t pb_end_of(uint8_t header, uint16_t bars) { return (uint32_t)bars * pb_headers[header].bar; }

static uint16_t pb_min(uint32_t a, uint32_t b) { return (uint16_t)(a < b ? a : b); }

void pb_end_after(pb_music *m, uint16_t bars) { m->end = pb_end_of(m->header, bars); }

uint32_t pb_bar(const pb_music *m) { return pb_bar_number(m, m->tick); }

int pb_finished(const pb_music *m) { return m->end != 0 && m->tick >= m->end; }

uint8_t pb_bars_left(const pb_music *m) {
  uint32_t last, here;
  if (m->end == 0) return PB_LEFT_UNKNOWN;
  last = pb_bar_number(m, m->end - 1);
  here = pb_bar_number(m, m->tick);
  return last > here ? (uint8_t)pb_min(last - here, PB_LEFT_MANY) : 0;
}

/* ---- features of the context; each writes its symbols and returns where the next one goes ---- */

static inline uint16_t *pb_context_place(const pb_music *m, uint16_t *context) {
  *context++ = pb_min(pb_place(m) / PB_GRID, PB_MAX_PLACES);
  return context;
}

static inline uint16_t *pb_context_meter(const pb_music *m, uint16_t *context) {
  *context++ = pb_headers[m->header].meter;
  return context;
}

static uint16_t *pb_context_bars_left(const pb_music *m, uint16_t *context) {
  *context++ = pb_bars_left(m);
  return context;
}

/* ---- headers and events ---- */

uint8_t pb_draw_header(uint32_t random) {
  uint64_t all = 0;
  uint32_t at;
  uint8_t i;
  for (i = 0; i < PB_HEADERS; i++) all += pb_headers[i].pieces;
  at = (uint32_t)((random * all) >> 32);
  for (i = 0; i + 1 < PB_HEADERS && at >= pb_headers[i].pieces; i++) at -= pb_headers[i].pieces;
  return i;
}

/* Writes an event; returns where the next one goes. */
static pb_event *pb_add_event(pb_event *event, uint32_t tick, unsigned track, unsigned pitch, unsigned velocity) {
  event->tick = tick;
  event->track = (uint8_t)track;
  event->pitch = (uint8_t)pitch;
  event->velocity = (uint8_t)velocity;
  return event + 1;
}
