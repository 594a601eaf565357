"""A small, real model on data that ships with scikit-learn: 8x8 handwritten digits.

Importing this imports neither scikit-learn nor any data; the first batch does.
"""

from prunetool.demos.digits import DigitsClassifier, DigitsDataModule

__all__ = ["DigitsClassifier", "DigitsDataModule"]
