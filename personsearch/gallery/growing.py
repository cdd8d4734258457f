"""An array that grows at its end in amortised constant time."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


class GrowingArray(Generic[Scalar]):
    """Rows of one shape; :attr:`array` is a view of those stored so far."""

    def __init__(self, dtype: type[Scalar], row_shape: tuple[int, ...] = ()) -> None:
        self._room: NDArray[Any] = np.empty((0, *row_shape), dtype=dtype)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    @property
    def array(self) -> NDArray[Scalar]:
        """The rows; a view that is valid until the next change."""
        return self._room[: self._used]

    def extend(self, rows: NDArray[Any]) -> None:
        """Append rows."""
        needed = self._used + len(rows)
        if needed > len(self._room):
            room = np.empty((max(needed, len(self._room) * 3 // 2), *self._room.shape[1:]), dtype=self._room.dtype)
            room[: self._used] = self.array
            self._room = room
        self._room[self._used : needed] = rows
        self._used = needed

    def keep(self, wanted: NDArray[np.bool_]) -> None:
        """Keep the wanted rows, (N,); the others leave memory too."""
        self._room = self.array[wanted].copy()
        self._used = len(self._room)
