/* Numbers that the package and the page share.
   Made by docs/make_protocol.py from the modules that are named here: change those, and run the script. */

/** How music is performed (src/playbach/music/performance.py). */
export const PERFORMANCE = {
  level: 74,
  phrase: 9,
  beat: 4,
  contourPerSemitone: 0.6,
  leading: 6,
  inner: -5,
  lastTempoShare: 0.66,
  fermataQuarters: 2.0,
  slowestShare: 0.4,
  breathQuarters: 2.0,
  aheadBars: 4,
  softest: 36,
  loudest: 112,
} as const;

/** When bars are sent and changes take effect (src/playbach/streaming/session.py). */
export const PACING = {
  ahead: 6.0,
  spare: 0.35,
  changeInterval: 1.0,
  preroll: 1.5,
} as const;

export const TICKS_PER_QUARTER = 480;
export const CADENCE_BARS = 2;
export const CACHED_BARS = 8;
export const MAX_ENDINGS_TRIED = 48;
export const MAX_ALTERNATIVES = 3;
