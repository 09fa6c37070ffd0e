/* A potentiometer as one of some steps. Readings are smoothed, and a step is left only well beyond its edge, so that
 * noise never turns the knob. Until somebody does, it says nothing. Knows nothing of Arduino.
 */
#ifndef KNOB_H
#define KNOB_H

#include <stdint.h>

#define KNOB_MOST 4095 /* of a reading */
#define KNOB_TURN 200  /* by so much it has to be turned first of all */

typedef struct {
  uint16_t steps;
  int16_t step;     /* -1: not turned yet */
  int32_t smoothed; /* 16 times a reading; less than 0: none yet */
  int32_t began;
} knob;

static inline void knob_begin(knob *k, uint16_t steps) {
  k->steps = steps;
  k->step = -1;
  k->smoothed = -1;
}

/* Takes a reading, 0 to KNOB_MOST; returns whether the knob has come to another step. */
static inline int knob_turned(knob *k, int32_t reading) {
  const int32_t width = 16 * (KNOB_MOST + 1) / k->steps;
  int32_t away;
  if (k->smoothed < 0) k->smoothed = k->began = 16 * reading;
  k->smoothed += (16 * reading - k->smoothed) / 8;
  away = k->smoothed - (k->step < 0 ? k->began : k->step * width + width / 2);
  if (away < 0) away = -away;
  if (away <= (k->step < 0 ? 16 * KNOB_TURN : width)) return 0;
  k->step = (int16_t)(k->smoothed / width);
  if (k->step >= (int16_t)k->steps) k->step = (int16_t)(k->steps - 1);
  return 1;
}

#endif
