"""Settings for operators, read once from environment variables: PIXELRNN_* and
REDIS_URL. docs/settings.md is generated from their descriptions."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import NoDecode

from app.access.api_keys import MAX_OPEN_JOBS, MAX_RATE, MIN_RATE, KeyEntry, parse_keys
from app.access.key_file import read_keys_once_written
from app.access.origins import check_origins
from app.webhooks.addresses import Place
from app.webhooks.signatures import key_of
from worker.contract.environment import CommaList, RedisSettings
from worker.contract.keys import MAX_RETENTION_S, MIN_RETENTION_S, RESULT_TTL_S

_HOST_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")
_WEB_ADDRESS = re.compile(
    r"https?://[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?"
)
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+/?")
_SECRET_LENGTH = 32
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _keys(value: object) -> object:
    return parse_keys(value) if isinstance(value, str) else value


def _places(value: object) -> object:
    parts = (
        filter(None, (part.strip() for part in value.split(",")))
        if isinstance(value, str)
        else None
    )
    return value if parts is None else tuple(Place.of(part) for part in parts)


def _signing(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None:
        key_of(secret.get_secret_value())
    return secret


def _host_names(hosts: tuple[str, ...]) -> tuple[str, ...]:
    for host in hosts:
        if not _HOST_NAME.fullmatch(host):
            raise ValueError(
                "expected names of hosts, such as pixels.example, without scheme, port or path"
            )
    return tuple(host.lower() for host in hosts)


def _web_address(url: str) -> str:
    if url and not _WEB_ADDRESS.fullmatch(url):
        raise ValueError(
            "expected an address such as https://pixels.example, or https://pixels.example/path"
        )
    return url.rstrip("/")


def _root_path(path: str) -> str:
    if path and not _ROOT_PATH.fullmatch(path):
        raise ValueError("expected a path such as /pixels")
    return path.rstrip("/")


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


def _long_enough(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None and len(secret) < _SECRET_LENGTH:
        raise ValueError(
            f"expected {_SECRET_LENGTH} characters or more: `openssl rand -hex 32` prints some"
        )
    return secret


def _proxies(proxies: tuple[str, ...]) -> tuple[str, ...]:
    for proxy in proxies:
        if proxy == "*" and len(proxies) > 1:
            raise ValueError("expected * alone, because it is any")
        try:
            ip_network("0.0.0.0" if proxy == "*" else proxy)
        except ValueError:
            raise ValueError(
                "expected addresses or networks, such as 127.0.0.1 or 10.0.0.0/8, or *"
            ) from None
    return proxies


def _readable(path: Path | None) -> Path | None:
    if path is not None:
        read_keys_once_written(path)
    return path


class Settings(RedisSettings):
    """Each field is the environment variable PIXELRNN_<FIELD>."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 = all addresses of this machine."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port to listen on; 0 = any free port."""
    api_keys: Annotated[tuple[KeyEntry, ...], NoDecode, BeforeValidator(_keys)] = ()
    """Who may use the server: NAME:SHA256-OF-THE-KEY, separated by commas (`pixelrnn
    key NAME` makes one). Empty: everybody who can reach it."""
    keys_file: Annotated[
        Path | None, BeforeValidator(_none_if_empty), AfterValidator(_readable)
    ] = None
    """A file with further keys, which may change while the server runs: `pixelrnn keys`
    adds, lists and revokes them, each with an expiry and limits of its own. The same
    for all APIs."""
    keys_stale_s: float = Field(default=600.0, ge=0)
    """Seconds for which the keys of that file stay valid while it cannot be read; 0 =
    without limit."""
    insecure: bool = Field(default=False, validate_default=True)
    """Serve other machines without any key."""
    metrics_open: bool = False
    """Show /metrics without a key even if there are keys, but not through a proxy."""
    origins: Annotated[CommaList[str], AfterValidator(check_origins)] = ()
    """Origins of other web pages that may call the API from a browser, such as
    https://pixels.example, separated by commas; * = all."""
    hosts: Annotated[CommaList[str], AfterValidator(_host_names)] = ()
    """Host names that clients may use for a server without API keys, such as
    pixels.example, separated by commas, besides the one it listens on. Addresses and
    names without a dot are always accepted. Others get 403."""
    public_url: Annotated[str, AfterValidator(_web_address)] = ""
    """URL of this server as clients write it, such as https://pixels.example/pixels,
    for shared links and for links in webhooks. Empty: shared links begin with the URL
    of the request, and webhooks have no links."""
    root_path: Annotated[str, AfterValidator(_root_path)] = ""
    """Path at which a proxy publishes this server, such as /pixels, whether or not the
    proxy removes it from requests."""
    full_jobs: bool = False
    """Show the options of all kinds in each job, as 0.4.0 did; clients generated from
    its description need it. Will be removed in 0.6.0."""
    proxies: Annotated[CommaList[str], AfterValidator(_proxies)] = ("127.0.0.1", "::1")
    """Addresses or networks of trusted proxies, such as 10.0.0.0/8, separated by
    commas; * = any. The address that they send in X-Forwarded-For is the client's, to
    which limits and wrong keys are charged."""
    link_secret: Annotated[
        SecretStr | None, BeforeValidator(_none_if_empty), AfterValidator(_long_enough)
    ] = None
    """Secret that signs the links of `POST /jobs/{id}/links`, which work without a key:
    32 characters or more, such as `openssl rand -hex 32` prints, the same for all APIs.
    Empty: no links. If it changes, earlier links no longer work."""
    webhook_hosts: Annotated[tuple[Place, ...], NoDecode, BeforeValidator(_places)] = ()
    """Hosts that this API may call when a job has ended, such as hooks.example or
    hooks.example:8443, separated by commas; the default port is 443. Empty: a request
    with `webhook` is refused."""
    webhook_secret: Annotated[
        SecretStr | None, BeforeValidator(_none_if_empty), AfterValidator(_signing)
    ] = None
    """Secret that signs webhooks: whsec_ and 24 to 64 bytes in base64, the same for all
    APIs and receivers."""
    mark: bool = True
    """Mark the files of drawn pictures as generated, in the metadata of IPTC. Pixels do
    not depend on it."""
    portable_dir: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None
    """Directory in which workers write models for browsers (their
    PIXELRNN_PORTABLE_DIR), so that the page can also draw in the browser. Empty: no
    models for browsers."""
    portable_open: bool = False
    """Offer models for browsers, with their weights, to everybody even if there are
    keys. Without keys everybody has them."""
    added_dir: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None
    """Directory of the models that are added through the API, shared with the workers
    (their PIXELRNN_ADDED_DIR). Empty: no models can be added."""
    address_models: CommaList[str] = ()
    """Names of the models whose pictures everybody may ask for by address,
    `GET /p/{model}/{name}.png`, separated by commas. With keys, only models that all
    callers see. `pixelrnn up` names the shipped ones if there are no keys."""
    address_mib: int = Field(default=64, ge=0)
    """Most MiB of Redis's memory for pictures by address, apart from the memory for
    jobs. Beyond that the least recently used are deleted; 0 = none is kept."""
    added_mib: int = Field(default=2048, ge=1)
    """Most MiB of all added models, the pictures and checkpoints of trainings, and the
    files in `portable_dir` together."""
    training: Annotated[bool | None, BeforeValidator(_none_if_empty)] = None
    """Accept models, and pictures to train on: with keys from those that have the right
    `train`, else from everybody. Unset: with keys, or if the server listens on this
    machine alone. 0: never."""
    training_minutes: float = Field(default=60.0, gt=0, le=1440)
    """Most minutes of a training."""
    client_rate: float = Field(default=50.0, ge=MIN_RATE, le=MAX_RATE)
    """Jobs per second that one client may submit on average; twice as many at once."""
    client_jobs: int = Field(default=512, ge=1, le=MAX_OPEN_JOBS)
    """Most jobs of one client that are queued or running."""
    queue_jobs: int = Field(default=2048, ge=1)
    """Most jobs that wait in a queue; further requests get 503 with Retry-After."""
    queue_work: int = Field(default=500_000_000, ge=1)
    """Most values (one colour of one pixel) that all open jobs still have to draw;
    further requests get 503."""
    field_pixels: int = Field(default=65_536, ge=1)
    """Most pixels of all pictures of a job together, if they are larger than the
    model's."""
    redis_share: float = Field(default=0.8, gt=0, le=1)
    """Part of Redis's maxmemory that may be used, or of its machine's memory if it has
    none. Memory for the results of accepted jobs is reserved, and a job that would
    exceed this part is refused."""
    asleep: bool = False
    """Accept jobs while no worker runs, for the models that workers served within the
    last day: for workers that are started when jobs wait."""
    asleep_s: float = Field(default=600.0, gt=0)
    """Seconds after which a job that was accepted while no worker ran
    (`PIXELRNN_ASLEEP`) fails if no worker for it has come."""
    fleet_age_s: float = Field(default=0.5, ge=0)
    """Seconds for which the state of workers and queues is cached for checking
    requests."""
    max_streams: int = Field(default=4096, ge=1)
    """Most open event streams, followed pictures, zips, downloads of models and long
    polls of this process."""
    max_upload_bytes: int = Field(default=2 * 1024 * 1024, ge=1024)
    """Most bytes of one uploaded file."""
    pack_after_s: float = Field(default=600.0, ge=0)
    """Seconds after a job's end until its rows are packed into one small value; 0 =
    never. An API of a version that cannot read packed rows shows such a job without
    rows."""
    retention_s: int = Field(
        default=RESULT_TTL_S, ge=MIN_RETENTION_S, le=MAX_RETENTION_S
    )
    """Seconds for which the results of an ended job are kept: the default, and the most
    that a request may ask for. The same for all APIs."""
    redis_budget_s: float = Field(default=3.0, gt=0)
    """Seconds after which a request that waits for Redis gets 503."""
    ping_s: float = Field(default=15.0, gt=0)
    """Seconds between comments on an idle event stream, which keep proxies from closing
    it."""
    receive_s: float = Field(default=60.0, gt=0)
    """Seconds in which a client must send a request with its pictures; its headers must
    arrive in ten seconds."""
    stall_s: float = Field(default=30.0, gt=0)
    """Seconds after which a reader that takes almost nothing is disconnected. It may
    continue with the last id that it has."""
    drain_s: int = Field(default=4, ge=1)
    """Seconds for which a stopping server waits for open requests."""
    access_log: bool = True
    """Log one line for each request."""

    @property
    def public_origin(self) -> str:
        """`public_url` without `root_path`, the beginning of all addresses."""
        return self.public_url.removesuffix(self.root_path)

    @property
    def needs_key(self) -> bool:
        """True if calls need a key."""
        return bool(self.api_keys) or self.keys_file is not None

    @property
    def offers_portable(self) -> bool:
        """True if models for browsers can be fetched without a key."""
        return self.portable_dir is not None and (
            self.portable_open or not self.needs_key
        )

    @field_validator("insecure", mode="after")
    @classmethod
    def _is_not_open_to_all_by_accident(
        cls, insecure: bool, others: ValidationInfo
    ) -> bool:
        host = others.data.get("host")
        has_keys = others.data.get("api_keys", True) or others.data.get(
            "keys_file", True
        )
        if not insecure and host not in LOOPBACK and not has_keys:
            raise ValueError(
                f"host {host} is open to other machines: set PIXELRNN_API_KEYS (`pixelrnn key NAME` makes a key), or "
                "PIXELRNN_INSECURE=true to serve everybody"
            )
        return insecure
