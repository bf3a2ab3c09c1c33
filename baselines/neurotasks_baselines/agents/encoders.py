"""A small convolutional network for tasks that show images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

from neurotasks.errors import ParameterError
from neurotasks_baselines.agents.checks import check_array
from neurotasks_baselines.agents.lstm_kernels import compiled, inlined
from neurotasks_baselines.errors import ShapeError

AT_ONCE = 4096  # images per call: episodes can hold a hundred thousand
LEAST = 4  # pixels in height and width of a shrunk image, for the convolution


@compiled
def average_blocks(images: Any, block: int, out: Any) -> None:
    """Average square blocks of pixels; what does not fill a block is left out.

    Args:
        images: Images, uint8, (images, height, width, channels).
        block: Width and height of a block.
        out: Averages, float32, (images, channels, height // block, width // block).
    """
    n, channels, height, width = out.shape
    sums = np.empty(images.shape[2] * channels, np.int32)  # of the columns of a row of blocks
    share = np.float32(1 / block**2)
    for i in range(n):
        for y in range(height):
            sums[:] = 0
            for k in range(block):
                row = images[i, y * block + k].reshape(-1)
                for j in range(len(sums)):
                    sums[j] += row[j]
            for c in range(channels):
                for x in range(width):
                    total = np.int32(0)
                    for k in range(block):
                        total += sums[(x * block + k) * channels + c]
                    out[i, c, y, x] = share * np.float32(total)


@inlined
def same(row: Any, other: Any) -> Any:
    """Return whether all numbers of two rows are the same; int32."""
    difference = np.int32(0)
    for j in range(len(row)):
        difference |= row[j] ^ other[j]
    return difference == 0


@compiled
def distinct_rows(rows: Any) -> Any:
    """Return the index of the first of each of the distinct rows, and which of these each row is.

    Args:
        rows: Rows, int32, (rows, columns).
    """
    n, columns = rows.shape
    size = 2
    while size < 2 * n:
        size *= 2
    table = np.full(size, -1)  # of rows by their hash, or in the next free place
    firsts, which = np.empty(n, np.int64), np.empty(n, np.int64)
    distinct = 0
    for i in range(n):
        key = np.int32(0)
        for j in range(columns):
            key += rows[i, j] * np.int32(j * j + j + 1)
        place = (key ^ (key >> 16)) % size
        while table[place] >= 0 and not same(rows[table[place]], rows[i]):
            place = (place + 1) % size
        if table[place] < 0:
            table[place] = firsts[distinct] = i
            which[i] = distinct
            distinct += 1
        which[i] = which[table[place]]
    return firsts[:distinct], which


class PictureEncoder(BaseFeaturesExtractor):
    """Features of the images of a Dict observation, followed by its vectors.

    Every image is shrunk, then goes through one convolution and one linear layer. Turning all the
    bytes of an image into floats takes longer than all the rest, so `shrink` averages them in
    compiled code, once per step and not in every epoch. On a CPU, images that are the same go
    through the layers once: in a minibatch of the rendered Harlow task, 70 to 85 % are copies.

    Args:
        observation_space: Space with images, channels first, and vectors.
        features: Number of features per image.
        block: Width and height of the blocks of pixels that are averaged.
        filters: Number of filters of the convolution, which are 4x4 with stride 2.

    Raises:
        ParameterError: If an image is too small.
    """

    def __init__(
        self, observation_space: spaces.Dict, features: int = 64, block: int = 4, filters: int = 16
    ) -> None:
        parts = observation_space.spaces
        images = [name for name, part in parts.items() if is_image_space(part)]
        vectors = [name for name in parts if name not in images]
        width = sum(spaces.flatdim(parts[name]) for name in vectors)
        super().__init__(observation_space, features * len(images) + width)
        self.vectors, self.block = vectors, block
        self.nets = nn.ModuleDict()
        self.shapes: dict[str, tuple[int, ...]] = {}  # of the images
        shrunk: dict[str, spaces.Space[Any]] = {**parts}
        for name in images:
            channels, *size = parts[name].shape or ()
            high, wide = (pixels // block for pixels in size)
            if min(high, wide) < LEAST:
                raise ParameterError(
                    f"The image {name!r} must have at least {LEAST * block} x {LEAST * block} "
                    f"pixels with block={block}; got {' x '.join(map(str, size))}. Pass a smaller "
                    "block in features_extractor_kwargs."
                )
            self.shapes[name] = channels, *size
            shrunk[name] = spaces.Box(0, 255, (channels, high, wide), np.float32)
            positions = ((high - 4) // 2 + 1) * ((wide - 4) // 2 + 1)
            self.nets[name] = nn.Sequential(
                nn.Conv2d(channels, filters, 4, 2),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(filters * positions, features),
                nn.ReLU(),
            )
        self.shrunk_space = spaces.Dict(shrunk)

    def shrink(self, observations: dict[str, th.Tensor]) -> dict[str, th.Tensor]:
        """Return observations with their images averaged over blocks, as float32 in 0 to 255.

        It is fastest if the channels of the images lie last in memory, as tasks draw them.

        Raises:
            ShapeError: If images are not those of the space.
        """
        return observations | {name: self._shrunk(observations[name], name) for name in self.nets}

    def _shrunk(self, images: th.Tensor, name: str) -> th.Tensor:
        check_array(f"Images {name!r}", images, (len(images), *self.shapes[name]), float32=False)
        if images.dtype != th.uint8:
            raise ShapeError(f"Images {name!r} must be uint8; got {images.dtype}. Convert them.")
        channels_last: NDArray[np.uint8] = images.permute(0, 2, 3, 1).numpy(force=True)
        out = np.empty((len(images), *(self.shrunk_space[name].shape or ())), np.float32)
        average_blocks(np.ascontiguousarray(channels_last), self.block, out)
        return th.from_numpy(out).to(images.device)

    def forward(self, observations: dict[str, th.Tensor]) -> th.Tensor:
        """Return the features, (samples, features); of images that were shrunk or were not."""
        features = []
        for name, net in self.nets.items():
            images = observations[name]
            if images.shape[1:] != self.shrunk_space[name].shape:
                images = nn.functional.avg_pool2d(images, self.block)
            features.append(_encoded(net, images))
        return th.cat([*features, *(observations[name].flatten(1) for name in self.vectors)], dim=1)


def _encoded(net: nn.Module, images: th.Tensor) -> th.Tensor:
    """Return the features of images, computed once for all that are the same."""
    shared = images.device.type == "cpu" and images.dtype == th.float32
    if not shared or images.requires_grad:
        return th.cat([net(part) for part in images.split(AT_ONCE)])
    rows = images.flatten(1).contiguous().view(th.int32).numpy()
    firsts, which = map(th.from_numpy, distinct_rows(rows))
    parts = images.index_select(0, firsts).split(AT_ONCE)
    return th.cat([net(part) for part in parts]).index_select(0, which)
