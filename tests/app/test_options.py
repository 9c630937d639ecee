"""Settings of drawing as they are written on the command line."""

import pytest

from genwright.app.options import read_sampling
from genwright.errors import ArgumentError
from genwright.families.sampling import Sampling
from genwright.maths.samplers import ddim

NOTHING = {"temperature": None, "sampler": None, "how": (), "grammar": None}


def test_settings_by_name_beside_their_own_options(tmp_path):
    how = ("temperature=.8,top_p=.95,max_tokens=200", "stop=a,b,stop=###", "sampler=ddim,balanced=no")
    assert read_sampling(NOTHING | {"how": how, "grammar": "[ab]+"}) == Sampling(
        temperature=0.8, top_p=0.95, max_tokens=200, stop=("a,b", "###"), sampler=ddim, balanced=False, grammar="[ab]+"
    )
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "integer"}')
    assert read_sampling(NOTHING | {"grammar": str(schema)}).grammar == '{"type": "integer"}'
    schema.write_text('{"type": "integer"}', encoding="utf-8-sig")
    assert read_sampling(NOTHING | {"grammar": str(schema)}).grammar == '{"type": "integer"}'


@pytest.mark.parametrize(("name", "text"), [("s.json", "[1]"), ("s.json", 'start: "a"'), ("g.lark", 'root: "a"')])
def test_a_file_of_another_kind_is_not_taken_for_a_regular_expression(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ArgumentError, match="holds no"):
        read_sampling(NOTHING | {"grammar": str(tmp_path / name)})


@pytest.mark.parametrize(
    ("told", "what"),
    [
        ({"how": ("heat=3",)}, "'heat=3' is no setting"),
        ({"how": ("max_tokens=many",)}, "'many' is no number for max_tokens"),
        ({"how": ("temperature=1",), "temperature": 0.5}, "given twice"),
        ({"how": ("sampler=best",)}, "'best' is no sampler"),
        ({"grammar": "nowhere.json"}, "nowhere.json cannot be read"),
    ],
)
def test_what_is_no_setting_is_refused(told, what):
    with pytest.raises(ArgumentError, match=what):
        read_sampling(NOTHING | told)
