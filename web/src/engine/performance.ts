/* Performs a composed piece by the rules of src/playbach/music/performance.py, which says what they are and why: the same
   notes get the same velocities there and here (test/engine/performance.test.ts). */

import { PERFORMANCE as RULES, TICKS_PER_QUARTER } from "./defaults";
import { barTicks, type MeterEvent, type NoteEvent, type PieceEvent, type PieceStart, type TempoEvent } from "./events";

const FASTEST_CONTOUR = 6; // velocities: the most that a line's height changes

/** Performs a piece whose events come one by one: the same events in the same order, with velocities, and with tempos for
 *  the last bar. An event is returned once some bars after it are known. */
export class Performer {
  private readonly waiting: PieceEvent[] = [];
  private meter: MeterEvent = { kind: "meter", tick: 0, numerator: 4, denominator: 4 };
  private longestBar = 0;
  private tempo = 80;
  private lastTick = -1;
  private phraseStart = 0;
  private readonly meanPitch = new Map<number, number>();
  private meanLength = TICKS_PER_QUARTER;
  private top = 0;

  constructor(private readonly start: PieceStart) {}

  /** The events that can be performed when this one is known. */
  *take(event: PieceEvent): Generator<PieceEvent> {
    this.waiting.push(event);
    if (event.kind === "end") {
      yield* this.play(Infinity, this.slowerTempos(event.tick));
      return;
    }
    if (event.kind === "meter") this.longestBar = Math.max(this.longestBar, barTicks(event));
    yield* this.play(event.tick - RULES.aheadBars * (this.longestBar || barTicks(this.meter)), []);
  }

  private *play(until: number, tempos: TempoEvent[]): Generator<PieceEvent> {
    for (let event = this.waiting[0]; event && event.tick < until; event = this.waiting[0]) {
      this.waiting.shift();
      this.lastTick = event.tick;
      for (let tempo = tempos[0]; tempo && tempo.tick <= event.tick; tempo = tempos[0]) {
        tempos.shift();
        yield tempo;
      }
      if (event.kind === "meter") this.meter = this.fullMeter(event);
      else if (event.kind === "tempo") this.tempo = event.qpm;
      if (event.kind === "note" && !this.start.velocities) yield { ...event, velocity: this.velocity(event) };
      else yield event;
    }
  }

  private velocity(note: NoteEvent): number {
    return roundHalfEven(Math.max(RULES.softest, Math.min(RULES.loudest, this.level(note))));
  }

  /** The meter itself; for a pickup, the meter of the full bar of which it is the end. */
  private fullMeter(meter: MeterEvent): MeterEvent {
    const following = this.waiting.find((event) => event.kind === "meter");
    const isPickup = following && meter.tick === 0 && following.tick === meter.tick + barTicks(meter);
    if (following && isPickup && barTicks(meter) < barTicks(following)) {
      return { ...following, tick: following.tick - barTicks(following) };
    }
    return meter;
  }

  /** Tempos that slow the last bar down evenly, beat by beat, and hold the last chord. */
  private slowerTempos(end: number): TempoEvent[] {
    const meter = this.waiting.findLast((event) => event.kind === "meter") ?? this.meter;
    const tempo = this.waiting.findLast((event) => event.kind === "tempo")?.qpm ?? this.tempo;
    const bar = barTicks(meter);
    const beat = Math.floor((TICKS_PER_QUARTER * 4) / meter.denominator);
    const first = end - bar;
    const ownTempo = this.waiting.some((event) => event.kind === "tempo" && event.tick >= first);
    if (first - bar < 0 || first < this.lastTick || beat === 0 || ownTempo) return [];
    const count = Math.ceil((end - first) / beat);
    const slowest = 1 - RULES.lastTempoShare;
    const tempos = Array.from({ length: count }, (_, i): TempoEvent => (
      { kind: "tempo", tick: first + i * beat, qpm: tempo * (1 - (slowest * (i + 1)) / count) }
    ));
    const notes = this.waiting.filter((event) => event.kind === "note");
    const last = notes.length ? Math.max(...notes.map((note) => note.tick)) : first;
    const fermata = RULES.fermataQuarters * TICKS_PER_QUARTER;
    const share = Math.max(RULES.slowestShare, (end - last) / fermata);
    const before = tempos.filter((event) => event.tick < last);
    const previous = before.at(-1);
    if (last >= first && previous && share * tempo < previous.qpm) {
      return [...before, { kind: "tempo", tick: last, qpm: share * tempo }];
    }
    return tempos;
  }

  private level(note: NoteEvent): number {
    const { tracks } = this.start;
    if (tracks[note.track]?.drums) return RULES.level + RULES.inner + 2 * RULES.beat * this.metricalWeight(note.tick);
    const mean = this.meanPitch.get(note.track) ?? note.pitch;
    this.meanPitch.set(note.track, mean + (note.pitch - mean) / 16);
    this.top = this.extreme((a, b) => a > b);
    const longestPhrase = RULES.aheadBars * barTicks(this.meter);
    while (longestPhrase > 0 && longestPhrase <= note.tick - this.phraseStart) this.phraseStart += longestPhrase;
    let level = RULES.level + RULES.phrase * this.phraseArc(note, this.phraseStart + longestPhrase);
    level += RULES.beat * this.metricalWeight(note.tick);
    level += Math.max(-FASTEST_CONTOUR, Math.min(FASTEST_CONTOUR, RULES.contourPerSemitone * (note.pitch - mean)));
    if (tracks.filter((track) => !track.drums).length > 2) {
      const lowest = this.extreme((a, b) => a < b);
      level += note.track === this.top ? RULES.leading : note.track === lowest ? 0 : RULES.inner;
    }
    if (note.track === this.top) {
      if (this.endsPhrase(note)) this.phraseStart = note.tick + note.duration;
      this.meanLength += (note.duration - this.meanLength) / 12;
    }
    return level;
  }

  /** The first track whose mean pitch is before that of all others. */
  private extreme(isBefore: (a: number, b: number) => boolean): number {
    let best: [track: number, mean: number] | undefined;
    for (const entry of this.meanPitch) if (!best || isBefore(entry[1], best[1])) best = entry;
    return best?.[0] ?? 0;
  }

  private endsPhrase(note: NoteEvent): boolean {
    const longEnough = Math.max(TICKS_PER_QUARTER, 1.7 * this.meanLength);
    return note.duration >= longEnough && note.tick - this.phraseStart >= Math.floor(barTicks(this.meter) / 2);
  }

  /** -1 at both ends of a phrase, 1 at its peak a little after the middle. */
  private phraseArc(note: NoteEvent, latest: number): number {
    const start = this.phraseStart;
    let end = latest;
    if (note.tick < start) return -1;
    for (const event of [note, ...this.waiting]) {
      if (event.kind === "end") end = Math.min(end, event.tick);
      if (event.kind === "note" && event.track === this.top && this.endsPhrase(event)) {
        end = Math.min(end, event.tick + Math.floor(event.duration / 2));
        break;
      }
    }
    const x = Math.min(Math.max((note.tick - start) / Math.max(1, end - start), 0), 1);
    return end - start >= barTicks(this.meter) ? 2 * Math.sin(Math.PI * x ** 1.2) - 1 : 0;
  }

  /** 1 on the first beat, 0.4 in the middle of an even number of beats, 0 on other beats, -0.5 between beats. */
  private metricalWeight(tick: number): number {
    const bar = barTicks(this.meter);
    const beat = Math.floor((TICKS_PER_QUARTER * 4) / this.meter.denominator);
    const place = modulo(tick - this.meter.tick, Math.max(1, bar));
    if (place === 0) return 1;
    if (place * 2 === bar && this.meter.numerator % 2 === 0) return 0.4;
    return place % Math.max(1, beat) === 0 ? 0 : -0.5;
  }
}

function modulo(a: number, b: number): number {
  return ((a % b) + b) % b;
}

/** As Python rounds. */
function roundHalfEven(x: number): number {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}
