/* The few functions of the standard library that the engine uses, since WebAssembly has no library. */
#ifndef PB_STRING_H
#define PB_STRING_H

#include <stddef.h>

void *memset(void *to, int value, size_t count);
void *memcpy(void *to, const void *from, size_t count);
void *memmove(void *to, const void *from, size_t count);
int memcmp(const void *a, const void *b, size_t count);
int strcmp(const char *a, const char *b);

#endif
