from __future__ import annotations

import pytest

from linearsr.data.origins import Origin, read_origins
from linearsr.errors import DataError


def test_paths_are_relative_to_the_table(tmp_path):
    (tmp_path / "origins.csv").write_text(
        "path,source,licence,original,kind\npkg/a.jpg,debian:pkg,CC0,usr/a.jpg,texture\n../b.png,site,CC BY,,\n"
    )
    assert read_origins(tmp_path / "origins.csv") == {
        (tmp_path / "pkg/a.jpg").resolve(): Origin(
            source="debian:pkg", licence="CC0", original="usr/a.jpg", kind="texture"
        ),
        (tmp_path / "../b.png").resolve(): Origin(source="site", licence="CC BY", original="../b.png"),
    }


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file"), (b"path,source\na,b\n", "'licence'"), (b"path\n\xff", "utf-8")]
)
def test_a_table_that_cannot_be_read_is_named(tmp_path, content, reason):
    path = tmp_path / "origins.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=rf"cannot read .*origins\.csv: .*{reason}.*path, source and licence"):
        read_origins(path)
