"""Deraining (section 4.3): pairs of a rainy and a clean image, in colour, as a dataset has them."""

from clearer.tasks.pairs import Pairs


class Derain(Pairs):
    name = "derain"
    departures = {  # noqa: RUF012
        "": {"dataset": "rain800", "image_channels": 3},  # section 4.3; learning rate and length are section 4.1's
        # The colours of rain take more channels; of 1,200 iterations a lower rate than that of noise makes more.
        "quick": {"channels": 8, "train_learning_rate": 0.006}, "proxy": {"channels": 8},
        "quick 3": {"train_learning_rate": 0.015, "train_iterations": 1_600, "train_epoch_iterations": 16},
        "quick 1": {
            "channels": 8, "batch_size": 16, "initial_std": 0.05, "train_iterations": 2_000,
            "train_epoch_iterations": 20,
        },
    }  # fmt: skip
