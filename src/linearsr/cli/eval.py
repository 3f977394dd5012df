"""``linearsr eval``: how close outputs are to their references, as a table."""

from __future__ import annotations

from pathlib import Path

import click

from linearsr.imaging.atomic import write_atomically


@click.command("eval")
@click.argument("outputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-r", "--reference", type=click.Path(path_type=Path), required=True, help="Folder of references.")
@click.option(
    "-m", "--metrics", default="psnr,ssim", show_default=True, help="psnr, psnr_rgb, ssim, ms_ssim, lpips, dists."
)
@click.option("--weights", type=click.Path(path_type=Path), help="Folder of the learned metrics' networks.")
@click.option("--border", type=int, default=0, show_default=True, help="Pixels left out by psnr and ssim.")
@click.option("-f", "--format", "form", type=click.Choice(["md", "csv", "json"]), default="md", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the report there instead of printing it.")
@click.option("--overwrite", is_flag=True, help="Replace an existing report.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(
    outputs: tuple[Path, ...],
    reference: Path,
    metrics: str,
    weights: Path | None,
    border: int,
    form: str,
    output: Path | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Measure folders of results against a folder of references.

    Every OUTPUTS folder is one method; its images are matched to the references by name. PSNR, SSIM and MS-SSIM are
    taken on the luma (BT.601), psnr_rgb on all channels.
    """
    from linearsr.evaluation.metrics import choose_metrics
    from linearsr.evaluation.report import render_report
    from linearsr.evaluation.runner import evaluate_folder

    def progress(stem: str, number: int, total: int) -> None:
        if not quiet:
            click.echo(f"\r{number}/{total} {stem}\033[K", err=True, nl=number == total)

    chosen = choose_metrics([name.strip() for name in metrics.split(",")], weights=weights, border=border)
    scores = [evaluate_folder(folder, reference, chosen, progress) for folder in outputs]
    report = render_report(scores, chosen, form)  # type: ignore[arg-type]  # click checks the choice
    if output is None:
        click.echo(report, nl=False)
    else:
        write_atomically(output, report.encode(), overwrite=overwrite)
