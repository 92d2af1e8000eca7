"""Where a Vault or OpenBao server is, and how to reach it: a frozen value that the caller makes from its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from ...core.errors import BackendError

if TYPE_CHECKING:
    import ssl

_TRUE = {"1", "t", "true", "yes", "on"}


class Tls(NamedTuple):
    """How the server is verified and how we show who we are. Paths to PEM files; empty means the system's own."""

    ca_cert: str = ""
    ca_path: str = ""
    client_cert: str = ""
    client_key: str = ""
    server_name: str = ""
    skip_verify: bool = False


class Proxy(NamedTuple):
    """An HTTP proxy. `authorization` is the value of its header, empty without one."""

    host: str
    port: int
    authorization: str = ""

    def __repr__(self) -> str:
        # Proxy URLs carry passwords; a repr ends up in logs.
        return f"Proxy({self.host}:{self.port})"


class Host(NamedTuple):
    """One server as a socket sees it."""

    secure: bool
    name: str
    port: int

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return f"{'https' if self.secure else 'http'}://{name}:{self.port}"

    @property
    def header(self) -> str:
        """The value of the Host header: without the scheme's own port."""
        return str(self).partition("://")[2].removesuffix(":443" if self.secure else ":80")


class Connection(NamedTuple):
    """One instance: its address, the namespace all others are relative to, TLS and proxy."""

    address: str
    namespace: str = ""
    tls: Tls = Tls()
    proxy: Proxy | None = None
    run: str = ""
    """Sent as X-Correlation-Id: servers that are told to keep it in their audit log say there which run a request was of."""

    @property
    def host(self) -> Host:
        return parse_host(self.address)


def parse_host(address: str) -> Host:
    """Read `https://vault.example.com:8200`. Raises BackendError with what is wrong."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise BackendError(f"Vault address {address!r} is not a URL: {error} (write https://HOST:8200)") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BackendError(f"Vault address {address!r} must start with https:// or http:// and name a host (write https://HOST:8200)")
    if parts.username is not None or parts.query or parts.fragment or parts.path.strip("/"):
        raise BackendError(f"Vault address of host {parts.hostname!r} must be scheme, host and port only (write https://HOST:8200)")
    secure = parts.scheme == "https"
    return Host(secure, parts.hostname, port or (443 if secure else 80))


def connection_from(environ: Mapping[str, str], address: str = "", namespace: str | None = None) -> Connection:
    """Fill in what an environment file leaves out from BAO_* and VAULT_* (in this order), HTTPS_PROXY and NO_PROXY."""

    def said(name: str) -> str:
        return environ.get(f"BAO_{name}") or environ.get(f"VAULT_{name}") or ""

    address = address or said("ADDR")
    if not address:
        raise BackendError("no Vault address (set VAULT_ADDR or write `address` in desired-state/environments)")
    tls = Tls(
        ca_cert=said("CACERT"),
        ca_path=said("CAPATH"),
        client_cert=said("CLIENT_CERT"),
        client_key=said("CLIENT_KEY"),
        server_name=said("TLS_SERVER_NAME"),
        skip_verify=said("SKIP_VERIFY").strip().lower() in _TRUE,
    )
    chosen = said("NAMESPACE") if namespace is None else namespace
    proxy = proxy_from(environ, parse_host(address), said("PROXY_ADDR") or said("HTTP_PROXY"))
    return Connection(address, chosen.strip("/"), tls, proxy)


def proxy_from(environ: Mapping[str, str], host: Host, explicit: str = "") -> Proxy | None:
    """Choose the proxy for a host as curl does: HTTPS_PROXY or HTTP_PROXY, ALL_PROXY, but for what NO_PROXY names."""
    scheme = "https" if host.secure else "http"
    # Upper-case HTTP_PROXY can be set by a client of a CGI script ("httpoxy"); all tools therefore refuse it there.
    cgi = scheme == "http" and "REQUEST_METHOD" in environ
    named = environ.get(f"{scheme}_proxy") or ("" if cgi else environ.get(f"{scheme.upper()}_PROXY", ""))
    url = explicit or named or environ.get("all_proxy") or environ.get("ALL_PROXY") or ""
    if not url or (not explicit and _direct(host, environ.get("no_proxy") or environ.get("NO_PROXY") or "")):
        return None
    return _parse_proxy(url)


def _direct(host: Host, no_proxy: str) -> bool:
    """Say whether NO_PROXY leaves this host out: names and their subdomains, host:port, networks, "*"; loopback always is."""
    import ipaddress  # only where a proxy is set

    try:
        number = ipaddress.ip_address(host.name)
    except ValueError:
        number = None
    if host.name == "localhost" or (number and number.is_loopback):
        return True
    for entry in (part.strip().lower() for part in no_proxy.split(",")):
        name = entry.removesuffix(f":{host.port}").lstrip(".")
        if entry == "*" or (name and (host.name == name or host.name.endswith(f".{name}"))):
            return True
        if number and "/" in entry:
            try:
                if number in ipaddress.ip_network(entry, strict=False):
                    return True
            except ValueError:
                continue
    return False


def _parse_proxy(url: str) -> Proxy:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise BackendError("the proxy for Vault must be http://HOST:PORT (check HTTPS_PROXY, or set NO_PROXY for this host)")
    authorization = ""
    if parts.username is not None:
        from base64 import b64encode

        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + b64encode(pair.encode()).decode()
    return Proxy(parts.hostname, parts.port or 80, authorization)


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Build the context that every connection shares. Raises BackendError when a file cannot be used."""
    import ssl  # only where the address is https: plain loopback plans start faster

    try:
        context = ssl.create_default_context(cafile=tls.ca_cert or None, capath=tls.ca_path or None)
    except (OSError, ssl.SSLError) as error:
        raise BackendError(f"the CA bundle {tls.ca_cert or tls.ca_path!r} cannot be used: {_reason(error)} (check VAULT_CACERT)") from None
    if tls.client_cert:
        try:
            context.load_cert_chain(tls.client_cert, tls.client_key or None)
        except (OSError, ssl.SSLError) as error:
            what = f"the client certificate {tls.client_cert!r} cannot be used: {_reason(error)}"
            raise BackendError(f"{what} (check VAULT_CLIENT_CERT and VAULT_CLIENT_KEY)") from None
    if tls.skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: OSError) -> str:
    return (error.strerror or error.__class__.__name__) if error.errno else (getattr(error, "reason", "") or "not PEM")
