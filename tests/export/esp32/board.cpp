// Runs examples/esp32 on a computer: board SECONDS SEED POLL INSTRUMENT_AT INSTRUMENT TEMPO_AT TEMPO. Each reading of
// the clock advances it by POLL microseconds; it begins shortly before its counter wraps around. The knobs stay in
// the middle, with noise, until INSTRUMENT_AT and TEMPO_AT seconds, when each is turned to a reading.
#include <Arduino.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr uint64_t kBegin = 0xFFFFFFFFull - 3000000;
uint64_t elapsed;
uint32_t poll_us, seed;
double instrument_at, tempo_at;
int instrument, tempo;

double seconds() { return static_cast<double>(elapsed) / 1e6; }

}  // namespace

SerialPort Serial, Serial2;

void SerialPort::begin(unsigned long baud, uint32_t, int, int tx) {
  if (this == &Serial2) std::printf("begin %lu %d\n", baud, tx);
}

size_t SerialPort::write(const uint8_t *bytes, size_t count) {
  std::printf("send %llu", static_cast<unsigned long long>(elapsed));
  for (size_t i = 0; i < count; i++) std::printf(" %d", bytes[i]);
  std::printf("\n");
  return count;
}

size_t SerialPort::printf(const char *format, ...) {
  va_list list;
  va_start(list, format);
  const int count = std::vfprintf(stderr, format, list);
  va_end(list);
  return static_cast<size_t>(count);
}

unsigned long micros() {
  elapsed += poll_us;
  return static_cast<uint32_t>(kBegin + elapsed);
}

void delay(unsigned long milliseconds) { elapsed += 1000 * milliseconds; }

int analogRead(int pin) {
  const int noise = std::rand() % 121 - 60;
  const bool first = pin == 34;
  const bool turned = seconds() >= (first ? instrument_at : tempo_at);
  const int reading = (turned ? (first ? instrument : tempo) : 2048) + noise;
  return reading < 0 ? 0 : reading > 4095 ? 4095 : reading;
}

uint32_t esp_random() { return seed; }

int main(int count, char **arguments) {
  if (count != 8) return 2;
  const double until = std::atof(arguments[1]);
  seed = static_cast<uint32_t>(std::atol(arguments[2]));
  poll_us = static_cast<uint32_t>(std::atol(arguments[3]));
  instrument_at = std::atof(arguments[4]);
  instrument = std::atoi(arguments[5]);
  tempo_at = std::atof(arguments[6]);
  tempo = std::atoi(arguments[7]);
  setup();
  while (seconds() < until) loop();
  return 0;
}
