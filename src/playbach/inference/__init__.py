"""Composes: steps a network, samples its logits, and decodes the steps to events. Never imports torch."""
