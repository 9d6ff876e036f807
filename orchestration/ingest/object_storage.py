"""Objects on S3, Google Cloud Storage and Azure: listing them, fetching one, and on S3 putting one.

Belongs here: URLs, what the libraries of the providers need and raise. Does not belong here: which
objects are extracts (files.py), remembering what was read of them (object_memory.py), which objects make
a lake (shared_lake.py).

The libraries come with the extra ``object-storage`` and are imported when a URL is first used: they
take half a second, and most deployments read folders. Credentials are found by each provider's own
chain (its environment variables, its files, the machine's identity).
"""

from __future__ import annotations

import errno
import hashlib
import importlib
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from orchestration.errors import UserError

_EXTRA = "object-storage"
# Scheme -> (module whose import says whether the extra is there, classes of its errors beside OSError)
_PROVIDERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "s3": ("s3fs", ("botocore.exceptions:BotoCoreError", "botocore.exceptions:ClientError")),
    "gs": (
        "gcsfs",
        (
            "gcsfs.retry:HttpError",
            "google.auth.exceptions:GoogleAuthError",
            "aiohttp:ClientError",
        ),
    ),
    # adlfs raises ValueError when it finds neither an account nor credentials.
    "az": ("adlfs", ("azure.core.exceptions:AzureError", "builtins:ValueError")),
}
_ALIASES = {"s3a": "s3", "gcs": "gs", "abfs": "az", "abfss": "az"}

# An object is fetched in parts of this size; a smaller one at once.
_PART_BYTES = 8_000_000
# S3 answers so while another conditional put of the same key is under way.
_CONFLICT_TRIES, _CONFLICT_SECONDS = 10, 0.2

_CREDENTIAL_ERRORS = {
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "TokenRetrievalError",
    "ProfileNotFound",
    "DefaultCredentialsError",
    "RefreshError",
    "ClientAuthenticationError",
    "CredentialUnavailableError",
}
_CREDENTIAL_CODES = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "InvalidClientTokenId",
    "AuthFailure",
}
_CONNECTION_ERRORS = {
    "EndpointConnectionError",
    "ConnectionClosedError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyConnectionError",
    "ClientConnectorError",
    "ClientConnectorDNSError",
    "ServerDisconnectedError",
    "ServiceRequestError",
    "ServiceResponseError",
    "TransportError",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "TimeoutError",
    "FSTimeoutError",
    "gaierror",
}


class StorageProblem(Exception):
    """An object or a bucket that cannot be read; the text says why and what to do."""


class _Busy(StorageProblem):
    """Somebody puts the same object at this moment."""


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """An object as it was listed. ``version`` changes when its bytes do; None: nobody can tell."""

    url: str
    size_bytes: int
    version: str | None

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


def local_name(stored: StoredObject) -> str:
    """A name for a copy: with the extensions, which say the format; a key may be too long for one."""
    return "".join(("object", *Path(stored.name).suffixes[-2:]))


def is_url(place: str) -> bool:
    return "://" in place


def check_url(url: str) -> None:
    """Raises:
    UserError: the URL cannot be used, or the library that reads it is not installed.
    """
    scheme, _, _ = _parts(url)
    try:
        for module in (_PROVIDERS[scheme][0], "fsspec.core"):
            importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"{url}: reading {scheme}:// needs the extra {_EXTRA}, of which {error.name} is not "
            f"installed; install agentmart[{_EXTRA}]"
        ) from error


@dataclass(frozen=True, kw_only=True)
class ObjectStorage:
    """Reads objects wherever their URLs say, and writes those of S3.

    Args:
        s3_endpoint_url: of an S3-compatible store; None is Amazon's.
    """

    s3_endpoint_url: str | None = None
    _opened: dict[str, Any] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def list_objects(self, url: str) -> list[StoredObject]:
        """The objects below a URL, in order of their URLs.

        Raises:
            StorageProblem: they cannot be listed.
            UserError: the scheme is unknown, or its library is not installed.
        """
        scheme, place, _ = _parts(url)
        files = self._filesystem(url)
        path = _path_of(files, url)
        try:
            found = files.find(path, detail=True)
        except FileNotFoundError as error:
            raise StorageProblem(
                f"{url}: {place} is not there; correct the name, or make it"
            ) from error
        except _errors(scheme) as error:
            raise StorageProblem(f"{url}: {_reason(error, place=place)}") from error
        objects = [
            StoredObject(
                url=f"{url.partition('://')[0]}://{place}/{name.partition('/')[2]}",
                size_bytes=int(details.get("size") or 0),
                version=_version(details),
            )
            for name, details in found.items()
            # Consoles keep an empty object as the mark of a folder.
            if details.get("type") != "directory" and not name.endswith("/")
        ]
        return sorted(objects, key=lambda one: one.url)

    def fetch(self, stored: StoredObject, target: Path) -> str:
        """Copy an object to a local file; the sha256 of its bytes.

        Raises:
            StorageProblem: it cannot be read as it was listed.
            OSError: the local file cannot be written.
        """
        scheme, place, _ = _parts(stored.url)
        digest, size = hashlib.sha256(), 0
        parts = self._parts_of(stored)
        with target.open("wb") as file:
            while True:
                try:
                    part = next(parts, None)
                except FileNotFoundError as error:
                    raise StorageProblem(
                        "vanished after it was listed; deliver it again if it is still wanted"
                    ) from error
                except _errors(scheme) as error:
                    raise StorageProblem(_reason(error, place=place)) from error
                if part is None:
                    break
                digest.update(part)
                size += file.write(part)
        if size != stored.size_bytes:
            raise StorageProblem(
                f"was listed with {stored.size_bytes} bytes and has {size}; it is loaded with the "
                "next run if it was just written"
            )
        return digest.hexdigest()

    def create(self, source: Path, url: str) -> str | None:
        """Put a file where no object is; its version, or None if there is one: of several, one is first.

        Raises:
            StorageProblem: it cannot be put.
            OSError: the local file cannot be read.
        """
        # A put whose answer was lost is sent again and finds what it has made itself.
        writer = uuid.uuid4().hex
        files = self._filesystem(url)
        path = _path_of(files, url)
        for attempt in range(_CONFLICT_TRIES):
            try:
                with self._naming(url):
                    files.put_file(str(source), path, mode="create", Metadata={"writer": writer})
                break
            except FileExistsError:
                with self._naming(url):
                    if files.metadata(path, refresh=True).get("writer") != writer:
                        return None
                break
            except _Busy:
                if attempt == _CONFLICT_TRIES - 1:
                    raise
                time.sleep(_CONFLICT_SECONDS)
        return self.version(url)

    def replace(self, source: Path, url: str) -> str | None:
        """Put a file in the place of whatever object is there; its version.

        Raises:
            StorageProblem: it cannot be put.
            OSError: the local file cannot be read.
        """
        files = self._filesystem(url)
        with self._naming(url):
            files.put_file(str(source), _path_of(files, url))
        return self.version(url)

    def version(self, url: str) -> str | None:
        """The version of an object; None if there is none.

        Raises:
            StorageProblem: nobody can tell.
        """
        files = self._filesystem(url)
        try:
            with self._naming(url):
                return _version(files.info(_path_of(files, url), refresh=True))
        except FileNotFoundError:
            return None

    def read(self, url: str) -> bytes | None:
        """What a small object holds; None if there is none.

        Raises:
            StorageProblem: it cannot be read.
        """
        files = self._filesystem(url)
        try:
            with self._naming(url):
                return bytes(files.cat_file(_path_of(files, url)))
        except FileNotFoundError:
            return None

    def delete(self, url: str) -> None:
        """Remove an object; one that is gone already does no harm.

        Raises:
            StorageProblem: it cannot be removed.
        """
        files = self._filesystem(url)
        with suppress(FileNotFoundError), self._naming(url):
            files.rm_file(_path_of(files, url))

    @contextmanager
    def _naming(self, url: str) -> Iterator[None]:
        """Turn what the provider's library raises into a problem with a reason."""
        scheme, place, _ = _parts(url)
        try:
            yield
        except (FileNotFoundError, FileExistsError) as error:
            if _code(error.__cause__) == "NoSuchBucket":
                raise StorageProblem(
                    f"{place} is not there; correct the name, or make it"
                ) from error
            raise
        except _errors(scheme) as error:
            if _code(error.__cause__) == "ConditionalRequestConflict":
                raise _Busy(f"{url} is being written by others; run again") from error
            reason = _reason(error, place=place)
            raise StorageProblem(reason.replace("list and read", "list, read and write")) from error

    def _parts_of(self, stored: StoredObject) -> Iterator[bytes]:
        files = self._filesystem(stored.url)
        path = _path_of(files, stored.url)
        if stored.size_bytes <= _PART_BYTES:
            yield files.cat_file(path)
            return
        with files.open(path, "rb", block_size=_PART_BYTES, cache_type="none") as file:
            while part := file.read(_PART_BYTES):
                yield part
        files.invalidate_cache(path)
        if _version(files.info(path)) != stored.version:
            raise OSError(errno.EBUSY, "changed")

    def _filesystem(self, url: str) -> Any:
        scheme, place, _ = _parts(url)
        with self._lock:
            # Of Azure the place may name the account.
            known = self._opened.get(f"{scheme}://{place}")
            if known is None:
                known = self._opened[f"{scheme}://{place}"] = self._open(url)
        return known

    def _open(self, url: str) -> Any:
        scheme, place, _ = _parts(url)
        check_url(url)
        core = importlib.import_module("fsspec.core")
        options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
        if scheme == "s3":
            options["endpoint_url"] = self.s3_endpoint_url
            options["config_kwargs"] = {
                "connect_timeout": 10,
                "retries": {"mode": "standard", "total_max_attempts": 3},
            }
        elif scheme == "gs":
            options["access"] = "read_only"
        try:
            files, _ = core.url_to_fs(url, **options)
        except _errors(scheme) as error:
            raise StorageProblem(f"{url}: {_reason(error, place=place)}") from error
        return files


def _parts(url: str) -> tuple[str, str, str]:
    """The scheme by its usual name, the bucket or container, and the key.

    Raises:
        UserError: the URL cannot be used.
    """
    written, _, rest = url.partition("://")
    scheme = _ALIASES.get(written, written)
    if scheme not in _PROVIDERS:
        allowed = ", ".join(f"{known}://" for known in (*_PROVIDERS, *_ALIASES))
        raise UserError(f"{url}: {written}:// cannot be read; use a folder, or one of {allowed}")
    place, _, key = rest.partition("/")
    if not place:
        raise UserError(f"{url}: names no bucket; write {written}://bucket/prefix")
    return scheme, place, key


def _path_of(files: Any, url: str) -> str:
    return str(files._strip_protocol(url))


def _version(details: Mapping[str, Any]) -> str | None:
    for name in ("ETag", "etag", "generation", "LastModified", "last_modified", "updated", "mtime"):
        if details.get(name):
            return str(details[name]).strip('"')
    return None


def _errors(scheme: str) -> tuple[type[Exception], ...]:
    """What the provider's library raises when something is wrong outside of this process."""
    classes: list[type[Exception]] = [OSError]
    for name in _PROVIDERS[scheme][1]:
        module, _, symbol = name.partition(":")
        classes.append(getattr(importlib.import_module(module), symbol))
    return tuple(classes)


def _reason(error: BaseException, *, place: str) -> str:
    """One line for a person: what is wrong, and the fix."""
    chain = list(_chain(error))
    names = {cls.__name__ for one in chain for cls in type(one).__mro__}
    codes = {_code(one) for one in chain}
    said = " ".join(str(error).split()) or type(error).__name__
    if getattr(error, "errno", None) == errno.EBUSY:
        return "was changed while it was read; it is loaded with the next run"
    if names & _CREDENTIAL_ERRORS or codes & _CREDENTIAL_CODES or isinstance(error, ValueError):
        return (
            f"the credentials for {place} are missing or not valid ({said}); set them as the "
            "provider's own tools expect them"
        )
    if names & _CONNECTION_ERRORS:
        return f"{place} cannot be reached ({said}); check the network and the endpoint"
    # gcsfs says so in words only.
    is_forbidden = said.startswith("Forbidden")
    if is_forbidden or "PermissionError" in names or codes & {"403", "401", "AccessDenied"}:
        return f"access is refused ({said}); let the credentials list and read {place}"
    return f"cannot be read ({said}); run again, or look at {place} with the provider's own tools"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _code(error: BaseException | None) -> str:
    """The provider's code of an error: a name with S3, a number with the others."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code"))
    return str(getattr(error, "code", None) or getattr(error, "status_code", None))
