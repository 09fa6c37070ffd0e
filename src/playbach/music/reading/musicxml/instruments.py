"""Which General MIDI instrument plays a MusicXML part.

What counts, first to last: the program that the file gives, its `instrument-sound`, its instrument's name, the part's
name and abbreviation. An instrument that General MIDI lacks gets the nearest that it has; an unknown one is a piano.
The names of sounds are those of MusicXML 4.0 (https://www.w3.org/2021/06/musicxml40/listings/sounds.xml/); of a name
that the table lacks, the longest beginning counts: `wind.flutes.flute.alto` is a flute.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from playbach.music.instruments import INSTRUMENT_NAMES

DEFAULT_DRUM = 38
"""General MIDI's snare, for notes that name no drum."""
_DRUM_CHANNEL = "10"


def _table(text: str) -> dict[str, int]:
    """Lines `General MIDI's name: key, key` as a dict from keys to programs."""
    programs = {}
    for line in text.strip().splitlines():
        name, _, keys = line.partition(":")
        for key in keys.split(","):
            programs[key.strip()] = INSTRUMENT_NAMES.index(name.strip())
    return programs


_SOUNDS = _table(
    """
    Acoustic Grand Piano: keyboard, keyboard.piano
    Electric Piano 1: keyboard.piano.electric
    Honky-tonk Piano: keyboard.piano.honky-tonk
    Harpsichord: keyboard.harpsichord, keyboard.virginal
    Clavinet: keyboard.clavichord
    Celesta: keyboard.celesta
    Church Organ: keyboard.organ, keyboard.organ.pipe
    Drawbar Organ: keyboard.organ.drawbar
    Percussive Organ: keyboard.organ.percussive
    Rock Organ: keyboard.organ.rotary
    Reed Organ: keyboard.harmonium, keyboard.organ.reed
    Accordion: keyboard.accordion, keyboard.concertina
    Tango Accordion: keyboard.bandoneon
    Glockenspiel: pitched-percussion.glockenspiel, keyboard.glockenspiel, pitched-percussion.crotale, metal.crotale
    Music Box: pitched-percussion.music-box, pitched-percussion.toy-piano, keyboard.toy
    Vibraphone: pitched-percussion.vibraphone, metal.vibraphone, pitched-percussion.metallophone
    Marimba: pitched-percussion.marimba, wood.marimba, pitched-percussion
    Xylophone: pitched-percussion.xylophone, wood.xylophone, pitched-percussion.xylorimba
    Tubular Bells: pitched-percussion.tubular-bells, metal.bells
    Tubular Bells: pitched-percussion.bell-plate, pitched-percussion.handbells
    Kalimba: pitched-percussion.kalimba
    Dulcimer: pitched-percussion.hammer-dulcimer, pluck.dulcimer
    Dulcimer: pluck.zither, pluck.psaltery, pitched-percussion.zither
    Acoustic Guitar (nylon): pluck, pluck.guitar, pluck.lute
    Acoustic Guitar (nylon): pluck.ukulele, pluck.mandolin, pluck.vihuela, pluck.theorbo
    Acoustic Guitar (steel): pluck.guitar.acoustic, pluck.guitar.steel-string
    Electric Guitar (clean): pluck.guitar.electric
    Acoustic Bass: pluck.bass, pluck.bass.acoustic
    Electric Bass (finger): pluck.bass.electric
    Fretless Bass: pluck.bass.fretless
    Synth Bass 1: pluck.bass.synth
    Banjo: pluck.banjo
    Orchestral Harp: pluck.harp, pluck.lyre
    Sitar: pluck.sitar
    Shamisen: pluck.shamisen, pluck.pipa, pluck.balalaika, pluck.bouzouki
    Koto: pluck.koto, pluck.guzheng
    Violin: strings.violin, strings.viol.treble
    Viola: strings.viola, strings.viol.alto, strings.viol.tenor
    Cello: strings.cello, strings.viol, strings.viol.bass
    Contrabass: strings.contrabass, strings.viol.violone
    String Ensemble 1: strings, strings.group
    Fiddle: strings.fiddle, strings.erhu, strings.hardanger
    Timpani: drum.timpani
    Taiko Drum: drum.taiko
    Steel Drums: metal.steel-drums, pitched-percussion.steel-drums
    Agogo: metal.agogo
    Woodblock: wood.wood-block
    Melodic Tom: drum.tom-tom, drum.roto-tom
    Trumpet: brass.trumpet, brass.cornet, brass.flugelhorn, brass.bugle
    Trombone: brass.trombone, brass.sackbutt, brass.posthorn
    Tuba: brass.tuba, brass.sousaphone, brass.ophicleide, brass.serpent, brass.helicon
    French Horn: brass.french-horn, brass.natural-horn, brass.alphorn
    French Horn: brass.wagner-tuba, brass.alto-horn, brass.mellophone
    Trombone: brass.euphonium, brass.baritone-horn, brass.cimbasso
    Brass Section: brass, brass.group
    Piccolo: wind.flutes.flute.piccolo, wind.flutes.fife
    Flute: wind.flutes, wind.flutes.flute, wind
    Recorder: wind.flutes.recorder, wind.flutes.flageolet
    Pan Flute: wind.flutes.panpipes
    Shakuhachi: wind.flutes.shakuhachi
    Whistle: wind.flutes.whistle
    Ocarina: wind.flutes.ocarina
    Oboe: wind.reed.oboe, wind.reed, wind.reed.oboe-damore
    English Horn: wind.reed.english-horn
    Shanai: wind.reed.shenai, wind.reed.shawm, wind.reed.duduk
    Bassoon: wind.reed.bassoon, wind.reed.contrabassoon, wind.reed.dulcian
    Clarinet: wind.reed.clarinet, wind.reed.basset-horn, wind.reed.chalumeau
    Alto Sax: wind.reed.saxophone, wind.reed.saxophone.alto
    Soprano Sax: wind.reed.saxophone.soprano, wind.reed.saxophone.sopranino
    Tenor Sax: wind.reed.saxophone.tenor
    Baritone Sax: wind.reed.saxophone.baritone, wind.reed.saxophone.bass
    Harmonica: wind.reed.harmonica, wind.reed.melodica
    Bagpipe: wind.pipes, wind.pipes.bagpipes
    Choir Aahs: voice, voice.soprano, voice.alto, voice.tenor, voice.bass, voice.aa
    Voice Oohs: voice.vocals, voice.oo
    Synth Voice: voice.synth
    Lead 1 (square): synth, synth.tone.square
    Lead 2 (sawtooth): synth.tone.sawtooth
    Pad 1 (new age): synth.pad
    """
)

# Words as they begin in part names, without accents and dots; of several that fit, the first line counts.
_NAMES = _table(
    """
    English Horn: english horn, cor anglais, corno inglese, englischhorn, englisch horn, eng hn
    Clarinet: bass clarinet, bassklarinette, clarinette basse, bcl, basset
    Clarinet: klarinette, clarinet, clarinette, clar, cl, klar
    Bassoon: contrabassoon, kontrafagott, contrafagotto, contrebasson, cbsn, fagott, bassoon, basson, bsn, fg, fag
    Trombone: bassposaune, bass trombone, posaune, trombon, tbn, trb, pos, euphonium, baritone horn
    Tuba: tuba, bass tuba, sousaphone, ophicleide
    Electric Bass (finger): bass guitar, electric bass, e-bass, bassgitarre, basse electrique
    Soprano Sax: soprano sax, sopransax, saxophone soprano, ssax
    Tenor Sax: tenor sax, tenorsax, saxophone tenor, tsax
    Baritone Sax: baritone sax, baritonsax, bari sax, bass sax, saxophone baryton
    Alto Sax: alto sax, altsax, asax, sax, saxo
    Piccolo: piccolo, flauto piccolo, piccoloflote, petite flute, picc, ottavino
    Recorder: recorder, blockflote, flauto dolce, flute a bec, sopranino, altblockflote
    Pan Flute: pan flute, panflote
    Whistle: tin whistle, whistle
    Flute: flute, flote, flauto, flauti, traverso, traversiere, querflote, alto flute, altflote, fl
    Oboe: oboe, oboi, hautbois, ob, oboe d'amore
    French Horn: french horn, horn, horner, corno, corni, cor, cors, hn, hrn, waldhorn
    Trumpet: trumpet, trompete, tromba, trombe, trompette, clarino
    Trumpet: cornet, kornett, flugelhorn, tpt, trp, tr
    Contrabass: contrabass, kontrabass, double bass, contrabbasso, contrabasso
    Contrabass: contrebasse, string bass, violone, cb, kb, db
    Cello: violoncell, cello, celli, vlc, vcl, vc, viola da gamba, gambe, viole de gambe, continuo, basso continuo
    Viola: viola, viole, bratsche, vla, va, br
    Violin: violin, violon, violini, geige, vln, vlns, vl, vn, viol
    Fiddle: fiddle
    String Ensemble 1: strings, streicher, archi, cordes
    Harpsichord: harpsichord, cembalo, clavecin, clavicembalo, virginal
    Clavinet: clavichord
    Celesta: celesta
    Church Organ: organ, orgel, organo, orgue, pedal
    Reed Organ: harmonium
    Accordion: accordion, akkordeon, fisarmonica, accordeon
    Electric Piano 1: electric piano, e-piano
    Acoustic Grand Piano: piano, klavier, pianoforte, pf, keyboard, clavier
    Orchestral Harp: harp, harfe, arpa, hp, hrf
    Electric Guitar (clean): electric guitar, e-gitarre
    Acoustic Guitar (nylon): guitar, gitarre, chitarra, guitare, gtr, lute
    Acoustic Guitar (nylon): laute, liuto, luth, theorb, mandolin, ukulele
    Banjo: banjo
    Timpani: timpani, pauke, timbales, timp, kettle
    Glockenspiel: glockenspiel, orchestra bells, campanelli
    Vibraphone: vibraphon, vibes
    Marimba: marimba
    Xylophone: xylophon, xylofon, silofono
    Tubular Bells: tubular, chimes, rohrenglocken, campane
    Steel Drums: steel drum, steelpan
    Harmonica: harmonica, mundharmonika
    Bagpipe: bagpipe, dudelsack, cornemuse
    Sitar: sitar
    Koto: koto
    Shakuhachi: shakuhachi
    Choir Aahs: choir, chor, coro, choeur, chorus, voice, vocal, stimme, gesang, canto, cantus, chant, voix, voce
    Choir Aahs: soprano, sopran, treble, descant, mezzo, contralto, tenor, tenore, baryton, bariton, altus, quintus
    Choir Aahs: discant, superius, alto, alt, bassus, contratenor, sextus, singer, solo voice, s, a, t
    Brass Section: brass, blech
    """
)
_VOICES = frozenset(
    ("soprano", "sopran", "alto", "alt", "tenor", "tenore", "soprani", "alti", "tenori", "s", "a", "t")
)
"""Names beside which `Bass` is a voice."""
_CHOIR, _VIOLA, _ACOUSTIC_BASS = (INSTRUMENT_NAMES.index(n) for n in ("Choir Aahs", "Viola", "Acoustic Bass"))

_DRUM_NAMES = """
    36 bass drum, grosse trommel, gran cassa, kick
    38 snare, side drum, kleine trommel
    37 rim
    39 clap, whip
    46 open hi-hat
    44 pedal hi-hat
    42 hi-hat, hi hat, hihat
    50 high tom
    45 low tom
    41 floor tom
    47 tom
    51 ride
    55 splash
    52 china, gong, tam-tam, tamtam
    49 crash, cymbal, becken, piatti
    54 tambourin
    56 cowbell
    58 vibraslap
    60 bongo
    63 conga
    65 timbale
    67 agogo
    69 cabasa
    70 maraca
    73 guiro
    75 clave
    76 wood block, woodblock
    77 temple block
    78 cuica
    81 triang
    82 shaker
    83 sleigh, jingle
    84 bell tree
    85 castanet
    """
_DRUMS = {
    key.strip(): int(number)
    for number, _, keys in (line.strip().partition(" ") for line in _DRUM_NAMES.strip().splitlines())
    for key in keys.split(",")
}
"""General MIDI's percussion keys, by what the names of drums contain; the first that fits counts."""


@dataclass(frozen=True, slots=True)
class Instruments:
    """The instruments of one part."""

    default: int = 0
    """The program of notes that name no instrument."""
    programs: Mapping[str, int] | None = None
    """The program of each instrument, by its id."""
    drums: Mapping[str | None, int] | None = None
    """The percussion key of each instrument; of None, that of notes that name none."""
    names: Mapping[str, str] | None = None
    """The name of each instrument, by its id."""
    is_drums: bool = False
    """Whether the file says that the part is on MIDI's channel for drums."""

    @classmethod
    def of_part(cls, description: Element, siblings: Sequence[str] = ()) -> Instruments:
        """The instruments of a `score-part`.

        Args:
            siblings: the names of all parts; a Bass beside a Soprano is a voice.
        """
        midi = {e.get("id", ""): e for e in description.findall("midi-instrument")}
        named = {e.get("id", ""): e for e in description.findall("score-instrument")}
        part_names = [description.findtext(name, "") for name in ("part-name", "part-abbreviation")]
        programs = {
            name: _program(midi.get(name), named.get(name), part_names, siblings) for name in {**named, **midi}
        }
        default = next(iter(programs.values()), _program(None, None, part_names, siblings))
        drums: dict[str | None, int] = {}
        for name in {**midi, **named}:
            key = _drum(midi.get(name), named.get(name), part_names)
            drums.setdefault(None, key)
            drums[name] = key
        drums.setdefault(None, _drum(None, None, part_names))
        channels = {e.findtext("midi-channel", "").strip() for e in midi.values()}
        names = {name: " ".join(e.findtext("instrument-name", "").split()) for name, e in named.items()}
        return cls(default, programs, drums, names, _DRUM_CHANNEL in channels)

    def program(self, instrument: str | None) -> int:
        """The program (0 to 127) of an instrument by its id; None or an unknown id: of the part."""
        return (self.programs or {}).get(instrument or "", self.default)

    def drum(self, instrument: str | None) -> int:
        """The percussion key of an unpitched note that names this instrument, or none."""
        drums = self.drums or {None: DEFAULT_DRUM}
        return drums.get(instrument, drums[None])


def _program(midi: Element | None, named: Element | None, part_names: Sequence[str], siblings: Sequence[str]) -> int:
    if midi is not None and (number := _midi_number(midi, "midi-program")) is not None:
        return number
    if named is not None:
        sound = named.findtext("instrument-sound", "").strip()
        while sound:
            if sound in _SOUNDS:
                return _SOUNDS[sound]
            sound = sound.rpartition(".")[0]
    names = [named.findtext("instrument-name", "")] if named is not None else []
    for name in [*names, *part_names]:
        if (found := program_by_name(name, siblings)) is not None:
            return found
    return 0


def _midi_number(element: Element, name: str) -> int | None:
    """MusicXML counts programs and keys from 1."""
    text = element.findtext(name, "").strip()
    return int(text) - 1 if text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= 128 else None


def program_by_name(name: str, siblings: Sequence[str] = ()) -> int | None:
    """The program for the name of an instrument or a voice in English, German, Italian or French; None if unknown.

    Args:
        siblings: the names of all parts of the score.
    """
    words = _plain(name)
    if not words:
        return None
    others = {_plain(other) for other in siblings}
    if words in ("bass", "basso", "basse", "b", "bassi"):
        return _CHOIR if others & _VOICES else None if words == "b" else _ACOUSTIC_BASS
    if words in ("alto", "alt") and any(other.startswith("violon") for other in others):
        return _VIOLA  # in French
    found = [
        (_place(words, key), order, p) for order, (key, p) in enumerate(_NAMES.items()) if _place(words, key) >= 0
    ]
    return min(found, key=lambda item: item[1])[2] if found else None


def _place(words: str, key: str) -> int:
    """Where a key begins in a name, at the beginning of a word; -1 if nowhere. Short keys must be whole words."""
    ending = r"\b" if len(key) <= 3 else ""
    found = re.search(rf"\b{re.escape(key)}{ending}", words)
    return found.start() if found else -1


def _plain(name: str) -> str:
    """In lower case, without accents, dots, numbers and roman numerals."""
    text = unicodedata.normalize("NFKD", name[:80]).encode("ascii", "ignore").decode().lower()
    text = re.sub(r"[^a-z' -]+", " ", text)
    return " ".join(word for word in text.split() if not re.fullmatch(r"[ivx]+", word))


def _drum(midi: Element | None, named: Element | None, part_names: Sequence[str]) -> int:
    if midi is not None and (number := _midi_number(midi, "midi-unpitched")) is not None:
        return number
    names = [named.findtext("instrument-name", "")] if named is not None else []
    for name in [*names, *part_names]:
        plain = _plain(name)
        for part_of_name, drum in _DRUMS.items():
            if part_of_name in plain:
                return drum
    return DEFAULT_DRUM
