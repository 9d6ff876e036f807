"""`agentmart run` on a bucket: the same loads as from a folder, and an exit code that says what failed."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import AS_OF, DeploymentUnderTest
from tests.support.s3_server import KEYS, s3_server


def test_a_run_on_a_bucket_knows_the_files_of_the_folder_and_names_what_it_cannot_reach(
    own_deployment: DeploymentUnderTest, tmp_path: Path
) -> None:
    landing = own_deployment.home / "landing"
    paths = [path for path in sorted(landing.rglob("*")) if path.is_file()]
    with s3_server(tmp_path) as server:
        environ = {**KEYS, "AGENTMART_S3_ENDPOINT_URL": server.endpoint}
        server.make_bucket("extracts")
        for path in paths:
            key = f"day/{path.relative_to(landing).as_posix()}"
            server.put("extracts", key, path.read_bytes())

        finished = own_deployment(
            "run", "--landing", "s3://extracts/day", "--as-of", AS_OF, **environ
        )
        assert finished.exit_code == 0, finished.stderr
        assert "nothing new" in finished.stdout.splitlines()[0]
        extracts = len([path for path in paths if not path.name.startswith("_")])
        assert f"0 new, {extracts} repeated, 0 failed" in finished.stdout
        assert f"repeated: {extracts} files were loaded before" in finished.stderr.splitlines()
        assert len(server.fetched()) == extracts

        environ["AGENTMART_LANDING"] = "s3://extracts/day"
        again = own_deployment("run", "--as-of", AS_OF, **environ)
        assert f"0 new, {extracts} repeated, 0 failed" in again.stdout
        assert len(server.fetched()) == extracts

        wrong = own_deployment("run", "--landing", "s3://extract/day", "--as-of", AS_OF, **environ)
    assert wrong.exit_code == 1
    said = "s3://extract/day: extract is not there; correct the name, or make it"
    assert f"not loaded: {said}" in wrong.stdout
    assert f"failed: {said} (0.0 s)" in wrong.stderr.splitlines()
    assert wrong.stderr.splitlines()[-1].startswith("agentmart: 1 of 1 files that are not loaded")
    assert "Traceback" not in wrong.stderr


def test_a_url_that_cannot_be_read_is_wrong_usage(own_deployment: DeploymentUnderTest) -> None:
    finished = own_deployment("run", "--landing", "ftp://extracts/day")
    assert finished.exit_code == 2
    assert finished.stderr.startswith("agentmart: ftp://extracts/day: ftp:// cannot be read; use")
    assert len(finished.stderr.splitlines()) == 1
