"""The rules of the repository as a whole: its tree, its texts, its lock file, its README.

Belongs here: rules about files of any kind. Does not belong here: rules about Python or dbt code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.conventions.rule import Rule, files_of

_TOP_LEVEL = {
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "dbt_project",
    "orchestration",
    "pyproject.toml",
    "requirements.lock",
    "seeds",
    "tests",
}

_TEXT_SUFFIXES = (".py", ".sql", ".yml", ".yaml", ".md", ".toml", ".lock", ".txt", ".typ", ".csv")
_LARGEST_FILE_BYTES = 1_000_000

# Written in pieces, so that this file does not break its own rule.
_HOSTS_AND_HOMES = re.compile(
    "|".join(
        (
            "py" + r"pi\.org",
            "python" + "hosted",
            "registry" + r"\.npmjs",
            "--(extra-)?" + "index-url",
            r"(?<![\w/.])/" + r"(home|root|Users)/\w",
            r"(?<![\w/.])/" + "(work|opt)/",
        )
    )
)
_UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
_SECRETS = re.compile(
    "-----BEGIN [A-Z ]*PRIVATE " + r"KEY|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}"
)


def _texts(root: Path) -> Iterator[tuple[str, str]]:
    for name, path in files_of(root, "*"):
        is_plain = path.suffix in _TEXT_SUFFIXES or path.name in {"Makefile", "run", "LICENSE"}
        if is_plain or (path.name.startswith(".") and path.suffix == ""):
            yield name, path.read_text(encoding="utf-8")


def _find(pattern: re.Pattern[str], root: Path) -> list[str]:
    return [
        f"{name}:{number} {match.group(0)!r}"
        for name, text in _texts(root)
        for number, line in enumerate(text.splitlines(), start=1)
        for match in pattern.finditer(line)
    ]


def _find_hosts_and_homes(root: Path) -> list[str]:
    return _find(_HOSTS_AND_HOMES, root)


def _find_unfinished_work(root: Path) -> list[str]:
    return _find(_UNFINISHED, root)


def _find_secrets(root: Path) -> list[str]:
    return _find(_SECRETS, root)


def _find_strangers_at_the_top(root: Path) -> list[str]:
    entries = {name.split("/")[0] for name, _ in files_of(root, "*")}
    return sorted(
        entry for entry in entries if entry not in _TOP_LEVEL and not entry.startswith(".")
    )


def _find_large_files(root: Path) -> list[str]:
    return [
        f"{name} has {path.stat().st_size:,} bytes"
        for name, path in files_of(root, "*")
        if path.stat().st_size > _LARGEST_FILE_BYTES
    ]


def _find_unchecked_requirements(root: Path) -> list[str]:
    lock = root / "requirements.lock"
    if not lock.exists():
        return []
    text = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    return [
        line.split()[0]
        for line in text.splitlines()
        if line and not line.startswith((" ", "#")) and "--hash=sha256:" not in line
    ]


def _find_unknown_commands(root: Path) -> list[str]:
    """Commands in the README's code blocks that neither make nor agentmart knows."""
    readme = root / "README.md"
    if not readme.exists():
        return []
    makefile, command_line = root / "Makefile", root / "orchestration" / "cli" / "main.py"
    targets = _matches(r"^([a-z][a-z-]*):", makefile)
    commands = _matches(r"^    \"([a-z]+)\": \(", command_line)
    found = []
    for block in re.findall(r"```[a-z]*\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.splitlines():
            words = re.sub(r"^\s*\$\s+", "", line).split()
            words = [word for word in words if not re.match(r"[A-Z_]+=", word)]
            if len(words) < 2 or words[1].startswith("-"):
                continue
            program = words[0].rsplit("/", 1)[-1]
            if program == "make" and words[1] not in targets:
                found.append(f"make {words[1]}")
            if program == "agentmart" and words[1] not in commands:
                found.append(f"agentmart {words[1]}")
    return found


def _matches(pattern: str, path: Path) -> set[str]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return set(re.findall(pattern, text, re.MULTILINE))


def _rule(
    name: str,
    *,
    reason: str,
    remedy: str,
    find: Callable[[Path], list[str]],
    bad: dict[str, str],
) -> Rule:
    return Rule(name=name, reason=reason, remedy=remedy, find_violations=find, bad=bad)


RULES = (
    _rule(
        "no file names a registry or a place on one machine",
        reason="the project must build wherever it is cloned, from the registry configured there",
        remedy="leave the host to the machine's configuration; use paths relative to the project",
        find=_find_hosts_and_homes,
        bad={"Makefile": "install:\n\tpip install --index" + "-url https://mirror.example/ x\n"},
    ),
    _rule(
        "no file promises work for later",
        reason="such notes are never read again; what is missing belongs into an issue",
        remedy="do it, or open an issue and delete the note",
        find=_find_unfinished_work,
        bad={"orchestration/a.py": "# TO" + "DO: handle this\n"},
    ),
    _rule(
        "no file holds a secret",
        reason="what is committed once stays in history",
        remedy="read it from the environment in orchestration/settings.py, and revoke this one",
        find=_find_secrets,
        bad={"tests/key.txt": "-----BEGIN RSA PRIVATE " + "KEY-----\n"},
    ),
    _rule(
        "the top level holds what the architecture lists",
        reason="a reader must take in the project at one look",
        remedy="put the file into the folder it belongs to",
        find=_find_strangers_at_the_top,
        bad={"scripts/fix.py": "SIZE = 1\n"},
    ),
    _rule(
        "no committed file is larger than a megabyte",
        reason="a clone carries every version of it for ever",
        remedy="generate it, or take a smaller sample",
        find=_find_large_files,
        bad={"seeds/sample/all.ndjson": "x" * (_LARGEST_FILE_BYTES + 1)},
    ),
    _rule(
        "every locked requirement has its hash",
        reason="a changed file under a known name must not be installed",
        remedy="make the lock again with uv pip compile --generate-hashes",
        find=_find_unchecked_requirements,
        bad={"requirements.lock": "click==8.4.2\n"},
    ),
    _rule(
        "the README's commands exist",
        reason="the first thing a stranger types must work",
        remedy="correct the command, or add it",
        find=_find_unknown_commands,
        bad={"README.md": "```\nmake everything\n```\n", "Makefile": "run:\n\techo\n"},
    ),
)
