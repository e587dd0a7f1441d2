"""A cache of keys and values that grows in place.

transformers' own copies all that it holds for every new token. Copying a whole picture to add a
letter costs more than the letter.
"""

from __future__ import annotations

from typing import Any


def RoomyCache(extra: int) -> Any:  # noqa: N802 - a class in all but name: its base needs torch
    """A DynamicCache with room for so many tokens after the first ones, and for more when those are full."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    class RoomyLayer(DynamicLayer):  # type: ignore[no-untyped-call]
        length = 0
        room: tuple[Any, Any] | None = None

        def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
            start, self.length = self.length, self.length + key_states.shape[-2]
            if self.room is None or self.length > self.room[0].shape[-2]:
                self.room = tuple(
                    _with_room(old, new, start, self.length + max(extra, start // 2))
                    for old, new in zip((self.keys, self.values), (key_states, value_states), strict=True)
                )
            self.keys, self.values = (
                _put(room, new, start)
                for room, new in zip(self.room, (key_states, value_states), strict=True)
            )
            return self.keys, self.values

    cache = DynamicCache()
    cache.layer_class_to_replicate = RoomyLayer
    return cache


def _with_room(old: Any, like: Any, length: int, size: int) -> Any:
    room = like.new_empty((*like.shape[:-2], size, like.shape[-1]))
    if length:
        room[..., :length, :] = old
    return room


def _put(room: Any, new: Any, start: int) -> Any:
    end = start + new.shape[-2]
    room[..., start:end, :] = new
    return room[..., :end, :]
