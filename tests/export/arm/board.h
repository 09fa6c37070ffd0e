/* The board's functions for a program: print to the serial port, and measure the stack. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

void print(const char *text);
void print_number(uint32_t number);
uint32_t stack_used(void); /* bytes, so far */

#endif
