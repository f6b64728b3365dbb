"""The model a second time, written plainly as Mesa agents from MODEL.md: what the engine is checked against."""

from tests.twin.model import RegionModel

__all__ = ["RegionModel"]
