// As much of Arduino as examples/esp32 needs, on a computer: its time is counted, its knobs follow a plan, and what
// it sends is written to stdout with the time.
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stddef.h>
#include <stdint.h>

constexpr uint32_t SERIAL_8N1 = 0x800001c;

struct SerialPort {
  void begin(unsigned long baud, uint32_t config = SERIAL_8N1, int rx = -1, int tx = -1);
  size_t write(const uint8_t *bytes, size_t count);
  size_t printf(const char *format, ...);
};

extern SerialPort Serial, Serial2;

void setup();
void loop();
unsigned long micros();
void delay(unsigned long milliseconds);
int analogRead(int pin);
uint32_t esp_random();

#endif
