"""Parses and writes Standard MIDI Files."""
