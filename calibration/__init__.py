"""Tying the model to the world; the price fit, targets and matching of architecture come with calibration work."""
