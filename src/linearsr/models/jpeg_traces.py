"""What JPEG leaves in pixels: coefficients of 8x8 blocks that are multiples of the steps they were rounded to.

    score(g, q) = sum cos(2 pi c / T_q) / sqrt(n / 2)      over n coefficients c of the blocks of grid g, |c| > 0.6 T_q

T_q is the table of libjpeg at quality q. In the right grid and at the right quality the cosines are near 1; anywhere
else they cancel, in noise and texture too. A picture that was resized since, or compressed with a table of another
shape, has no traces that are found here.

Legend: N pictures, or squares of one, (N, 3, h, w) in [-1, 1]; they share a grid, wherever it begins.
References: ITU-T T.81 (1992), table K.1; Fan and de Queiroz, 2003 (doi:10.1109/TIP.2002.807361), for the idea of
reading steps off decoded pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from linearsr.jpeg_standard import LUMA, block_dct, tables
from linearsr.models.denoiser import LEVELS_PER_UNIT

BLOCK = 8
"""Pixels along a side of a block."""
QUALITIES = range(10, 95)
"""What is looked for: better ones leave steps too small to be told from the rounding of pixels."""
LEAST_SCORE = 6.0
"""Less may be chance: sixty-four grids and many qualities are tried."""
LEAST_COSINE = 0.3
"""So may a lower mean cosine: where there are many blocks, texture alone brings a few of them into step."""
LEAST_LEAD = 1.8
"""Best grid's score beside that of the ninth best: drawings that repeat fit many grids, JPEG one, or a row of eight."""
NEARLY = 0.75
"""What fits the multiples of a step fits those of its half and third too: the coarsest of nearly equal fits is it."""
MOST_BLOCKS = 192
"""So many tell the quality as surely as all."""
FIRST_BLOCKS, CANDIDATES = 32, 12
"""So many tell which grids are worth a second look, and so many of these get one."""
_FREQUENCIES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1))
"""Vertical and horizontal frequencies that are looked at; of higher ones most coefficients are rounded to zero."""
_LUMA_OF_RGB = (0.299, 0.587, 0.114)


@torch.no_grad()
def jpeg_quality(pictures: Tensor) -> int | None:
    """Quality that the pictures were compressed with by JPEG, in libjpeg's numbers; None where there is no trace."""
    if min(pictures.shape[-2:]) < 2 * BLOCK:
        return None
    grids = _coefficients(pictures.float())
    grids = grids[_scores(grids[..., :FIRST_BLOCKS]).topk(CANDIDATES).indices]
    leading = _scores(grids).topk(BLOCK + 1)
    if leading.values[0] < LEAST_LEAD * leading.values[BLOCK]:
        return None
    scores, cosines = (fits.view(2, -1) for fits in _fits(grids[leading.indices[:1]], QUALITIES))
    way = int(scores.amax(1).argmax())
    scores, cosines = scores[way], cosines[way]
    best = int(scores.argmax())
    if not (scores[best] >= LEAST_SCORE and cosines[best] >= LEAST_COSINE):  # so it is with NaN
        return None
    nearly = (scores > NEARLY * scores[best]) & (cosines > NEARLY * cosines[best])
    return QUALITIES[int(nearly.nonzero()[0])]


def _scores(grids: Tensor) -> Tensor:
    """Best score of each grid, (grids,), which a third of the qualities tell well enough."""
    return _fits(grids, QUALITIES[::3])[0].amax(1)


def _fits(grids: Tensor, qualities: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Scores and mean cosines of coefficients (grids, frequencies, blocks), (grids, 2 x qualities) each.

    The second half is of tables turned with the picture: by a quarter, steps across and down change places.
    """
    steps = tables(LUMA, torch.tensor(qualities)).to(grids.device)
    upright, turned = ([BLOCK * v + u for v, u in pairs] for pairs in (_FREQUENCIES, [(u, v) for v, u in _FREQUENCIES]))
    steps = torch.cat([steps[:, upright], steps[:, turned]])
    multiples = (grids[:, None] / steps[:, :, None]).flatten(2)
    counted = (multiples.abs() > 0.6).to(multiples.dtype)  # what was rounded to zero fits every step
    cosines = multiples.mul_(2 * math.pi).cos_().mul_(counted).sum(2)
    counts = counted.sum(2).clamp(min=1)
    return cosines / (counts / 2).sqrt(), cosines / counts


def _coefficients(pictures: Tensor) -> Tensor:
    """(64 grids, frequencies, blocks) of luma in 8-bit levels."""
    luma = (pictures * pictures.new_tensor(_LUMA_OF_RGB)[:, None, None]).sum(1, keepdim=True) * LEVELS_PER_UNIT
    waves = block_dct()[[BLOCK * v + u for v, u in _FREQUENCIES]].view(-1, 1, BLOCK, BLOCK)
    found = F.conv2d(luma, waves.to(luma.device))
    count, frequencies, height, width = found.shape
    down, across = height // BLOCK, width // BLOCK
    cells = found[..., : down * BLOCK, : across * BLOCK].reshape(count, frequencies, down, BLOCK, across, BLOCK)
    blocks = cells.permute(3, 5, 1, 0, 2, 4).reshape(BLOCK**2, frequencies, -1)
    chosen = blocks[..., :: -(-blocks.shape[-1] // MOST_BLOCKS)]
    between = -(-chosen.shape[-1] // FIRST_BLOCKS)
    return torch.cat([chosen[..., start::between] for start in range(between)], -1)  # the first are from all over, too
