"""What is said of a name that there is not."""

from clearer.fields import nearest


def test_the_nearest_name_is_said_where_one_is_near() -> None:
    assert nearest("lamda1", ["sigma", "lambda1", "lambda2"]) == " (did you mean lambda1?)"
    assert nearest("xyz", ["sigma", "lambda1"]) == ""
    assert nearest("3", [1, 8]) == ""
