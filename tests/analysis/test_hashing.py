"""Many small pieces on their way to one hash."""

from __future__ import annotations

import random

import pytest
from blake3 import blake3

from milepost.hashing import GATHERED, Stream


@pytest.mark.parametrize("seed", range(20))
def test_pieces_hash_as_if_they_came_at_once(seed: int) -> None:
    choose, stream, all_of_it = random.Random(seed), Stream(), b""
    for _ in range(choose.randrange(30)):
        piece = choose.randbytes(choose.choice([0, 1, 9, 5_000, GATHERED - 1, GATHERED, GATHERED + 1]))
        all_of_it += piece
        how = choose.choice(["waits", "large", "waits and is hashed"])
        if how == "large":
            stream.large(piece)
        else:
            stream.waiting += piece
        if how == "waits and is hashed":
            stream.flush()
    assert stream.hexdigest() == blake3(all_of_it).hexdigest()
    assert stream.digest() == blake3(all_of_it).digest()
