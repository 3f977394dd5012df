"""The stage that gives the denoiser a clean answer, and a decoder to what it leaves."""

from __future__ import annotations

import pytest
import torch
from small_models import changing_denoiser, small_denoiser
from small_stages import cleaning_denoiser, small_config, small_stage, synthetic_pool

from linearsr.errors import TrainingError
from linearsr.models import judging
from linearsr.training.cleaning import CleanAnswerStage, CleaningPool
from linearsr.training.config import WHOLE, Part
from linearsr.training.objective import ImageLossWeights

L1 = ImageLossWeights(l1=1.0)


@pytest.fixture
def cleaning_pool():
    return CleaningPool.of(synthetic_pool(), changing_denoiser(9), count=3, lr_side=16, seed=4)


def test_pictures_stand_as_they_came_with_the_strength_that_is_told(cleaning_pool):
    lr, hr = synthetic_pool().batch(0, seed=4, size=8, lr_side=16)
    assert torch.equal(cleaning_pool.noisy, ((lr[:3] + 1) * 127.5).round().to(torch.uint8))
    assert torch.equal(cleaning_pool.pictures, ((hr[:3] + 1) * 127.5).round().to(torch.uint8))
    assert (cleaning_pool.clean.float() - cleaning_pool.noisy.float()).abs().mean() < 4  # both are the photo, reduced
    told, share = judging.judged_batch(lr, changing_denoiser(9))
    assert torch.equal(cleaning_pool.strengths, told[:3])
    assert share.min() == 1


def test_only_pictures_are_taken_that_lose_noise(monkeypatch):
    shares = torch.tensor([0.0, 0.29, 0.3, 1.0] * 2)
    monkeypatch.setattr("linearsr.training.cleaning.judged_batch", lambda lr, denoiser: (shares * 10, shares))
    pool = CleaningPool.of(synthetic_pool(), small_denoiser(), count=6, lr_side=16, seed=0)
    assert torch.equal(pool.strengths, torch.tensor([3.0, 10.0] * 3))


def test_a_teacher_sees_the_noisy_picture_and_its_own_takes_the_place_of_the_photo():
    def teacher(lr):
        return lr.repeat_interleave(4, 1).repeat_interleave(4, 2)

    pool = CleaningPool.of(synthetic_pool(), changing_denoiser(9), count=3, lr_side=16, seed=4, teacher=teacher)
    assert torch.equal(pool.pictures, torch.stack([teacher(lr) for lr in pool.noisy]))


def test_a_pool_is_read_as_it_was_written_and_a_damaged_one_is_named(cleaning_pool, tmp_path):
    path = tmp_path / "pairs.safetensors"
    cleaning_pool.save(path)
    read = CleaningPool.load(path)
    for name in ("noisy", "clean", "pictures", "strengths"):
        assert torch.equal(getattr(read, name), getattr(cleaning_pool, name))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(TrainingError, match=r"pairs\.safetensors"):
        CleaningPool.load(path)


def test_crops_are_the_same_places_of_both_and_parts_make_up_the_batch():
    def teacher(lr):
        return lr.repeat_interleave(4, 1).repeat_interleave(4, 2)

    pool = CleaningPool.of(synthetic_pool(), changing_denoiser(9), count=3, lr_side=24, seed=4, teacher=teacher)
    config = small_config(batch=6)
    whole = pool.crops(config, 2, WHOLE)
    assert whole.noisy.shape == whole.clean.shape == (6, 3, 16, 16)
    assert torch.equal(whole.pictures[..., ::4, ::4], whole.noisy)
    halves = [pool.crops(config, 2, Part(index, 2)) for index in range(2)]
    for name in ("noisy", "clean", "pictures", "strengths"):
        assert torch.equal(getattr(whole, name), torch.cat([getattr(half, name) for half in halves]))


def test_the_clean_answer_is_learned_and_the_other_stays(cleaning_pool):
    stage = CleanAnswerStage(small_config(batch=8), cleaning_denoiser(), cleaning_pool)
    optimizer = torch.optim.Adam(stage.module.parameters(), lr=3e-3)
    values = []
    for step in range(60):
        optimizer.zero_grad()
        loss, parts = stage.loss(step % 4)
        loss.backward()
        optimizer.step()
        values.append(parts)
    assert values[0]["kept"] == 0
    assert values[-4]["clean"] < 0.8 * values[0]["clean"]
    lr = cleaning_pool.noisy.float() / 127.5 - 1
    strength = cleaning_pool.strengths
    with torch.no_grad():
        first, clean, before = (
            denoiser(lr, sign * strength)
            for denoiser, sign in ((stage.module, 1), (stage.module, -1), (small_denoiser(), 1))
        )
    assert (first - before).abs().mean() < 0.5 * (clean - before).abs().mean()


def test_decoder_and_denoiser_learn_together_and_nothing_else_does(perceptual):
    stage = small_stage("cleaned", synthetic_pool(), perceptual, L1)
    stage.loss(0)[0].backward()
    decoder, denoiser = stage.module["decoder"], stage.module["denoiser"]
    assert all(weight.grad is not None for weight in decoder.parameters())
    learned = {name.split(".")[0] for name, weight in denoiser.named_parameters() if weight.grad is not None}
    assert learned == {"stem", "strength_in", "before", "down", "up", "after", "tail"}
    for other in (stage._experts, stage._answers._before):
        assert all(weight.grad is None for weight in other.parameters())


def test_the_image_is_decoded_from_the_clean_answer(perceptual, monkeypatch):
    stage, decoded = small_stage("cleaned", synthetic_pool(), perceptual, L1), []
    decode = stage._autoencoder.decode
    monkeypatch.setattr(stage._autoencoder, "decode", lambda latent, lr: decoded.append(lr) or decode(latent, lr))
    monkeypatch.setattr("linearsr.training.cleaning.SPREAD", 0.0)
    stage.loss(0)
    crops = stage._pool.crops(stage.config, 0, WHOLE)
    with torch.no_grad():
        expected = stage.module["denoiser"](crops.noisy, -crops.strengths).clamp(-1, 1)
    torch.testing.assert_close(decoded[0].detach(), expected)
