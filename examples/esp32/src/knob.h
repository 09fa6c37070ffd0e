/* Turns a potentiometer's readings into steps. Readings are smoothed, and a step is left only well beyond its edge,
 * so noise does not count as turning. No step is reported until the knob is first turned. Knows nothing of Arduino.
 */
#ifndef KNOB_H
#define KNOB_H

#include <stdint.h>

#define KNOB_MAX 4095         /* the largest reading */
#define KNOB_FIRST_CHANGE 200 /* a change of the reading by this much is the first turn */

typedef struct {
  uint16_t steps;
  int16_t step;     /* -1: not turned yet */
  int32_t smoothed; /* 16 times a reading; negative: none yet */
  int32_t initial;  /* the first reading, times 16 */
} knob;

static inline void knob_begin(knob *k, uint16_t steps) {
  k->steps = steps;
  k->step = -1;
  k->smoothed = -1;
}

/* Takes a reading, 0 to KNOB_MAX; returns whether the knob has moved to another step. */
static inline int knob_turned(knob *k, int32_t reading) {
  const int32_t width = 16 * (KNOB_MAX + 1) / k->steps;
  int32_t away;
  if (k->smoothed < 0) k->smoothed = k->initial = 16 * reading;
  k->smoothed += (16 * reading - k->smoothed) / 8;
  away = k->smoothed - (k->step < 0 ? k->initial : k->step * width + width / 2);
  if (away < 0) away = -away;
  if (away <= (k->step < 0 ? 16 * KNOB_FIRST_CHANGE : width)) return 0;
  k->step = (int16_t)(k->smoothed / width);
  if (k->step >= (int16_t)k->steps) k->step = (int16_t)(k->steps - 1);
  return 1;
}

#endif
