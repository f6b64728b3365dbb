"""Running the model many times, and what follows from that."""
