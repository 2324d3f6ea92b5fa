"""Hypothesis strategies for spaces, genes and architectures."""

from hypothesis import strategies as st

from evo_bnas.space.catalogue import load, names
from evo_bnas.space.genes import Architecture, Genes, Space

SPACES = {name: load(name) for name in names()}

spaces = st.sampled_from(list(SPACES.values()))


def genes(space: Space) -> st.SearchStrategy[Genes]:
    """Any option indices of a space, canonical or not."""
    return st.tuples(*(st.integers(0, size - 1) for size in space.sizes))


def architectures(space: Space) -> st.SearchStrategy[Architecture]:
    """Architectures of a space, which shrink towards the first options."""
    return genes(space).map(space.architecture)


@st.composite
def drawn(draw: st.DrawFn) -> tuple[Space, Architecture]:
    """A shipped space and one of its architectures."""
    space = draw(spaces)
    return space, draw(architectures(space))
