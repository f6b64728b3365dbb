"""Tying the model to the world; fits of prices so far, targets and matching come with calibration work."""
