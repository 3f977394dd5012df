"""The one error tree. Every error a user can meet has a stable code, an exit status and an HTTP status.

A message says what happened and names the value and the limit; ``remedy`` says what to do about it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

MAX_MESSAGE = 1000
"""Characters of a message that are kept: it may quote what a stranger sent."""


class LinearSRError(Exception):
    """Base of all errors raised on purpose by this package."""

    code = "error"
    exit_status = 1
    http_status = 500

    def __init__(self, message: str, *, remedy: str) -> None:
        kept = message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 3] + "..."
        super().__init__(kept)
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.args[0]}; {self.remedy}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process boundaries (workers, Ray); the default would call the class without its remedy.
        return partial(type(self), remedy=self.remedy), self.args


class InputError(LinearSRError):
    """The request itself is wrong: a bad option, a path that does not exist."""

    code = "bad_input"
    http_status = 400


class ConfigError(InputError, ValueError):
    """A configuration value is out of range or unknown."""

    code = "bad_config"


class ImageError(InputError):
    """An image cannot be read."""

    code = "bad_image"
    http_status = 422


class UnsupportedFormatError(ImageError):
    """The content is not one of the formats on the allow-list."""

    code = "unsupported_format"
    http_status = 415


class ImageTooLargeError(ImageError):
    """The image, or the result asked for, is over a size limit."""

    code = "image_too_large"
    http_status = 413


class OutputError(LinearSRError):
    """A result cannot be written, or would overwrite something."""

    code = "bad_output"
    http_status = 409


class ModelError(LinearSRError):
    """A model cannot be found, or its files are damaged or do not fit together."""

    code = "bad_model"


class DataError(LinearSRError):
    """Training data is missing or inconsistent."""

    code = "bad_data"


class DeviceError(InputError):
    """The device or precision asked for is not there."""

    code = "bad_device"


class InternalError(LinearSRError):
    """A defect of this package met while working on one image."""

    code = "internal"


class TrainingError(LinearSRError):
    """Training cannot go on: too many unusable steps, or a checkpoint that does not fit."""

    code = "training_failed"
