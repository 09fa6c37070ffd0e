// An ESP32 that composes endlessly: sends MIDI to a synthesiser board, with one potentiometer for the instrument and
// one for the tempo. Only this file depends on Arduino; player.c and knob.h are plain C.
#include <Arduino.h>
#if __has_include(<esp_random.h>)
#include <esp_random.h>
#endif

#include "knob.h"
#include "player.h"

namespace {

constexpr int kMidiTx = 17;      // to the synthesiser's MIDI input
constexpr int kInstrument = 34;  // the first potentiometer's middle pin
constexpr int kTempo = 35;       // the second one's; -1 if there is none
constexpr uint32_t kReadInterval = 10000;  // microseconds between readings of the knobs
constexpr int kTempos = 31, kSlowest = 50, kStep = 5;  // 50 % to 200 % of the piece's tempo, in steps of 5 %

player music;
knob instrument, tempo;
uint32_t last_reading;

uint32_t now() { return micros(); }

void send(const uint8_t *bytes, uint8_t count) { Serial2.write(bytes, count); }

}  // namespace

void setup() {
  Serial.begin(115200);
  Serial2.begin(31250, SERIAL_8N1, -1, kMidiTx);
  delay(500);  // until the synthesiser is ready
  const uint32_t seed = esp_random();
  Serial.printf("playbach: seed %lu, %u bytes of memory\n", static_cast<unsigned long>(seed),
                static_cast<unsigned>(sizeof music));
  knob_begin(&instrument, 128);
  knob_begin(&tempo, kTempos);
  player_begin(&music, seed, now, send);
}

void loop() {
  player_update(&music);
  if (micros() - last_reading < kReadInterval) return;
  last_reading = micros();
  if (knob_turned(&instrument, analogRead(kInstrument))) player_set_program(&music, instrument.step);
  if (kTempo >= 0 && knob_turned(&tempo, analogRead(kTempo)))
    player_set_tempo(&music, static_cast<uint16_t>(kSlowest + kStep * tempo.step));
}
