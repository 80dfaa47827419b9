"""Deraining (section 4.3): pairs of a rainy and a clean image, in colour, as a dataset has them."""

from clearer.tasks.pairs import Pairs


class Derain(Pairs):
    name = "derain"
    departures = {  # noqa: RUF012
        "": {"dataset": "rain800", "image_channels": 3},  # section 4.3; learning rate and length are section 4.1's
        # The colours of rain take more channels; a lower rate than that of noise learns more. Rain is learnt slowly, so
        # a search takes twice as many steps, of half the size.
        "quick": {
            "channels": 8, "search_iterations": 800, "warmup_iterations": 240, "search_epoch_iterations": 8,
            "alpha_learning_rate": 0.0048, "train_iterations": 1_500, "train_epoch_iterations": 15,
            "train_learning_rate": 0.006,
        },
        "proxy": {"channels": 8},
        "quick 4": {
            "search_iterations": 400, "warmup_iterations": 120, "search_epoch_iterations": 4,
            "alpha_learning_rate": 0.0096, "train_iterations": 1_200, "train_epoch_iterations": 12,
        },
        "quick 3": {"train_learning_rate": 0.015, "train_iterations": 1_600, "train_epoch_iterations": 16},
        "quick 1": {
            "channels": 8, "batch_size": 16, "initial_std": 0.05, "train_iterations": 2_000,
            "train_epoch_iterations": 20,
        },
    }  # fmt: skip
