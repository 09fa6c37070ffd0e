/* Plays piece after piece for ever: composes ahead, and sends MIDI when it is time.
 *
 * Whole numbers, fixed memory, C99. Knows a clock and a way to send bytes, both given to it; knows nothing of
 * Arduino.
 */
#ifndef PLAYER_H
#define PLAYER_H

#include <stdint.h>

#include "music.h"
#include "playbach.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLAYER_BARS 16                           /* of a piece */
#define PLAYER_BREATH (2 * PB_TICKS_PER_QUARTER) /* silence between two pieces */
#ifndef PLAYER_ENDINGS
#define PLAYER_ENDINGS 8 /* a last bar is composed so often at most, until it is an ending */
#endif
#ifndef PLAYER_AHEAD
#define PLAYER_AHEAD 256 /* events that wait at most */
#endif
#if PLAYER_AHEAD < PB_MOST_EVENTS + 2 || PLAYER_AHEAD > 32767
#error "PLAYER_AHEAD has no room for a step's events, or too much"
#endif

typedef uint32_t (*player_clock)(void); /* microseconds; may wrap around */
typedef void (*player_send)(const uint8_t *bytes, uint8_t count);

/* What is there of a piece up to some point, to compose on from. */
typedef struct {
  pb_network network;
  pb_music music;
  uint16_t previous[PB_FIELDS];
} player_piece;

typedef struct {
  player_piece now, last_bar; /* where composing is, and where the piece's last bar begins */
  pb_pcg32_state random;
  pb_sampling sampling;
  player_clock clock;
  player_send send;
  pb_event waiting[PLAYER_AHEAD]; /* a ring; their ticks count from the first piece's beginning */
  uint16_t first, count;          /* of those that wait; */
  uint16_t held;                  /* so many of them, the newest, are of a last bar that may be composed anew */
  uint8_t tries;                  /* left for the last bar; 0: it is not one, or it stays as it is */
  uint8_t in_last_bar;
  uint32_t base;         /* the tick at which the piece that is composed began */
  uint32_t tick;         /* of what is heard */
  uint64_t part;         /* of the next tick, as microseconds x ticks of a quarter */
  uint32_t then;         /* what the clock said last */
  uint32_t microseconds; /* a quarter of what is heard */
  uint32_t slowest;      /* step so far, in microseconds */
  uint16_t percent;      /* of the piece's own tempo */
  int16_t program;       /* that every voice plays; less than 0: the piece's own */
  uint8_t header;        /* of what is heard */
} player;

/* `seed` decides what is heard. */
void player_begin(player *p, uint64_t seed, player_clock clock, player_send send);

/* To be called all the time: sends what is due, and composes where there is time for it. */
void player_go_on(player *p);

/* From now on this General MIDI program for every voice; less than 0: those of the pieces. */
void player_choose_program(player *p, int16_t program);

/* From now on so many hundredths of the pieces' own tempo, 10 to 1000. */
void player_choose_tempo(player *p, uint16_t percent);

#ifdef __cplusplus
}
#endif

#endif
