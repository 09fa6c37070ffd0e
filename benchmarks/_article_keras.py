"""The article's network in Keras on TensorFlow, as published, in a process of its own.

Model type 3 of the article's application: an embedding of 50, two LSTM layers of 300, each followed by batch
normalisation, leaky ReLU and dropout of 0.4, one softmax; windows of 40, batches of 64, Adam with its defaults.
Training ends when the validation accuracy has not risen by 0.01 for 8 epochs, at the latest after 70, and keeps the
best weights. (Its learning rate falls on plateaus, but not below 0.001, where Adam starts; so it never changes.)
Targets are numbers instead of one-hot vectors, which is the same loss. Needs numpy and TensorFlow, not playbach.

usage: _article_keras.py train DATA.npz EPOCHS SEED      |      _article_keras.py predict SYMBOLS NOTES SEED

DATA has windows (N, 40) and targets (N,) as x_train, y_train, x_valid … y_test. Prints JSON lines: one for each
epoch, and one with the results of the kept weights. Seconds count from the beginning of `fit`, without the time to
measure the test samples after each epoch, which the article did not do.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

WINDOW, EMBEDDING, HIDDEN, DROPOUT, BATCH = 40, 50, 300, 0.4, 64
LEAST_GAIN, PATIENCE = 1e-2, 8
WARMUP = 5


def network(symbols: int) -> Any:
    import keras
    from keras import layers

    window = x = keras.Input((WINDOW,), dtype="int32")
    x = layers.Embedding(symbols, EMBEDDING)(x)
    for sequences in (True, False):
        x = layers.LSTM(HIDDEN, return_sequences=sequences)(x)
        x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU()(x)
        x = layers.Dropout(DROPOUT)(x)
    model = keras.Model(window, layers.Dense(symbols, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def measured(model: Any, x: Any, y: Any) -> dict[str, float]:
    """Accuracy, and bits a symbol."""
    chances = model.predict(x, batch_size=256, verbose=0)
    bits = -np.log2(np.maximum(chances[np.arange(len(y)), y], 1e-12))
    return {"accuracy": float((chances.argmax(-1) == y).mean()), "bits": float(bits.mean())}


def train(path: str, epochs: int, seed: int) -> None:
    import keras

    keras.utils.set_random_seed(seed)
    data = np.load(path)
    model = network(int(data["symbols"]))
    test = data["x_test"], data["y_test"]
    not_counted = [0.0, 0.0]
    curve = []

    class Curve(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            now = time.perf_counter(), time.process_time()
            found = measured(model, *test)
            curve.append(found)
            print_json(
                epoch=epoch + 1, loss=logs["loss"], valid=logs["val_accuracy"], test=found["accuracy"],
                test_bits=found["bits"], wall=now[0] - began[0] - not_counted[0],
                cpu=now[1] - began[1] - not_counted[1],
            )  # fmt: skip
            not_counted[0] += time.perf_counter() - now[0]
            not_counted[1] += time.process_time() - now[1]

    stopping = keras.callbacks.EarlyStopping(
        "val_accuracy", min_delta=LEAST_GAIN, patience=PATIENCE, restore_best_weights=True
    )
    began = time.perf_counter(), time.process_time()
    model.fit(
        data["x_train"], data["y_train"], BATCH, epochs, 0,
        callbacks=[Curve(), stopping], validation_data=(data["x_valid"], data["y_valid"]),
    )  # fmt: skip
    stopped = bool(stopping.stopped_epoch)
    print_json(
        kept=stopping.best_epoch + 1, stopped=stopped, parameters=model.count_params(), **measured(model, *test)
    )


def predict(symbols: int, notes: int, seed: int) -> None:
    """Print the seconds for each note: the whole window through `predict`, then the likeliest symbol is appended."""
    import keras

    keras.utils.set_random_seed(seed)
    model = network(symbols)
    window = np.random.default_rng(seed).integers(0, symbols, WINDOW).tolist()
    times = []
    for _ in range(WARMUP + notes):
        began = time.perf_counter()
        chances = model.predict(np.asarray(window)[None], verbose=0)
        window = [*window[1:], int(chances[0].argmax())]
        times.append(time.perf_counter() - began)
    print_json(seconds=times[WARMUP:], parameters=model.count_params())


def print_json(**line: Any) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what == "train":
        train(arguments[0], int(arguments[1]), int(arguments[2]))
    else:
        predict(*map(int, arguments))
