import torch
from small_models import randn

from linearsr.tags.classifier import fit_input, tag_probabilities


def test_the_classes_of_a_tag_are_summed_up():
    logits = torch.log(torch.tensor([[0.1, 0.2, 0.3, 0.4]]))
    sums = tag_probabilities(logits, torch.tensor([1, 0, 1, 2]), 3)
    assert torch.allclose(sums, torch.tensor([[0.2, 0.4, 0.4]]))


def test_the_whole_picture_is_fitted_whatever_its_shape():
    left = torch.zeros(1, 3, 40, 900)
    left[..., :450] = 1
    fitted = fit_input(left)
    assert fitted.shape == (1, 3, 224, 224)
    assert fitted[..., :100].mean() > 0.99
    assert fitted[..., 124:].mean() < 0.01
    assert fit_input(randn(1, 3, 300, 500)).aminmax() == (0, 1)
