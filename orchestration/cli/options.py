"""Options that several commands have.

Belongs here: their names and words. Does not belong here: an option of one command, and what is done with
them.
"""

from __future__ import annotations

import click

landing_option = click.option(
    "--landing",
    metavar="FOLDER|URL",
    help="Raw extracts, one sub-folder per stream; s3://, gs:// and az:// too."
    "  [default: $AGENTMART_LANDING, else $AGENTMART_HOME/landing]",
)
