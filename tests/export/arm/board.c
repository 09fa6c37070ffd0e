/* Start-up code for a Cortex-M4 without an operating system, QEMU's mps2-an386: runs main(), writes to the first
 * serial port, and exits by semihosting. Fills the stack with a pattern, to measure afterwards how much was used.
 */
#include "board.h"

#include <stdint.h>

#define PAINT 0xA5A5A5A5u

extern uint32_t data_begin[], data_end[], data_source[], bss_begin[], bss_end[], stack_bottom[], stack_top[];

int main(void);

static volatile uint32_t *const serial = (volatile uint32_t *)0x40004000; /* data, state, control, -, divider */

static void leave(void) {
  register uint32_t operation __asm("r0") = 0x18;  /* SYS_EXIT */
  register uint32_t reason __asm("r1") = 0x20026; /* the application ended */
  __asm volatile("bkpt 0xAB" : : "r"(operation), "r"(reason) : "memory");
  for (;;) {
  }
}

void reset(void) {
  uint32_t *from = data_source, *to, *here;
  for (to = data_begin; to < data_end;) *to++ = *from++;
  for (to = bss_begin; to < bss_end;) *to++ = 0;
  __asm volatile("mov %0, sp" : "=r"(here));
  for (to = stack_bottom; to < here - 16;) *to++ = PAINT;
  serial[4] = 16;
  serial[2] = 1; /* transmit */
  main();
  leave();
}

static void fault(void) {
  print("fault\n");
  leave();
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))stack_top, reset, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, fault};

void print(const char *text) {
  while (*text) {
    while (serial[1] & 1) {
    }
    serial[0] = (uint32_t)*text++;
  }
}

void print_number(uint32_t number) {
  char text[12], *at = text + sizeof text - 1;
  *at = 0;
  do *--at = (char)('0' + number % 10);
  while (number /= 10);
  print(" ");
  print(at);
}

uint32_t stack_used(void) {
  const uint32_t *at = stack_bottom;
  while (at < stack_top && *at == PAINT) at++;
  return (uint32_t)((stack_top - at) * 4);
}
