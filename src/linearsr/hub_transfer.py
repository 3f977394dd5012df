"""Model folders to and from the Hugging Face hub.

Where they are kept, the token, a mirror (``HF_ENDPOINT``) and working without a network (``HF_HUB_OFFLINE=1``) are the
hub client's own business. What a file must contain is told by the SHA-256 in the index; name a commit as the revision
and the index itself cannot change either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from linearsr.errors import InputError, ModelError

_HUB_ID = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
FILES = ["model_index.json", "*.safetensors"]
"""What a model consists of; nothing else is fetched."""


def is_hub_id(model: str) -> bool:
    """Whether ``model`` reads as "owner/name" or "owner/name@revision"."""
    return _HUB_ID.fullmatch(model) is not None


def download(model: str, files: Sequence[str] = FILES) -> Path:
    """Return the folder of "owner/name" or "owner/name@revision", a branch, tag or commit, fetched unless it is here.

    ``files`` are patterns of what is fetched.

    Raises:
        ModelError: if the hub package is missing, or the model cannot be fetched.
    """
    name, revision = _parts(model)
    hub = _client(name)
    try:
        return Path(hub.snapshot_download(name, revision=revision, allow_patterns=list(files)))
    except Exception as error:  # the hub client has no common base of its own for network and repository errors
        raise ModelError(
            f"cannot fetch {model}: {error}", remedy="check the name, the revision and the connection"
        ) from error


def upload(folder: Path, model: str, *, private: bool = False) -> str:
    """Put a model folder on the hub, into a repository that is made where there is none; return the new commit.

    Raises:
        InputError: if ``model`` is not "owner/name" or "owner/name@branch".
        ModelError: if the hub package is missing, or refuses.
    """
    if not is_hub_id(model):
        raise InputError(f"{model!r} is no name on the hub", remedy="use owner/name, or owner/name@branch")
    name, revision = _parts(model)
    client = _client(name).HfApi()
    try:
        client.create_repo(name, private=private, exist_ok=True)
        if revision is not None:
            client.create_branch(name, branch=revision, exist_ok=True)
        done = client.upload_folder(repo_id=name, folder_path=folder, revision=revision, allow_patterns=FILES)
    except Exception as error:  # as above
        raise ModelError(f"cannot push to {model}: {error}", remedy="check the name and `hf auth login`") from error
    return str(done.oid)


def _parts(model: str) -> tuple[str, str | None]:
    found = _HUB_ID.fullmatch(model)
    assert found is not None, "the caller has checked"
    return found["name"], found["revision"]


def _client(name: str) -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise ModelError(
            f"the hub model {name} needs the huggingface_hub package", remedy="pip install 'linearsr[hub]'"
        ) from error
    return huggingface_hub
