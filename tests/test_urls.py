"""Which URLs have a password in them, and that none is shown."""

from __future__ import annotations

import pytest

from seqlab.urls import is_url, url_of_file, without_secrets

LOUD = [
    ("https://me:pw@host/a.txt", "https://…@host/a.txt"),
    ("https://pw@host/a", "https://…@host/a"),
    ("sftp://me:pw@host/a", "sftp://…@host/a"),
    ("https://host/a?id=3&token=pw&x=1", "https://host/a?id=3&token=…&x=1"),
    ("https://host/a?X-Amz-Signature=pw", "https://host/a?X-Amz-Signature=…"),
    ("https://host/a?sv=1;sig=pw", "https://host/a?sv=1;sig=…"),
    ("https://host/a#access_token=pw", "https://host/a#access_token=…"),
    ("https://host/a?AWSAccessKeyId=pw&Expires=9", "https://host/a?AWSAccessKeyId=…&Expires=9"),
]
QUIET = [
    "https://host/a.txt?download=1&monkey=2",
    "s3://bucket/keys/token.txt",
    "abfs://container@account.dfs.core.windows.net/a.txt",
    "sftp://me@host/a",
    "github://org:repo@main/a.txt",
]


@pytest.mark.parametrize(("url", "shown"), LOUD)
def test_a_password_is_found_and_hidden_anywhere_in_a_text(url, shown):
    assert without_secrets(f"of '{url}', say") == f"of '{shown}', say"
    with pytest.raises(ValueError, match="a URL without a password"):
        url_of_file(url)


@pytest.mark.parametrize("url", QUIET)
def test_what_only_looks_like_a_password_stays(url):
    assert without_secrets(url) == url_of_file(url) == url


@pytest.mark.parametrize("text", ["c:/a.txt", "a/b.txt", "https:/a", "://a", "", "a://"])
def test_a_path_is_no_url(text):
    assert not is_url(text)
