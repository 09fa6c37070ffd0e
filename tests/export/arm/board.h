/* What a program can do on the board: say something, and measure its stack. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

void say(const char *text);
void say_number(uint32_t number);
uint32_t stack_used(void); /* bytes, so far */

#endif
