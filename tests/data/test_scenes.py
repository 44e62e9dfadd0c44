"""The built-in scenes: order-free draws, labels that agree with each other, natural spectra, no cheap way to the label."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from qbench.data.scenes import CLASSES, Scene, scene
from qbench.data.scenes.dataset import Scenes
from qbench.data.scenes.scene import PAIRS
from qbench.data.scenes.shapes import OUTLINES, REACH, outline
from qbench.data.scenes.textures import PATTERNS, texture
from qbench.errors import DataError
from scipy import ndimage, stats
from scipy.fft import dctn
from sklearn.linear_model import LogisticRegression
