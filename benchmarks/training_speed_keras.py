"""The Keras side of `training_speed`: runs in an environment with tensorflow, knows nothing of this project.

    PYTHON benchmarks/training_speed_keras.py '{"folder": …, "topology": {…}, "epochs": 3, "seed": 0, "threads": 2, "test": 0}'

The usual code: images from folders, a Sequential model, `fit`. Prints seconds of each epoch, and the test accuracy after each of
the last `test` epochs.
"""

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import keras
import tensorflow as tf
from keras import layers


class Clock(keras.callbacks.Callback):
    """Times each epoch, and tests after those from number `tested_from` on (0 is the first)."""

    def __init__(self, test, tested_from: int) -> None:
        super().__init__()
        self.test, self.tested_from, self.took, self.accuracies = test, tested_from, [], []

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.took.append(time.perf_counter() - self.started)
        if epoch >= self.tested_from:
            self.accuracies.append(share_right(self.model, self.test))


def images(folder: str, split: str, seed: int):
    return keras.utils.image_dataset_from_directory(
        f"{folder}/{split}", label_mode="binary", batch_size=64, image_size=(32, 32), shuffle=split == "train", seed=seed
    )


def network(topology: dict) -> keras.Sequential:
    model = keras.Sequential([keras.Input((32, 32, 3)), layers.Rescaling(1 / 255)])
    for _ in range(topology["conv_layers"]):
        model.add(layers.Conv2D(topology["filters"], 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    for _ in range(topology["dense_layers"]):
        model.add(layers.Dense(topology["dense_units"], activation="relu"))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(keras.optimizers.Adam(1e-3), loss="binary_crossentropy", metrics=["accuracy"])
    return model


def share_right(model: keras.Sequential, test) -> float:
    right = [((model(pixels, training=False) >= 0.5).numpy() == (labels.numpy() == 1)) for pixels, labels in test]
    return float(sum(batch.sum() for batch in right) / sum(len(batch) for batch in right))


def main(work: dict) -> dict:
    tf.config.threading.set_intra_op_parallelism_threads(work["threads"])
    keras.utils.set_random_seed(work["seed"])
    test = images(work["folder"], "test", 0) if work["test"] else None
    model, clock = network(work["topology"]), Clock(test, work["epochs"] - work["test"])
    model.fit(images(work["folder"], "train", work["seed"]), epochs=work["epochs"], callbacks=[clock], verbose=0)
    return {"epochs_s": clock.took, "accuracies": clock.accuracies}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
