"""CLEARER: differentiable multi-scale architecture search for image restoration, in plain PyTorch."""
