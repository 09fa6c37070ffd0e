// An ESP32 that composes for ever: MIDI out to a synthesiser board, the instrument on one potentiometer, the tempo on
// another. Only this file knows Arduino; player.c and knob.h are plain C.
#include <Arduino.h>
#if __has_include(<esp_random.h>)
#include <esp_random.h>
#endif

#include "knob.h"
#include "player.h"

namespace {

constexpr int kMidiTx = 17;      // to the synthesiser's MIDI input
constexpr int kInstrument = 34;  // the first potentiometer's middle pin
constexpr int kTempo = 35;       // the second one's; -1 where there is none
constexpr uint32_t kReadEvery = 10000;  // microseconds between two readings of the knobs
constexpr int kTempos = 31, kSlowest = 50, kStep = 5;  // 50 % to 200 % of the piece's own, in steps of 5 %

player music;
knob instrument, tempo;
uint32_t read_at;

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
  player_go_on(&music);
  if (micros() - read_at < kReadEvery) return;
  read_at = micros();
  if (knob_turned(&instrument, analogRead(kInstrument))) player_choose_program(&music, instrument.step);
  if (kTempo >= 0 && knob_turned(&tempo, analogRead(kTempo)))
    player_choose_tempo(&music, static_cast<uint16_t>(kSlowest + kStep * tempo.step));
}
