from __future__ import annotations

from prunetool.reports.rendering.github import error_commands, quoted


def test_what_github_takes_for_its_own_is_escaped():
    assert error_commands(["100% of\r\na,b:c"], title="a,b:c%") == [
        "::error title=a%2Cb%3Ac%25::100%25 of%0D%0Aa,b:c"
    ]


def test_at_most_ten_and_the_rest_is_counted():
    assert len(error_commands(["x"] * 10)) == 10
    assert error_commands([]) == []
    commands = error_commands([str(it) for it in range(12)])
    assert commands[9:] == [
        "::error title=prunetool report::9",
        "::error title=prunetool report::2 more requirements are not met",
    ]


def test_text_that_holds_commands():
    first, text, last = quoted("::error::gotcha\n").splitlines()

    token = first.removeprefix("::stop-commands::")
    assert (text, last) == ("::error::gotcha", f"::{token}::")
    assert len(token) == 32
    assert quoted("x") != quoted("x")
