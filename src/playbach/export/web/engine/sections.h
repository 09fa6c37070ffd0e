/* The sections of a model file: named arrays of little-endian numbers, each at a multiple of 16 bytes. Written by
 * playbach.export.web. The file must stay in memory while the engine runs, since the engine's tables point into it.
 *
 * The file begins with "PBWM", the number 1 (the version) and the number of sections. Each section then has an entry:
 * its name (32 bytes, padded with zeros), where it begins, and how many bytes it has.
 */
#ifndef PB_SECTIONS_H
#define PB_SECTIONS_H

#include <stdint.h>
#include <string.h>

#define PB_VERSION 1u
#define PB_NAME_BYTES 32

typedef struct {
  char name[PB_NAME_BYTES];
  uint32_t start, bytes;
} pb_section;

typedef struct {
  const uint8_t *bytes;
  uint32_t size, count;
  int damaged; /* set when a section is missing, or has another size than the model needs */
} pb_file;

static inline uint32_t pb_u32(const uint8_t *at) { return at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24; }

static inline void pb_open(pb_file *f, const uint8_t *bytes, uint32_t size) {
  f->bytes = bytes;
  f->size = size;
  f->count = 0;
  f->damaged = size < 12 || memcmp(bytes, "PBWM", 4) || pb_u32(bytes + 4) != PB_VERSION;
  if (f->damaged) return;
  f->count = pb_u32(bytes + 8);
  f->damaged = f->count > (size - 12) / sizeof(pb_section);
}

/* Writes a name such as inputs_2_weight; number -1 and part "" are left out. */
static inline void pb_name(char *to, const char *kind, int number, const char *part) {
  int at = 0;
  while (*kind) to[at++] = *kind++;
  if (number >= 0) {
    to[at++] = '_';
    if (number > 9) to[at++] = (char)('0' + number / 10 % 10);
    to[at++] = (char)('0' + number % 10);
  }
  if (*part) to[at++] = '_';
  while (*part) to[at++] = *part++;
  to[at] = 0;
}

/* The section, and its size if `bytes` is not null; null if there is none. */
static inline const void *pb_find(const pb_file *f, const char *name, uint32_t *bytes) {
  const pb_section *s = (const pb_section *)(f->bytes + 12);
  uint32_t i;
  for (i = 0; !f->damaged && i < f->count; i++) {
    if (strcmp(s[i].name, name)) continue;
    if (s[i].start % 16 || s[i].start > f->size || s[i].bytes > f->size - s[i].start) return 0;
    if (bytes) *bytes = s[i].bytes;
    return f->bytes + s[i].start;
  }
  return 0;
}

/* A section of so many bytes; otherwise the file is damaged. */
static inline const void *pb_read(pb_file *f, const char *kind, int number, const char *part, uint32_t bytes) {
  char name[PB_NAME_BYTES];
  uint32_t found = 0;
  const void *section;
  pb_name(name, kind, number, part);
  section = pb_find(f, name, &found);
  if (!section || found != bytes) f->damaged = 1;
  return section;
}

/* A number, at most `most`; 0 if the file does not have it. */
static inline uint32_t pb_number(pb_file *f, const char *name, uint32_t most) {
  uint32_t bytes = 0;
  const uint32_t *section = (const uint32_t *)pb_find(f, name, &bytes);
  if (!section || bytes != 4) return 0;
  if (*section > most) f->damaged = 1;
  return *section > most ? 0 : *section;
}

#endif
