import numpy as np
import PIL.Image
import torch

from linearsr.training.samples import ROWS, comparison_sheet, write_sheet


def test_rows_show_the_pair_and_the_output_between_them(tmp_path):
    lr, output, hr = torch.full((6, 3, 2, 3), 0.2), torch.full((6, 3, 8, 12), 1.7), torch.full((6, 3, 8, 12), 0.8)
    lr[1] = 0.4
    sheet = comparison_sheet(lr, output, hr)
    write_sheet(tmp_path / "sheet.png", sheet)
    with PIL.Image.open(tmp_path / "sheet.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (ROWS * 8, 36, 3)
    assert [set(pixels[:8, left : left + 12].flat) for left in (0, 12, 24)] == [{51}, {255}, {204}]
    assert set(pixels[8:16, :12].flat) == {102}
