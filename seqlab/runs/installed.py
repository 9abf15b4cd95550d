"""Everything that is installed, in the form that `pip install -r` reads."""

from __future__ import annotations

from importlib.metadata import distributions


def installed_packages() -> str:
    """Return a line `NAME==VERSION` for each installed distribution, sorted by name.

    Of two with one name, Python imports the first, so that one is named. Where a distribution came
    from is left out: an address may hold a password.
    """
    versions: dict[str, str] = {}
    for found in distributions():
        if found.metadata["Name"]:  # a damaged installation has none
            versions.setdefault(found.metadata["Name"], found.version)
    return "".join(f"{name}=={versions[name]}\n" for name in sorted(versions, key=str.lower))
