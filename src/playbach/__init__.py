"""playbach: train a neural network on the music you love, and let it play for you."""
