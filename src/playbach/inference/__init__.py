"""Composing: a network is stepped, its logits are sampled, and the steps become events. Never imports torch."""
