import numpy as np
import torch
from recipes_folder import load_recipe

recipe = load_recipe("teacher_pool")


class Photos:
    """Random pictures, the same for the same step."""

    def batch(self, step, *, seed, size, lr_side, rank=0, world=1):
        hr = torch.rand(size, 3, 4 * lr_side, 4 * lr_side, generator=torch.Generator().manual_seed(step)) * 2 - 1
        return hr[..., ::4, ::4], hr


def test_the_teacher_sees_pixels_as_arrays_and_its_picture_comes_back_as_a_tensor():
    lr = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 6, 8), np.uint8))
    taught = recipe.as_teacher(lambda pixels: pixels.repeat(4, 0).repeat(4, 1))(lr)
    assert taught.dtype == torch.uint8
    assert torch.equal(taught, lr.repeat_interleave(4, 1).repeat_interleave(4, 2))


def test_two_kinds_of_noise_take_turns_and_a_step_is_always_the_same():
    source = recipe.noisy_pairs(Photos())
    first, second, again = (source.batch(step, seed=0, size=2, lr_side=16) for step in (0, 1, 0))
    assert [part.shape[-1] for part in (*first, *second)] == [16, 64, 16, 16]  # photos; pairs of LR pictures
    assert all(a.equal(b) for a, b in zip(first, again, strict=True))
    assert not first[0].equal(Photos().batch(0, seed=0, size=2, lr_side=16)[0])
