import pytest

from linearsr.bench.tables import count, markdown_table, megabytes, paragraphs, seconds, share


def test_columns_line_up_and_numbers_are_on_the_right():
    table = markdown_table(("part", "s"), [("a long name", "1.0"), ("b", "10.25")])
    assert table == (
        "| part        |     s |\n"
        "|-------------|------:|\n"
        "| a long name |   1.0 |\n"
        "| b           | 10.25 |"
    )  # fmt: skip


def test_a_table_without_rows_is_its_header():
    assert markdown_table(("a", "b"), []) == "| a | b |\n|---|--:|"


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.0123456, "0.0123"), (1.0, "1.00"), (99.94, "99.9"), (1234.5, "1,234")]
)
def test_seconds_have_three_significant_digits(value, text):
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (12, "12"), (1500, "1.5 k"), (9_216_000, "9.2 M"), (8.02e9, "8.0 G"), (4.18e12, "4.2 T")],
)
def test_counts_have_a_unit(value, text):
    assert count(value) == text


def test_paragraphs_have_one_empty_line_between_them():
    assert paragraphs("a table", "", "notes") == "a table\n\nnotes\n"


def test_bytes_and_shares():
    assert megabytes(1_500_000_000) == "1,500 MB"
    assert megabytes(None) == "-"
    assert share(1, 8) == "12.5 %"
