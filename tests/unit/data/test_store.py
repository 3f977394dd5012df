from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from linearsr.data.store import PhotoStore
from linearsr.errors import ConfigError, ImageError

BIGGEST = 96 * 96 * 3


def counting(files, reads):
    """Files that note which of them are read."""

    def read(number):
        reads.append(number)
        return files[number].read()

    return [replace(file, read=lambda number=number: read(number)) for number, file in enumerate(files)]


def test_photos_are_the_decoded_files(photo_files):
    store = PhotoStore(photo_files, threads=2)
    assert len(store) == 6
    for number, file in enumerate(photo_files):
        assert np.array_equal(store.get(number).permute(1, 2, 0).numpy(), file.decode().pixels)
        assert store.get(number).dtype == torch.uint8


def test_each_photo_is_read_once_while_all_fit(photo_files):
    reads = []
    store = PhotoStore(counting(photo_files, reads))
    for number in (0, 1, 0, 2, 1, 0):
        store.get(number)
    assert sorted(reads) == [0, 1, 2]


def test_what_was_not_used_for_longest_is_dropped_when_memory_is_short(photo_files):
    reads = []
    store = PhotoStore(counting(photo_files, reads), budget=2 * BIGGEST, threads=1)
    for number in (0, 1, 0, 3, 0):
        store.get(number)
    assert reads == [0, 1, 3]
    store.get(1)
    assert reads == [0, 1, 3, 1]


def test_one_photo_larger_than_the_memory_can_still_be_had(photo_files):
    store = PhotoStore(photo_files, budget=1)
    assert all(store.get(number).shape[0] == 3 for number in (0, 1, 0))


def test_prefetched_photos_are_decoded_by_threads_before_they_are_asked_for(photo_files):
    readers, done = set(), threading.Event()

    def read():
        readers.add(threading.current_thread().name)
        done.set()
        return photo_files[0].read()

    store = PhotoStore([replace(photo_files[0], read=read)])
    store.prefetch([0, 0])
    assert done.wait(5)
    store.get(0)
    store.prefetch([0])
    assert len(readers) == 1
    assert readers.pop().startswith("photos")


def test_a_damaged_photo_is_named_where_it_is_used(photo_files):
    store = PhotoStore([replace(photo_files[0], read=lambda: photo_files[0].read()[:80])])
    store.prefetch([0])
    with pytest.raises(ImageError, match="photo photo-0: the PNG is damaged"):
        store.get(0)


@pytest.mark.parametrize("change", [{"budget": 0}, {"threads": 0}])
def test_no_memory_or_threads_is_refused(photo_files, change):
    with pytest.raises(ConfigError, match="must be at least 1"):
        PhotoStore(photo_files, **change)
