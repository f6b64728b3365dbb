"""Stored runs turned into what people read."""
