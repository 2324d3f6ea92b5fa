"""The weights of a convolution as the kernels read them.

Rows of filters are brought into the order of their groups, and cut into blocks of LANES. A block holds for
every row of input (words or channels) and every tap one weight a lane, so that a kernel reads it from
beginning to end. A group convolution is the same kernel: a *job* is a block and the rows that its groups
read, and where a word holds channels of several groups, a mask keeps those of each lane's own.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evo_bnas.packed.step import WORD, Bits, Floats, Step
from evo_bnas.packed.vectors import LANES

Integers = NDArray[np.int64]

_ALL = np.uint64(2**WORD - 1)


class Filters(NamedTuple):
    """What `kernels.convolution` takes; the depth of the input is in words, or in channels of float32."""

    weights: NDArray[Any]  # flat (blocks, depth, taps, LANES): words or float32
    masks: Bits  # flat (jobs, LANES); of words alone
    jobs: Integers  # (jobs, 3): block, the first of the depth that it reads, the one after the last
    order: Integers  # (channels,): the lane of an output channel; empty where it is the channel itself
    border: NDArray[Any]  # (depth,): what is read outside the map where that is +1
    fan_in: int  # of a tap in words; 0 in float32


def pack_signs(signs: NDArray[np.bool_]) -> Bits:
    """(..., channels) to (..., words): bit t of word d is channel 64 d + t, and 0 beyond the last one."""
    missing = -signs.shape[-1] % WORD
    padded = np.pad(signs, [(0, 0)] * (signs.ndim - 1) + [(0, missing)])
    packed = np.packbits(padded, axis=-1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u8").astype(np.uint64)


def unpack_signs(words: Bits, channels: int) -> Floats:
    """The inverse of `pack_signs`, as -1.0 and +1.0."""
    octets = np.ascontiguousarray(words.astype("<u8")).view(np.uint8)
    bits = np.unpackbits(octets, axis=-1, count=channels, bitorder="little")
    return bits.astype(np.float32) * 2 - 1


def binary_filters(step: Step) -> Filters:
    """The weights of a binary step."""
    dense, owned, lane_of = _by_groups(step)
    weights, own = pack_signs(dense), pack_signs(owned)
    depth = weights.shape[-1]
    # A lane that owns all channels of a word needs no mask there: beyond the last channel all bits are 0.
    everything = pack_signs(np.ones(owned.shape[-1], np.bool_))
    own = np.where(own == everything, _ALL, own)
    jobs: list[tuple[int, int, int]] = []
    masks: list[Bits] = []
    for block in range(len(own) // LANES):
        lanes = own[block * LANES : (block + 1) * LANES]
        for word in range(depth):
            mask = lanes[:, word]
            if not mask.any():
                continue
            if jobs and jobs[-1][0] == block and jobs[-1][2] == word and np.array_equal(masks[-1], mask):
                jobs[-1] = (block, jobs[-1][1], word + 1)
            else:
                jobs.append((block, word, word + 1))
                masks.append(mask)
    return Filters(
        _in_blocks(weights),
        np.concatenate(masks),
        np.array(jobs, np.int64),
        lane_of,
        everything,
        owned.shape[-1] // step.groups,
    )


def real_filters(step: Step) -> Filters:
    """The weights of a real convolution or dense layer."""
    dense, owned, lane_of = _by_groups(step)
    jobs = []
    for block in range(len(owned) // LANES):
        read = np.flatnonzero(owned[block * LANES : (block + 1) * LANES].any(axis=0))
        jobs.append((block, read[0], read[-1] + 1))
    border = np.ones(owned.shape[-1], np.float32)
    no_masks = np.empty(0, np.uint64)
    return Filters(_in_blocks(dense), no_masks, np.array(jobs, np.int64), lane_of, border, 0)


def _by_groups(step: Step) -> tuple[NDArray[Any], NDArray[np.bool_], Integers]:
    """Dense filters (lanes, kernel, kernel, cin) in the order of their groups, and which inputs each reads.

    The number of lanes is the next multiple of LANES; the third value is the lane of every output channel
    where that is another one.
    """
    assert step.weight is not None
    channels, kernel, _, fan_in = step.weight.shape
    groups = step.groups
    lanes = -(-channels // LANES) * LANES
    dense = np.zeros((lanes, kernel, kernel, fan_in * groups), step.weight.dtype)
    owned = np.zeros((lanes, fan_in * groups), np.bool_)
    lane_of = np.empty(channels, np.int64)
    rows = channels // groups
    for group in range(groups):
        lane = slice(group * rows, (group + 1) * rows)
        block = slice(group * fan_in, (group + 1) * fan_in)
        dense[lane, :, :, block] = step.weight[group::groups]
        owned[lane, block] = True
        lane_of[group::groups] = np.arange(lane.start, lane.stop)
    return dense, owned, lane_of if groups > 1 else lane_of[:0]


def _in_blocks(dense: NDArray[Any]) -> NDArray[Any]:
    """(lanes, kernel, kernel, depth) to flat (blocks, depth, taps, LANES)."""
    lanes, _, _, depth = dense.shape
    blocks = dense.reshape(lanes // LANES, LANES, -1, depth)
    return np.ascontiguousarray(blocks.transpose(0, 3, 2, 1)).reshape(-1)
