import copy
import pickle

import pytest

from linearsr import errors
from linearsr.errors import MAX_MESSAGE, LinearSRError

CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, LinearSRError)]
STABLE = {
    "LinearSRError": ("error", 1, 500),
    "InputError": ("bad_input", 1, 400),
    "ConfigError": ("bad_config", 1, 400),
    "ImageError": ("bad_image", 1, 422),
    "UnsupportedFormatError": ("unsupported_format", 1, 415),
    "ImageTooLargeError": ("image_too_large", 1, 413),
    "OutputError": ("bad_output", 1, 409),
    "ModelError": ("bad_model", 1, 500),
    "DataError": ("bad_data", 1, 500),
    "DeviceError": ("bad_device", 1, 400),
    "InternalError": ("internal", 1, 500),
    "TrainingError": ("training_failed", 1, 500),
}


def test_codes_and_statuses_are_the_published_ones():
    found = {kind.__name__: (kind.code, kind.exit_status, kind.http_status) for kind in CLASSES}
    assert {name: found[name] for name in STABLE} == STABLE


def test_no_two_classes_share_a_code():
    codes = [kind.code for kind in CLASSES]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_says_what_happened_and_what_to_do_even_in_another_process(kind):
    error = kind("the value is 7, over the limit of 5", remedy="take 4")
    for met in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(met) is kind
        assert str(met) == "the value is 7, over the limit of 5; take 4"
        assert met.remedy == "take 4"


def test_exit_and_http_statuses_mean_failure():
    assert all(kind.exit_status == 1 and 400 <= kind.http_status < 600 for kind in CLASSES)


def test_a_configuration_error_is_a_value_error():
    assert issubclass(errors.ConfigError, ValueError)


def test_a_message_that_quotes_too_much_is_cut_and_keeps_its_remedy():
    text = str(LinearSRError("x" * 10**6, remedy="shorten it"))
    assert len(text) < MAX_MESSAGE + 20
    assert text.endswith("x...; shorten it")
    exact = "y" * MAX_MESSAGE
    assert str(LinearSRError(exact, remedy="r")) == f"{exact}; r"
