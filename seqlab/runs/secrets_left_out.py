"""What looks like a secret: files by their names, and values in lines of text."""

from __future__ import annotations

import re
from fnmatch import fnmatch

MASK = "***"
_FILES = (
    *(".env", ".env.*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.kdbx", "*.ppk"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "credentials*", "*credentials.json"),
    *(".netrc", "_netrc", ".pypirc", ".npmrc", ".htpasswd", ".git-credentials", ".pgpass"),
    *("secrets.*", "*.secret", "*.secrets", "kubeconfig"),
)
_FOLDERS = frozenset({".ssh", ".aws", ".gnupg", ".kube", ".docker", ".azure"})
_NAME = (
    r"[\w.-]*(?:passwo?r?d|passphrase|secret|api[_-]?key|access[_-]?key|auth[_-]?key|private[_-]?key"
    r"|secret[_-]?key|credentials?)"
)
_TOKEN = r"(?:[\w.-]*[_.-])?token"  # noqa: S105 # `tokens` and `token_bytes` are words of ours
_IS = r"""["']?\s*(?::\s*\w+\s*)?[:=]\s*"""
_LETTERS_AND_DIGITS = r"(?=[\w+/=.~-]*\d)(?=[\w+/=.~-]*[a-z])[\w+/=.~-]{12,}"
_NO_CALL = r"(?![\w.(\[{])"
_MASKED = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        # a name of a secret and a text in quotes; or none, as in YAML, shells and .ini files
        rf"""(?P<kept>\b{_NAME}{_IS}[rbf]?(?P<quote>["']))(?P<value>(?:(?!(?P=quote)).)+)""",
        rf"""(?P<kept>\b{_NAME}{_IS})(?P<value>[^\s"'(){{}}\[\],;]{{4,}}){_NO_CALL}""",
        rf"""(?P<kept>\b{_TOKEN}{_IS}["']?)(?P<value>{_LETTERS_AND_DIGITS}){_NO_CALL}""",
        # on a command line, in a header, in an address
        rf"""(?P<kept>--(?:{_NAME}|{_TOKEN})[\s=]+["']?)(?P<value>[^\s"'-][^\s"']{{3,}})""",
        r"(?P<kept>\bBearer\s+)(?P<value>[\w+/=.~-]{12,})",
        r"(?P<kept>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)(?P<value>[^\s/@]+)(?=@)",
        # as well-known services make them
        r"(?P<kept>\b)(?P<value>gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|hf_\w{20,}"
        r"|sk-[\w-]{20,}|xox[abeprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|pypi-[\w-]{20,}"
        r"|wandb_v1_\w{20,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+)",
    )
)
_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_KEY_ENDS = re.compile(r"-----END [A-Z ]*PRIVATE KEY-----")


def may_be_secret(path: str) -> bool:
    """Whether a file holds secrets by its name or by its folder's."""
    *folders, name = path.lower().split("/")
    return not _FOLDERS.isdisjoint(folders) or any(fnmatch(name, form) for form in _FILES)


def masked(lines: list[str]) -> list[str]:
    """Return lines with `***` for each value that looks like a password, a token or a key."""
    result, in_key = [], False
    for line in lines:
        in_key = in_key or bool(_KEY_BEGINS.search(line))
        result.append(_masked_key(line) if in_key else _masked_line(line))
        in_key = in_key and not _KEY_ENDS.search(line)
    return result


def _masked_key(line: str) -> str:
    """A line of a private key; what is no letter of it, such as a `+` of a patch, stays."""
    if _KEY_BEGINS.search(line) or _KEY_ENDS.search(line):
        return line
    return re.sub(r"(?<=.)[\w+/=]{4,}", MASK, line)


def _masked_line(line: str) -> str:
    for form in _MASKED:
        line = form.sub(rf"\g<kept>{MASK}", line)
    return line
