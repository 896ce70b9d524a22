"""From labelled rows to a model with its card: training, evaluation, calibration, overlap, a baseline."""
