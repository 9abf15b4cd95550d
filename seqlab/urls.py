"""URLs of files that are elsewhere, in options and in messages: none may bring a password along.

What an experiment says is written into the folder of every run.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

PATTERN = r"^[A-Za-z][A-Za-z0-9+.-]+://."  # two letters at least: c:/ is a disk
_URL = re.compile(PATTERN)
_URL_AS_PATH = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+(::.*)?:/")  # pathlib makes one slash of two
_HTTP = ("http", "https")
_NAMES = (
    r"[\w.-]*(?:token|secret|passw|pwd|signature|credential|access_?key|api_?key)[\w.-]*"
    r"|key|sig|auth|authorization|pass|jwt"
)
_SECRET_NAME = re.compile(_NAMES, re.IGNORECASE)
_VALUE = re.compile(r"[&;]([^=&;]+)=")
_SECRET_VALUE = re.compile(rf"([?&;#](?:{_NAMES})=)[^&\s'\",)\]}}]+", re.IGNORECASE)
_LOGIN = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]+)(:/{1,2})([^/\s@'\"]+)@")

_NEITHER = "a path or a URL"
_LOGIN_ELSEWHERE = (
    "a URL without a password, key or token, as every run keeps what its experiment says; a login"
    " comes from ~/.netrc (https), the environment (AWS_PROFILE, …) or ~/.config/fsspec"
)


def is_url(text: str) -> bool:
    """Whether a text is a URL, such as https://… or s3://…, and no path."""
    return bool(_URL.match(text))


def mentions_url(text: str) -> bool:
    """Whether a URL is somewhere in a text."""
    return "://" in text


def without_secrets(text: str) -> str:
    """A text with `…` for every login and every password or token in a URL."""
    return _SECRET_VALUE.sub(r"\1…", _LOGIN.sub(_hidden_login, text))


def _hidden_login(match: re.Match[str]) -> str:
    scheme, slashes, login = match.groups()
    return f"{scheme}{slashes}…@" if _is_secret(scheme.lower(), login) else match[0]


def _is_secret(scheme: str, login: str) -> bool:
    """Whether what is before an @ has a password; of GitHub it is a repository."""
    return scheme != "github" and (":" in login or scheme in _HTTP)


def url_of_file(text: str) -> str:
    """Check that a text is a URL, and has no password, key or token."""
    if not is_url(text):
        raise ValueError(_NEITHER)
    _refuse_secrets(text)
    return text


def path_of_file(path: Path) -> Path:
    """Check that a path is not a URL."""
    if _URL_AS_PATH.match(str(path)):
        _refuse_secrets(str(path).replace(":/", "://", 1))
        raise ValueError(_NEITHER)
    return path


def path_of_folder(path: Path) -> Path:
    """Check that a folder is on this machine."""
    if _URL_AS_PATH.match(str(path)):
        _refuse_secrets(str(path).replace(":/", "://", 1))
        raise ValueError(
            "a folder on this machine; of files elsewhere, `corpus: text` reads a pattern, such"
            " as s3://bucket/texts/*.txt"
        )
    return path


def _refuse_secrets(url: str) -> None:
    try:
        parts = urlsplit(url)
        login, _, _ = parts.netloc.rpartition("@")
        names = map(unquote, _VALUE.findall(f"&{parts.query}&{parts.fragment}"))
    except ValueError:
        raise ValueError("a valid URL") from None
    if (login and _is_secret(parts.scheme, login)) or any(
        _SECRET_NAME.fullmatch(name) for name in names
    ):
        raise ValueError(_LOGIN_ELSEWHERE)
