"""Keyed randomness: a draw depends on (seed, operation, step, sample id) and on nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np


def keyed(seed: int, operation: str, step: int, sample_id: str) -> np.random.Generator:
    """A generator whose stream is a function of its four keys (Philox, keyed by BLAKE2b of them)."""
    text = f"{seed}\x1f{operation}\x1f{step}\x1f{sample_id}".encode()
    words = np.frombuffer(hashlib.blake2b(text, digest_size=16).digest(), dtype="<u8")
    return np.random.Generator(np.random.Philox(key=words))


@dataclass(frozen=True)
class Draw:
    """The draws of one sample under one seed; a condition asks for one generator per operation and step."""

    seed: int
    sample_id: str
    scope: str = ""
    """Set apart from the same operation elsewhere in a chain: `2/` is its third step."""

    def __call__(self, operation: str, step: int = 0) -> np.random.Generator:
        return keyed(self.seed, self.scope + operation, step, self.sample_id)

    def within(self, scope: str) -> Draw:
        """The draws of a part of this condition; they do not depend on the parts beside it."""
        return replace(self, scope=f"{self.scope}{scope}/")
