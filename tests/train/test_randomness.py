"""Counter-based randomness."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from evo_bnas.train.randomness import Stream, generator, torch_generator, torch_seed


@given(st.integers(0, 2**32), st.sampled_from(Stream), st.integers(0, 2**32))
def test_a_draw_depends_on_seed_stream_and_counter_only(seed: int, stream: Stream, counter: int) -> None:
    first = generator(seed, stream, counter).integers(2**60, size=3).tolist()
    generator(seed, stream, counter + 1).random(5)
    assert generator(seed, stream, counter).integers(2**60, size=3).tolist() == first
    others = [
        generator(seed + 1, stream, counter),
        generator(seed, stream, counter + 1),
        *(generator(seed, other, counter) for other in Stream if other != stream),
    ]
    assert all(other.integers(2**60, size=3).tolist() != first for other in others)
    on_cpu = torch_generator(seed, stream, counter, torch.device("cpu"))
    assert on_cpu.initial_seed() == torch_seed(seed, stream, counter)
