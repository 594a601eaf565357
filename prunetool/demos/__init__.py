"""Small, real models: 8x8 handwritten digits that ship with scikit-learn, and digits to sort.

Importing this imports neither scikit-learn nor any data; the first batch does.
"""

from prunetool.demos.digits import DigitsClassifier, DigitsDataModule
from prunetool.demos.transformer import TinyTransformer

__all__ = ["DigitsClassifier", "DigitsDataModule", "TinyTransformer"]
