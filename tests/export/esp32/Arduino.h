// The parts of Arduino that examples/esp32 needs, simulated on a computer: time is counted, knobs follow a schedule,
// and whatever is sent is written to stdout with the time.
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
