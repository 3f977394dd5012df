"""R18 and R20 at the level of pictures, and everything a picture carries."""

from __future__ import annotations

import itertools

import numpy as np
import PIL.Image
import pytest
import torch
from small_models import photo, small_autoencoder, small_denoiser, small_pipeline

from linearsr import streaming
from linearsr.errors import DeviceError, ImageTooLargeError, InputError
from linearsr.imaging.picture import Metadata, Picture
from linearsr.models.fidelity import DEFAULT, DENOISED
from linearsr.models.sweep import velocity_in_strips
from linearsr.pipeline import SRPipeline
from linearsr.request import UpscaleRequest
from linearsr.tags.tagger import Tag


@pytest.fixture(scope="module")
def pipe():
    return small_pipeline()


def picture(height=12, width=20, *, depth=8, gray=False, alpha=False, seed=0):
    pixels = photo(height, width, seed)
    samples = pixels if depth == 8 else pixels.astype(np.uint16) * 257
    color = samples[..., :1] if gray else samples
    return Picture(color=color, alpha=samples[..., 2].copy() if alpha else None, metadata=Metadata(icc=b"i", exif=b"e"))


def levels_apart(a, b):
    return int(np.abs(a.color.astype(int) - b.color.astype(int)).max())


def test_same_seed_gives_the_same_bytes_alone_in_company_and_in_any_order(pipe):
    images = [photo(9 + 7 * index, 20, seed=index) for index in range(4)]
    alone = [np.asarray(pipe(image).images[0]) for image in images]
    for order in list(itertools.permutations(range(4)))[::7]:
        together = pipe([images[index] for index in order]).images
        assert all(
            np.array_equal(np.asarray(result), alone[index]) for result, index in zip(together, order, strict=True)
        )


def test_seed_and_generator_choose_the_noise(pipe):
    zero, again, one = (pipe.upscale(picture(), UpscaleRequest(seed=seed)).color for seed in (0, 0, 1))
    assert np.array_equal(zero, again)
    assert not np.array_equal(zero, one)
    given = pipe.upscale(picture(), UpscaleRequest(), generator=torch.Generator().manual_seed(1)).color
    assert np.array_equal(given, one)


def test_global_random_state_neither_matters_nor_changes(pipe):
    results = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        results.append(pipe.upscale(picture(), UpscaleRequest()).color)
        assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(*results)


def test_tiling_of_the_pipeline_is_used_by_its_call(pipe, monkeypatch):
    import linearsr.streaming

    plans = []
    plan = linearsr.streaming.plan_strips
    monkeypatch.setattr(linearsr.streaming, "plan_strips", lambda *a, **k: plans.append(a[2]) or plan(*a, **k))
    monkeypatch.setattr(pipe, "_tile", None)
    pipe(photo(40, 16))
    pipe.enable_tiling(32)
    pipe(photo(40, 16))
    assert plans == [None, 32]


def test_rows_are_handed_out_while_the_rest_is_not_yet_made(pipe):
    seen = []
    source = picture(300, 16, alpha=True)
    strips = pipe.stream(source, UpscaleRequest(tile=32), on_rows=lambda done, total: seen.append((done, total)))
    assert seen == []
    first = next(strips.rows)
    assert first.shape[1:] == (64, 4)
    assert seen[-1][0] < seen[-1][1] == 1200
    heights = [len(first), *(len(rows) for rows in strips.rows)]
    assert sum(heights) == 1200
    assert seen[-1] == (1200, 1200)
    assert max(heights[1:-1]) < 600


def test_work_can_be_stopped_between_strips(pipe):
    def cancel(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipe.stream(picture(), UpscaleRequest(), on_rows=cancel).gather()


def test_the_limit_of_a_stream_can_be_raised(pipe):
    from linearsr.imaging.limits import Limits

    with pytest.raises(ImageTooLargeError, match="3,839 pixels"):
        pipe.stream(picture(12, 20), UpscaleRequest(), limits=Limits(max_output_pixels=3839))
    assert pipe.stream(picture(12, 20), UpscaleRequest(), limits=Limits(max_output_pixels=3840)).width == 80


@pytest.mark.parametrize(("depth", "gray", "alpha"), list(itertools.product((8, 16), (False, True), (False, True))))
def test_depth_gray_alpha_and_metadata_are_carried(pipe, depth, gray, alpha):
    result = pipe.upscale(picture(depth=depth, gray=gray, alpha=alpha), UpscaleRequest())
    assert (result.width, result.height, result.depth, result.is_gray) == (80, 48, depth, gray)
    assert result.metadata == Metadata(icc=b"i", exif=b"e")
    if not alpha:
        assert result.alpha is None
        return
    assert result.alpha.shape == (48, 80)
    assert result.alpha.dtype == result.color.dtype
    source = picture(depth=depth, alpha=True).alpha
    assert np.corrcoef(result.alpha.reshape(12, 4, 20, 4).mean((1, 3)).ravel(), source.ravel())[0, 1] > 0.97


def test_request_changes_depth_drops_alpha_and_strips_metadata(pipe):
    request = UpscaleRequest(depth="16", alpha="drop", metadata="strip")
    result = pipe.upscale(picture(alpha=True), request)
    assert (result.depth, result.alpha, result.metadata) == (16, None, Metadata())
    assert len(np.unique(result.color)) > 256
    result = pipe.upscale(picture(alpha=True, depth=16), UpscaleRequest(depth="8"))
    assert (result.color.dtype, result.alpha.dtype) == (np.uint8, np.uint8)


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({"scale": 2}, (40, 24)),
        ({"scale": 3.5}, (70, 42)),
        ({"scale": 0.5}, (10, 6)),
        ({"scale": 5}, (100, 60)),
        ({"width": 33}, (33, 20)),
        ({"height": 33}, (55, 33)),
        ({"width": 30, "height": 50}, (30, 50)),
        ({"max_side": 50}, (50, 30)),
    ],
)
def test_result_has_exactly_the_size_asked_for(pipe, asked, size):
    result = pipe.upscale(picture(alpha=True), UpscaleRequest(**asked))
    assert (result.width, result.height) == size
    assert result.alpha.shape == size[::-1]


@pytest.mark.parametrize("size", [(1, 1), (1, 37), (37, 1), (7, 9), (8, 8)])
def test_any_size_is_enlarged_four_times_and_still_looks_alike(pipe, size):
    source = picture(*size)
    result = pipe.upscale(source, UpscaleRequest())
    assert result.color.shape == (4 * size[0], 4 * size[1], 3)
    small = result.color.reshape(size[0], 4, size[1], 4, 3).mean((1, 3))
    assert np.abs(small - source.color).mean() < 12


@pytest.mark.parametrize("change", [{"solver": "heun"}, {"steps": 7}, {"color_fix": "none"}, {"color_fix": "adain"}])
def test_solver_steps_and_colour_fix_reach_the_result(pipe, change):
    default = pipe.upscale(picture(), UpscaleRequest()).color
    assert not np.array_equal(pipe.upscale(picture(), UpscaleRequest(**change)).color, default)


def test_fidelity_blends_the_decoders_and_is_refused_without_a_second_one(pipe, tmp_path):
    knob = SRPipeline(pipe.autoencoder, pipe.experts, small_autoencoder(1).decoder, name="knob")
    results = {share: knob.upscale(picture(), UpscaleRequest(fidelity=share)).color for share in (0, 0.5, 1, 0.5)}
    assert np.array_equal(results[0], pipe.upscale(picture(), UpscaleRequest()).color)
    own, quarter = (knob.upscale(picture(), UpscaleRequest(fidelity=share)).color for share in (None, 0.25))
    assert np.array_equal(own, quarter)
    assert len({result.tobytes() for result in results.values()}) == 3
    assert np.array_equal(np.asarray(knob(picture().color, fidelity=0.5).images[0]), results[0.5])
    knob.save_pretrained(tmp_path)
    loaded = SRPipeline.from_pretrained(tmp_path, device="cpu", precision="fp32")
    assert np.array_equal(loaded.upscale(picture(), UpscaleRequest(fidelity=1)).color, results[1])
    with pytest.raises(InputError, match=r"the model small has no decoder for a fidelity of 0\.5"):
        pipe.upscale(picture(), UpscaleRequest(fidelity=0.5))


def test_denoising_is_a_share_and_is_refused_without_a_denoiser(pipe, tmp_path):
    clean = SRPipeline(pipe.autoencoder, pipe.experts, denoiser=small_denoiser(), name="clean")
    results = {share: clean.upscale(picture(), UpscaleRequest(denoise=share)).color for share in (0, 0.5, 1)}
    assert np.array_equal(results[0], pipe.upscale(picture(), UpscaleRequest()).color)
    assert len({result.tobytes() for result in results.values()}) == 3
    assert np.array_equal(np.asarray(clean(picture().color, denoise=0.5).images[0]), results[0.5])
    clean.save_pretrained(tmp_path)
    loaded = SRPipeline.from_pretrained(tmp_path, device="cpu", precision="fp32")
    again = loaded.upscale(picture(), UpscaleRequest(denoise=1)).color  # by convolutions of another memory layout
    assert np.abs(again.astype(int) - results[1]).max() <= 1
    with pytest.raises(InputError, match=r"the model small has no denoiser for a share of 0\.5"):
        pipe.upscale(picture(), UpscaleRequest(denoise=0.5))
    assert np.array_equal(pipe.upscale(picture(), UpscaleRequest(denoise=0)).color, results[0])


def test_where_noise_was_taken_out_the_fidelity_is_less_unless_it_was_asked_for(pipe):
    whole = SRPipeline(pipe.autoencoder, pipe.experts, small_autoencoder(1).decoder, small_denoiser(), name="whole")
    left, taken = (whole(picture().color, denoise=share) for share in (0, 1))
    assert (left.fidelity, taken.fidelity) == ([DEFAULT], [pytest.approx(DENOISED)])
    asked = whole(picture().color, denoise=1, fidelity=DEFAULT)
    assert asked.fidelity == [DEFAULT]
    assert not np.array_equal(np.asarray(taken.images[0]), np.asarray(asked.images[0]))


def test_every_kind_of_input_gives_the_same_picture(pipe):
    pixels = photo(10, 11)
    kinds = [pixels, PIL.Image.fromarray(pixels), torch.from_numpy(pixels).permute(2, 0, 1)]
    results = [np.asarray(result) for result in pipe(kinds).images]
    assert all(np.array_equal(result, results[0]) for result in results)
    with pytest.raises(InputError, match="str"):
        pipe(["photo.png"])


def test_every_kind_of_output_shows_the_same_picture(pipe):
    image = photo(10, 11)
    pil, array, tensor = (pipe(image, output_type=kind).images[0] for kind in ("pil", "np", "pt"))
    assert isinstance(pil, PIL.Image.Image)
    assert array.shape == (40, 44, 3)
    assert tensor.shape == (3, 40, 44)
    assert np.array_equal(np.round(array * 255), np.asarray(pil))
    assert np.array_equal(tensor.permute(1, 2, 0).numpy(), array)
    with pytest.raises(InputError, match="output_type 'jpeg' is unknown"):
        pipe(image, output_type="jpeg")


def test_callback_is_called_after_every_step_and_can_stop_the_run(pipe):
    seen = []
    pipe(photo(9, 9), num_inference_steps=5, callback_on_step_end=lambda *step: seen.append(step))
    assert [index for index, _, _ in seen] == [0, 1, 2, 3, 4]
    assert seen[-1][1] == 0
    assert seen[0][2].shape == (1, 4, 2, 2)

    def cancel(index, t, latent):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipe(photo(9, 9), callback_on_step_end=cancel)


@pytest.mark.parametrize(("size", "scale"), [((1, 17_000), 0.1), ((1, 2000), 40)])
def test_result_over_the_limits_is_refused_before_any_work(pipe, size, scale):
    started = []
    with pytest.raises(ImageTooLargeError):
        pipe.upscale(picture(*size), UpscaleRequest(scale=scale), on_step_end=lambda *step: started.append(step))
    assert started == []


@pytest.mark.parametrize("layout", ["together", "separate"])
def test_experts_on_demand_make_the_same_picture(pipe, tmp_path, layout):
    pipe.save_pretrained(tmp_path, layout=layout)
    loaded = SRPipeline.from_pretrained(tmp_path, device="cpu", precision="fp32", experts="on-demand")
    for _ in range(2):
        assert np.array_equal(
            loaded.upscale(picture(), UpscaleRequest()).color, pipe.upscale(picture(), UpscaleRequest()).color
        )


@pytest.mark.parametrize(("compact", "apart"), [(False, 0), (True, 6)])
def test_saved_pipeline_works_when_loaded(pipe, tmp_path, compact, apart):
    pipe.save_pretrained(tmp_path, compact=compact)
    loaded = SRPipeline.from_pretrained(tmp_path, device="cpu", precision="fp32")
    assert loaded.name == "small"
    before, after = (model.upscale(picture(), UpscaleRequest()) for model in (pipe, loaded))
    assert levels_apart(before, after) <= apart
    with pytest.raises(DeviceError, match="cuda:99"):
        SRPipeline.from_pretrained(tmp_path, device="cuda:99")


def test_lower_precision_gives_nearly_the_same_picture():
    low = small_pipeline().to("cpu", torch.bfloat16)
    assert low.to("cpu").dtype == torch.bfloat16, "moving alone keeps the precision"
    assert (
        levels_apart(low.upscale(picture(), UpscaleRequest()), small_pipeline().upscale(picture(), UpscaleRequest()))
        < 12
    )


class Zebras:
    def tag(self, image):
        assert image.shape[:2] == (1, 3)
        return (Tag("zebra", 0.9),)


@pytest.fixture
def tag_pipe():
    pipeline = small_pipeline(guidance="tags", guidance_width=384)
    pipeline.tagger = Zebras()
    return pipeline


def test_the_result_tells_its_tags(tag_pipe, pipe):
    images = [photo(9, 9), photo(9, 9, seed=1)]
    assert tag_pipe(images).tags == [("zebra",), ("zebra",)]
    assert tag_pipe(images[0], tags="Dog, dog").tags == [("dog",)]
    assert tag_pipe(images[0], tags=["dog", "cat"]).tags == [("dog", "cat")]
    assert tag_pipe(images[0], tags="none").tags == [()]
    assert pipe(images).tags == [(), ()]


def test_auto_is_the_taggers_tags_in_every_entrance(tag_pipe):
    auto, named, none = (
        tag_pipe.upscale(picture(), UpscaleRequest(tags=tags)).color for tags in ("auto", ("zebra",), "none")
    )
    assert np.array_equal(auto, named)
    assert not np.array_equal(auto, none)


def test_the_order_of_tags_does_not_matter(tag_pipe):
    one, other = (tag_pipe.upscale(picture(), UpscaleRequest(tags=tags)) for tags in (("dog", "cat"), ("cat", "dog")))
    assert levels_apart(one, other) <= 1


def test_guidance_is_followed_and_costs_a_second_evaluation_only_when_asked_for(tag_pipe, monkeypatch):
    evaluations = []
    monkeypatch.setattr(streaming, "velocity_in_strips", lambda *args, **options: counted(*args, **options))
    original = velocity_in_strips

    def counted(*args, **options):
        evaluations.append(1)
        return original(*args, **options)

    def colors(**options):
        evaluations.clear()
        return tag_pipe.upscale(picture(), UpscaleRequest(**options)).color, len(evaluations)

    plain, once = colors(tags=("dog",))
    strong, twice = colors(tags=("dog",), guidance_scale=4)
    away, also_twice = colors(tags="none", negative_tags=("dog",), guidance_scale=4)
    nothing, still_once = colors(tags=(), guidance_scale=4)
    assert (once, twice, also_twice, still_once) == (4, 8, 8, 4)
    assert not np.array_equal(plain, strong)
    assert not np.array_equal(strong, away)
    assert np.array_equal(nothing, colors(tags="none")[0])
