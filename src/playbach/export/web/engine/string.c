/* See string.h. Compiled with -fno-builtin, so that no loop becomes a call of itself. */
#include "string.h"

#include <stdint.h>

void *memset(void *to, int value, size_t count) {
  uint8_t *t = (uint8_t *)to;
  while (count--) *t++ = (uint8_t)value;
  return to;
}

void *memcpy(void *to, const void *from, size_t count) {
  uint8_t *t = (uint8_t *)to;
  const uint8_t *f = (const uint8_t *)from;
  while (count--) *t++ = *f++;
  return to;
}

void *memmove(void *to, const void *from, size_t count) {
  uint8_t *t = (uint8_t *)to;
  const uint8_t *f = (const uint8_t *)from;
  if (t < f) return memcpy(to, from, count);
  while (count--) t[count] = f[count];
  return to;
}

int memcmp(const void *a, const void *b, size_t count) {
  const uint8_t *x = (const uint8_t *)a, *y = (const uint8_t *)b;
  for (; count; count--, x++, y++)
    if (*x != *y) return *x - *y;
  return 0;
}

int strcmp(const char *a, const char *b) {
  for (; *a && *a == *b; a++, b++) {
  }
  return (uint8_t)*a - (uint8_t)*b;
}
