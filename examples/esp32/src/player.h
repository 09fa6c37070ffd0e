/* Plays piece after piece, endlessly: composes ahead, and sends MIDI when it is due.
 *
 * Whole numbers, fixed memory, C99. The caller passes in a clock and a function that sends bytes; knows nothing of
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

#define PLAYER_BARS 16                           /* bars in a piece */
#define PLAYER_BREATH (2 * PB_TICKS_PER_QUARTER) /* ticks of silence between two pieces */
#ifndef PLAYER_ENDINGS
#define PLAYER_ENDINGS 8 /* how often a last bar is composed at most, until it is a good ending */
#endif
#ifndef PLAYER_AHEAD
#define PLAYER_AHEAD 256 /* the maximum number of waiting events */
#endif
#if PLAYER_AHEAD < PB_MAX_EVENTS + 2 || PLAYER_AHEAD > 32767
#error "PLAYER_AHEAD must lie between PB_MAX_EVENTS + 2 and 32767"
#endif

typedef uint32_t (*player_clock)(void); /* microseconds; may wrap around */
typedef void (*player_send)(const uint8_t *bytes, uint8_t count);

/* A point in a piece from which composing can continue. */
typedef struct {
  pb_network network;
  pb_music music;
  uint16_t previous[PB_FIELDS];
} player_piece;

typedef struct {
  player_piece now, last_bar; /* where composing is; where the piece's last bar begins */
  pb_pcg32_state random;
  pb_sampling sampling;
  player_clock clock;
  player_send send;
  pb_event waiting[PLAYER_AHEAD]; /* a ring; ticks count from the beginning of the first piece */
  uint16_t first, count;          /* the first waiting event, and their number */
  uint16_t held;                  /* how many of them, the newest, belong to a last bar that may be composed again */
  uint8_t tries;                  /* left for the last bar; 0: not in the last bar, or no more tries */
  uint8_t in_last_bar;
  uint32_t base;         /* the tick at which the piece being composed began */
  uint32_t tick;         /* the tick being played */
  uint64_t part;         /* of the next tick, in microseconds x ticks per quarter */
  uint32_t then;         /* the clock at the last call */
  uint32_t microseconds; /* of a quarter in the piece being played */
  uint32_t slowest;      /* the slowest step so far, in microseconds */
  uint16_t percent;      /* of the piece's tempo */
  int16_t program;       /* of every voice; negative: those of the piece */
  uint8_t header;        /* of the piece being played */
} player;

/* Starts playing; `seed` determines the music. */
void player_begin(player *p, uint64_t seed, player_clock clock, player_send send);

/* Call this continually: sends events that are due, and composes a step if there is time. */
void player_update(player *p);

/* Sets the General MIDI program of every voice; negative: those of the pieces. */
void player_set_program(player *p, int16_t program);

/* Sets the tempo in per cent of the pieces' tempo, 10 to 1000. */
void player_set_tempo(player *p, uint16_t percent);

#ifdef __cplusplus
}
#endif

#endif
