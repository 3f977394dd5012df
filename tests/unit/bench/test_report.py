import json

from linearsr.bench.report import Report
from linearsr.bench.scaling import Limits, Point


def test_a_report_says_how_it_was_made(machine):
    values = {"limits": Limits(), "points": [Point(attention="linear", side=64, tokens=4)], "model": "tiny"}
    report = Report(name="scaling", command="linearsr bench scaling", machine=machine, values=values, text="A table.\n")
    assert report.markdown() == "A table.\n\nMade by `linearsr bench scaling`.\n"
    found = json.loads(report.json())
    assert (found["benchmark"], found["command"]) == ("scaling", "linearsr bench scaling")
    assert found["machine"]["processor"] == "Model T"
    assert found["limits"]["seconds"] == 120
    assert found["points"][0]["tokens"] == 4
    assert found["model"] == "tiny"
