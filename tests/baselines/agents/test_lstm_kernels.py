"""Memory of the compiled loops; what they compute is compared with torch elsewhere."""

import pytest

from neurotasks_baselines.agents.lstm_kernels import LINE, Memory


@pytest.mark.parametrize(
    "shapes", [[(5, 3), (1,), (2, 4, 7)], [(16,), (0, 3), (16,)], [(999, 999)]]
)
def test_arrays_begin_a_line_of_the_cache(shapes):
    memory = Memory()
    memory.arrays((7, 7))
    arrays = memory.arrays(*shapes)
    assert [array.shape for array in arrays] == shapes
    assert all(array.ctypes.data % (4 * LINE) == 0 for array in arrays if array.size)
    for number, array in enumerate(arrays):
        array[:] = number
    assert all((array == number).all() for number, array in enumerate(arrays))
