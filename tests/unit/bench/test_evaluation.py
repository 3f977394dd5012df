import pytest
import torch
from small_models import small_transformer

from linearsr.bench import evaluation
from linearsr.bench.evaluation import Evaluation
from linearsr.memory import StripPlan


@torch.inference_mode()
@pytest.mark.parametrize("rows", [1, 3, 8])
def test_strips_give_the_same_velocity(monkeypatch, rows):
    plan = StripPlan(decoder_rows=rows, transformer_rows=rows)
    monkeypatch.setattr(evaluation, "plan_strips", lambda *args, **kinds: plan)
    work = Evaluation.on_noise(small_transformer(), 8)
    torch.testing.assert_close(work.in_strips(), work.whole(), rtol=1e-4, atol=1e-5)


def test_inputs_are_in_the_precision_of_the_model():
    work = Evaluation.on_noise(small_transformer().bfloat16(), 3)
    assert work.z_t.dtype == work.lr.dtype == torch.bfloat16
    assert (work.z_t.shape, work.lr.shape) == ((1, 4, 3, 3), (1, 3, 24, 24))
