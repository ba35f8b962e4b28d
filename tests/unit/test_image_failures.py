import pytest

from glacierctl.image.failures import refused_by_registry


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("unexpected status from HEAD request: 401 Unauthorized", "Check user and password"),
        ("no basic auth credentials", "Check user and password"),
        ("dial tcp 127.0.0.1:40135: connect: connection refused", "cannot be reached"),
        ("dial tcp 10.0.0.1:50312: i/o timeout", "cannot be reached"),
        ("unexpected EOF", "cannot be reached"),
        ("received unexpected HTTP status: 503 Service Unavailable", "cannot be reached"),
        ("tag invalid: the image tag is immutable", "cannot change"),
        ("name unknown: the repository does not exist", "Create the repository"),
        ("something else at port 5020", "Try again"),
    ],
)
def test_a_refusal_gets_the_hint_of_its_words_not_of_its_port(said: str, hint: str) -> None:
    error = refused_by_registry("it cannot be pushed", said)
    assert hint in error.hint
    assert error.why == said
