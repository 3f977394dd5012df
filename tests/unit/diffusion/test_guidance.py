import torch

from linearsr.diffusion.guidance import guided


class Counted:
    def __init__(self, value):
        self.value, self.calls = value, 0

    def __call__(self, z, t):
        self.calls += 1
        return z * t + self.value


def test_a_scale_of_one_is_the_wanted_velocity_at_one_evaluation():
    wanted, negative = Counted(3.0), Counted(1.0)
    assert guided(wanted, negative, 1) is wanted
    assert negative.calls == 0


def test_guidance_goes_away_from_the_negative_velocity():
    wanted, negative = Counted(3.0), Counted(1.0)
    v = guided(wanted, negative, 2.5)(torch.ones(2), 0.5)
    assert torch.equal(v, torch.full((2,), 0.5 + 1.0 + 2.5 * 2.0))
    assert (wanted.calls, negative.calls) == (1, 1)
