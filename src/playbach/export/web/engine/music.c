/* The encoding's functions, with what they need to know of a model read from a model file. */
#if PB_ENCODING_NOTES
#include "notes.c"
#else
#include "chorale.c"
#endif

#define FEATURE(name) \
  { #name, name }

/* Every feature's function by its name, which the model file lists. */
static const struct {
  const char *name;
  pb_feature function;
} pb_known_features[] = {
    FEATURE(pb_context_place),
    FEATURE(pb_context_meter),
    FEATURE(pb_context_bars_left),
#if PB_ENCODING_NOTES
    FEATURE(pb_context_top),
    FEATURE(pb_context_notes),
    FEATURE(pb_context_steps),
    FEATURE(pb_context_echoes),
#else
    FEATURE(pb_context_voice),
    FEATURE(pb_context_waited),
    FEATURE(pb_context_lengths),
    FEATURE(pb_context_own),
    FEATURE(pb_context_sounding),
    FEATURE(pb_context_intervals),
    FEATURE(pb_context_motions),
    FEATURE(pb_context_home),
    FEATURE(pb_context_given),
#endif
};

static void pb_read_features(pb_file *f) {
  uint32_t bytes = 0, i, k;
  const char *names = (const char *)pb_find(f, "features", &bytes), *name;
  if (!names || !bytes || names[bytes - 1]) {
    f->damaged = 1;
    return;
  }
  pb_vocabulary.features = 0;
  for (name = names; name < names + bytes && !f->damaged; name += k + 1) {
    uint32_t known = sizeof pb_known_features / sizeof *pb_known_features;
    for (k = 0; name[k]; k++) {
    }
    for (i = 0; i < known && strcmp(pb_known_features[i].name, name); i++) {
    }
    if (i == known || pb_vocabulary.features == PB_MOST_FEATURES)
      f->damaged = 1;
    else
      pb_feature_of[pb_vocabulary.features++] = pb_known_features[i].function;
  }
}

static void pb_read_headers(pb_file *f) {
  uint32_t i, t;
  const uint32_t *row;
  PB_HEADERS = pb_number(f, "header_count", PB_MOST_HEADERS);
  PB_TRACKS = pb_number(f, "tracks", PB_MOST_TRACKS);
  row = (const uint32_t *)pb_read(f, "headers", -1, "", 4 * PB_HEADERS * (7 + PB_TRACKS));
  if (!PB_HEADERS) f->damaged = 1;
  for (i = 0; !f->damaged && i < PB_HEADERS; i++) {
    pb_header *h = &pb_headers[i];
    h->pieces = *row++;
    h->microseconds = *row++;
    h->pickup = *row++;
    h->bar = (uint16_t)*row++;
    h->meter = (uint16_t)*row++;
    h->numerator = (uint8_t)*row++;
    h->denominator = (uint8_t)*row++;
    for (t = 0; t < PB_TRACKS; t++) h->programs[t] = (uint8_t)*row++;
    if (!h->bar) f->damaged = 1;
  }
}

void pb_read_vocabulary(pb_file *f) {
  pb_read_headers(f);
  pb_read_features(f);
  pb_vocabulary.symbols = pb_number(f, "PB_SYMBOLS", PB_MOST_MAX_SYMBOLS);
  PB_VELOCITY = pb_number(f, "PB_VELOCITY", 127);
#if PB_ENCODING_NOTES
  {
    uint32_t bytes = 0;
    pb_chords = (const uint32_t *)pb_find(f, "pb_chords", &bytes);
    if (!pb_chords || bytes < 8) {
      f->damaged = 1;
      return;
    }
    pb_pitches = (const uint8_t *)pb_find(f, "pb_pitches", 0);
  }
  PB_REST = pb_number(f, "PB_REST", 65535);
  PB_LONGEST_RUN = pb_number(f, "PB_LONGEST_RUN", UINT32_MAX);
  PB_LONGEST_REST = pb_number(f, "PB_LONGEST_REST", UINT32_MAX);
  PB_FOLDED = pb_number(f, "PB_FOLDED", 1);
  PB_JOINED = pb_number(f, "PB_JOINED", 1);
  PB_SEPARATE = pb_number(f, "PB_SEPARATE", 1);
  pb_vocabulary.fixed = pb_number(f, "PB_FIXED", 255);
  PB_DURATION_SYMBOLS = pb_number(f, "PB_DURATION_SYMBOLS", PB_MOST_MAX_SYMBOLS);
  PB_VELOCITIES = pb_number(f, "PB_VELOCITIES", 1);
  PB_VELOCITY_FIELD = pb_number(f, "PB_VELOCITY_FIELD", PB_MOST_FIELDS - 1);
  PB_VELOCITY_SYMBOLS = pb_number(f, "PB_VELOCITY_SYMBOLS", PB_MOST_MAX_SYMBOLS);
  PB_VELOCITY_REST = pb_number(f, "PB_VELOCITY_REST", PB_MOST_MAX_SYMBOLS);
  PB_VELOCITY_BIN = pb_number(f, "PB_VELOCITY_BIN", 128);
  pb_chord_of = (const uint16_t *)pb_read(f, "pb_chord_of", -1, "", 2 * pb_vocabulary.symbols);
  pb_units = pb_unfolded = 0;
  if (PB_JOINED || PB_SEPARATE)
    pb_units = (const uint8_t *)pb_read(f, "pb_units", -1, "", PB_SEPARATE ? PB_DURATION_SYMBOLS : pb_vocabulary.symbols);
  if (PB_FOLDED) pb_unfolded = (const uint8_t *)pb_read(f, "pb_unfolded", -1, "", 12);
  if (!pb_pitches) f->damaged = 1;
#else
  PB_LOW = pb_number(f, "PB_LOW", 127);
  PB_FIRST_WAIT = pb_number(f, "PB_FIRST_WAIT", PB_MOST_MAX_SYMBOLS);
  PB_LONGEST = pb_number(f, "PB_LONGEST", UINT32_MAX);
  PB_GIVEN = pb_number(f, "PB_GIVEN", PB_MOST_CONTEXTS);
  pb_ranges = (const uint8_t(*)[2])pb_read(f, "pb_ranges", -1, "", 4 * 2);
  pb_scales = (const int32_t(*)[12])pb_read(f, "pb_scales", -1, "", 4 * 2 * 12);
#endif
}
