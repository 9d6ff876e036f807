"""Adapters and defaults that were edited without a new version of the adapter.

Belongs here: noticing the edit and saying what to do. Does not belong here: which version of a
file's rows counts (ledger.py).

Files loaded before such an edit are not loaded again: their identity holds the version, not the
text, so that a changed comment reloads nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from orchestration.ingest.ledger import LedgerEntry
from orchestration.ingest.sources import Source


def mapping_fingerprint(source: Source) -> str:
    """A hash of what decides how rows of the source are mapped: the adapter's text, the defaults."""
    adapter = source.adapter
    parts = [
        repr(adapter.raw_fields),
        *(f"{table.name}: {_without_comments(table.sql)}" for table in adapter.tables),
        *(
            f"{section.stream.name}: {_without_comments(section.sql)}"
            for section in adapter.sections
        ),
        json.dumps(dict(source.defaults), sort_keys=True),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _without_comments(sql: str) -> str:
    lines = (line for line in sql.splitlines() if not line.lstrip().startswith("--"))
    return re.sub(r"\s+", " ", " ".join(lines)).strip()


def describe_edits(
    entries: Sequence[LedgerEntry], *, sources: Sequence[Source]
) -> Iterator[tuple[Source, str]]:
    """The sources of which files were loaded with another text of the same version, and a line on
    each."""
    loaded = Counter(
        (entry.source_name, entry.adapter, entry.adapter_version, entry.mapping_fingerprint)
        for entry in entries
        if entry.replay_of is None and entry.mapping_fingerprint is not None
    )
    for source in sources:
        adapter = source.adapter
        current = mapping_fingerprint(source)
        files = sum(
            count
            for (name, adapter_name, version, fingerprint), count in loaded.items()
            if (name, adapter_name, version) == (source.name, adapter.name, adapter.version)
            and fingerprint != current
        )
        if files:
            yield (
                source,
                f"source {source.name}: the adapter {adapter.name} or the source's defaults were "
                f"edited, still as version {adapter.version}; {files:,} files loaded before stay "
                "as they are: raise '-- version' in the adapter to load them again, or run "
                "`agentmart quarantine replay` for their rejected rows alone",
            )
