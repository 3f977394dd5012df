import json

import pytest

from linearsr.ablation.frame import NO_TRAINING, Ablation, Findings, Row, Variant
from linearsr.ablation.report import ONE_RUN, conclusions, json_text, markdown
from linearsr.evaluation.choice import choose_metrics
from linearsr.evaluation.paired import compare_with
from linearsr.evaluation.report import Results
from linearsr.evaluation.runner import MethodScores

METRICS = choose_metrics(["psnr", "gmsd", "ssim"], weights=None)


def scores(name, psnr, gmsd, ssim):
    """Four images; ``ssim`` moves to and fro, so that its mean difference from another is undecided."""
    images = {str(i): {"psnr": psnr + i, "gmsd": gmsd + i / 100, "ssim": 0.5 + ssim * (-1) ** i} for i in range(4)}
    return MethodScores(method=name, images=images)


@pytest.fixture
def findings():
    methods = [scores("whole", 20, 0.2, 0.0), scores("part", 18, 0.1, 0.1)]
    variants = [Variant(name=name, budget=NO_TRAINING, prepare=pytest.fail) for name in ("whole", "part")]
    ablation = Ablation(kind="small", question="Does it help?", variants=variants, baseline="whole", remark="Well.")
    rows = [Row(name="whole", budget="80 steps", note=""), Row(name="part", budget="80 steps", note="from step 7")]
    tests = compare_with("whole", methods, METRICS)
    return Findings(
        ablation=ablation, rows=rows, results=Results(methods=methods, metrics=METRICS, tests=tests, command="me --do")
    )


def test_the_conclusion_says_better_worse_and_undecided(findings):
    assert conclusions(findings) == [
        "**part** beside whole: better in gmsd (-0.1); worse in psnr (-2); undecided in ssim (+0)."
    ]


def test_markdown_has_question_table_conclusions_tests_and_command(findings):
    text = markdown(findings)
    lines = text.splitlines()
    assert lines[0] == "# Does it help?"
    assert lines[2] == "| variant | training | psnr ↑ | gmsd ↓ | ssim ↑ |"
    assert lines[5].startswith("| part | 80 steps; from step 7 | 19.50 (")
    assert "| psnr | part | whole | 4 | 0 | " in text
    assert "Well. Means over the images" in text
    assert lines[-1] == "Made by `me --do`."


def test_trained_variants_come_with_a_caveat(findings):
    assert ONE_RUN in markdown(findings)
    for row in findings.rows:
        object.__setattr__(row, "budget", NO_TRAINING)
    assert ONE_RUN not in markdown(findings)


def test_json_holds_all_of_it(findings):
    report = json.loads(json_text(findings, "tiny"))
    assert report["variants"][1] == {"name": "part", "budget": "80 steps", "note": "from step 7"}
    assert (report["ablation"], report["model"], report["command"]) == ("small", "tiny", "me --do")
    assert report["images"]["part"]["3"]["psnr"] == 21
    assert report["conclusions"] == conclusions(findings)
