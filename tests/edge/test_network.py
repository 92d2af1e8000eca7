"""From where requests may come, and who sent them: rules, proxies, countries, hosts; over real sockets where bytes matter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from reconciler.core.errors import Usage
from reconciler.edge.asgi import Receive, Scope, Send
from reconciler.edge.blocked import Blocked
from reconciler.edge.countries import open_countries
from reconciler.edge.headers import HeadersMiddleware
from reconciler.edge.hosts import HostsMiddleware
from reconciler.edge.network import NetworkMiddleware, NetworkRules, network_rules
from reconciler.edge.network_spec import NetworkSpec
from reconciler.edge.networks import Networks, networks_of, plain_address, plain_network
from reconciler.edge.proxies import MOST_HOPS, MOST_NAMES, Garbage, Harmless, client_behind, is_told
from reconciler.edge.scope import PEER, PeerAddress
from tests.server.serving import Recorder, Served, served

PROXY, STRANGER = "127.0.0.2", "127.0.0.3"


class Place:
    """A server with rules, what reached the application, and what was told of the rest."""

    def __init__(self, server: Served, app: Recorder, told: list[Blocked]) -> None:
        self.server, self.app, self.told = server, app, told

    def ask(self, *headers: str, source: str = "127.0.0.1") -> int:
        return self.server._replace(source=source).ask("/", *headers).status

    def client(self) -> str:
        return str(self.app.scopes[-1]["reconciler.peer"].ip)


@contextmanager
def place(spec: dict[str, Any], country: Callable[[Any], str] | None = None) -> Iterator[Place]:
    app, told = Recorder(), list[Blocked]()
    rules = network_rules(NetworkSpec.model_validate(spec), country)
    with served(HeadersMiddleware(NetworkMiddleware(app, rules, observe=told.append))) as server:
        yield Place(server, app, told)


@pytest.fixture(scope="module")
def behind() -> Iterator[Place]:
    """Behind a proxy at PROXY, and others of 10.0.0.0/8."""
    with place({"trusted_proxies": [PROXY, "10.0.0.0/8"]}) as one:
        yield one


def test_a_strangers_word_about_its_address_is_not_taken(behind: Place) -> None:
    hops = ",".join(["::"] * 5000)
    for said in ("8.8.8.8", "8.8.8.8:80", "fe80::1%eth0", "<script>alert(1)</script>", hops, "127.0.0.1"):
        assert behind.ask(f"X-Forwarded-For: {said}", source=STRANGER) == 200
        assert behind.client() == STRANGER
        assert behind.app.scopes[-1]["client"][0] == STRANGER
        assert b"x-forwarded-for" not in dict(behind.app.scopes[-1]["headers"])


def test_a_trusted_proxys_word_is_taken_from_the_right(behind: Place) -> None:
    for said, client in {
        "203.0.113.7": "203.0.113.7",
        "198.51.100.1, 203.0.113.7": "203.0.113.7",
        "198.51.100.1, 203.0.113.7, 10.1.1.1": "203.0.113.7",
        "10.9.9.9, 10.1.1.1": "10.9.9.9",
        "203.0.113.7:52011": "203.0.113.7",
        "[2001:db8::7]:443": "2001:db8::7",
        "2001:db8::7": "2001:db8::7",
        "::ffff:203.0.113.7": "203.0.113.7",
        "198.51.100.1, ::ffff:203.0.113.7, ::ffff:10.1.1.1": "203.0.113.7",
        "\t203.0.113.7 ": "203.0.113.7",
    }.items():
        assert behind.ask(f"X-Forwarded-For: {said}", source=PROXY) == 200, said
        assert behind.client() == client
        assert behind.app.scopes[-1]["client"] == (client, 0)
    assert behind.ask("X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 203.0.113.7", source=PROXY) == 200
    assert behind.client() == "203.0.113.7", "two lines are one list"
    longest = ", ".join(["203.0.113.7"] + ["10.1.1.1"] * (MOST_HOPS - 1))
    assert behind.ask(f"X-Forwarded-For: {longest}", source=PROXY) == 200
    assert behind.client() == "203.0.113.7"
    assert behind.ask(source=PROXY) == 200
    assert behind.client() == PROXY, "it asks for itself"


def test_the_same_word_of_two_proxies_is_each_ones_own_and_a_strangers_is_none() -> None:
    peers: list[PeerAddress] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        peers.append(scope[PEER])

    guarded = NetworkMiddleware(app, network_rules(NetworkSpec(trusted_proxies=(PROXY, "127.0.0.4"))))
    hops = [b"203.0.113.7", b"203.0.113.7" + b" " * 300]  # of which the second is too long to be remembered
    for said, host in 2 * list(product(hops, (PROXY, "127.0.0.4", STRANGER))):
        scope = {"type": "http", "scheme": "http", "client": (host, 1), "headers": [(b"x-forwarded-for", said)]}
        asyncio.run(guarded(scope, nothing, nothing))
    client = ip_address("203.0.113.7")
    each = [PeerAddress(client, (PROXY,)), PeerAddress(client, ("127.0.0.4",)), PeerAddress(ip_address(STRANGER))]
    assert peers == 4 * each
    assert {peer.site for peer in peers} == {b"i\xcb\x00\x71\x07", b"i\x7f\x00\x00\x03"}


async def nothing(*_: object) -> Any:
    raise AssertionError("nobody asks or answers")


def test_what_no_proxy_writes_is_malformed(behind: Place) -> None:
    before = len(behind.app.scopes)
    for said in (
        *("", ",", "203.0.113.7,", "unknown", "_hidden", "localhost", "<script>", "fe80::1%eth0", "[fe80::1%25eth0]"),
        *("203.0.113", "203.0.113.7.8", "0203.0.113.7", "0xcb.0.113.7", "3405803783", "203.0.113.7:x", "203.0.113.7:123456"),
        *("[203.0.113.7", "2001:db8::7::", "203.0.113.7/24", "for=203.0.113.7", "203.0.113.7;x", "\xff", "1" * 65),
        ", ".join(["10.1.1.1"] * (MOST_HOPS + 1)),
        ",".join(["::"] * 5000),
    ):
        assert behind.ask(f"X-Forwarded-For: {said}", source=PROXY) == 400, said
    assert behind.ask("X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: gopher", source=PROXY) == 400
    assert len(behind.app.scopes) == before
    assert {one.status for one in behind.told} == {400}


def test_the_scheme_that_a_trusted_proxy_was_asked_in_counts_and_no_strangers(behind: Place) -> None:
    answer = behind.server._replace(source=PROXY).ask("/", "X-Forwarded-Proto: https")
    assert behind.app.scopes[-1]["scheme"] == "https"
    assert "strict-transport-security" in answer.headers
    answer = behind.server._replace(source=STRANGER).ask("/", "X-Forwarded-Proto: https")
    assert behind.app.scopes[-1]["scheme"] == "http"
    assert "strict-transport-security" not in answer.headers


IDENTITY = (
    *("X-Forwarded-User", "X_Forwarded_User", "X-Forwarded-Client-Cert", "X-Client-Cert", "X-SSL-Client-Verify", "SSL-Client-Cert"),
    *(
        "X-Remote-User",
        "Remote-User",
        "X-Auth-Request-Email",
        "X-Real-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "Forwarded",
        "Client-Cert",
    ),
    *("X-Amzn-Oidc-Identity", "X-Goog-Authenticated-User-Email", "X-MS-CLIENT-PRINCIPAL-NAME", "Tailscale-User-Login", "X-Original-URL"),
    *("X-Rewrite-URL", "X-HTTP-Method-Override", "Proxy"),
)


def test_identity_that_a_stranger_sends_is_taken_out_and_the_rest_is_left(behind: Place) -> None:
    kept = ("X-Vault-Token: t", "Authorization: Bearer t", "User-Agent: x", "X-Hub-Signature-256: sha256=0", "X-Request-Id: 1")
    assert behind.ask(*(f"{name}: admin" for name in IDENTITY), *kept, source=STRANGER) == 200
    names = {name.decode() for name, _ in behind.app.scopes[-1]["headers"]}
    assert names == {"host", "connection", "x-vault-token", "authorization", "user-agent", "x-hub-signature-256", "x-request-id"}
    assert behind.ask("X-Forwarded-User: ann", source=PROXY) == 200
    assert b"x-forwarded-user" in dict(behind.app.scopes[-1]["headers"]), "a trusted proxy may say it"


def test_denied_and_allowed_networks() -> None:
    with place({"deny": ["127.0.0.3"]}) as one:
        assert (one.ask(source="127.0.0.3"), one.ask(source="127.0.0.4")) == (403, 200)
    with place({"allow": ["127.0.0.0/30"], "deny": ["127.0.0.2"]}) as one:
        assert [one.ask(source=f"127.0.0.{last}") for last in (1, 2, 3, 4)] == [200, 403, 200, 403]
        assert [str(told.address) for told in one.told] == ["127.0.0.2", "127.0.0.4"]


def test_denied_networks_are_looked_for_behind_proxies_too() -> None:
    with place({"trusted_proxies": [PROXY], "deny": ["203.0.113.0/24"]}) as one:
        assert one.ask("X-Forwarded-For: ::ffff:203.0.113.9", source=PROXY) == 403
        assert one.ask("X-Forwarded-For: 203.0.113.9", source=STRANGER) == 200, "it is 127.0.0.3 all the same"


def test_plain_text_is_taken_from_loopback_and_trusted_proxies_alone() -> None:
    async def said(client: str, scheme: str, **options: bool) -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        rules = NetworkRules(proxies=networks_of(["10.0.0.0/8"]))
        scope = {"type": "http", "scheme": scheme, "client": (client, 1), "headers": [], "path": "/", "method": "GET"}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"status": 200})

        await NetworkMiddleware(app, rules, **options)(scope, lambda: None, send)  # type: ignore[arg-type, return-value]  # nothing is received
        return int(sent[0]["status"])

    def status(client: str, scheme: str, **options: bool) -> int:
        return asyncio.run(said(client, scheme, **options))

    assert status("203.0.113.7", "http") == 403
    assert status("203.0.113.7", "https") == 200
    assert status("203.0.113.7", "http", plaintext=True) == 200
    assert status("10.1.1.1", "http") == status("127.0.0.1", "http") == status("::1", "http") == 200
    assert status("::ffff:203.0.113.7", "http") == 403
    assert status("fe80::1%eth0", "https") == 200
    assert status("unix", "https") == 400, "who is not known is nobody"


@pytest.fixture
def countries(tmp_path: Path) -> Path:
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Test-Country")
    for network, code in (("203.0.113.0/24", "KP"), ("8.8.8.0/24", "US"), ("2a00::/16", "DE"), ("9.9.9.0/24", None)):
        writer.insert_network(IPSet([network]), {"country": {"iso_code": code}} if code else {"continent": {"code": "EU"}})
    writer.to_db_file(str(tmp_path / "countries.mmdb"))
    return tmp_path / "countries.mmdb"


def verdicts(spec: dict[str, Any], path: Path, *addresses: str) -> list[str]:
    rules = network_rules(NetworkSpec.model_validate(spec), open_countries(path))
    return [rules.wrong_with(plain_address(text)) for text in addresses]


def test_countries_are_denied_or_alone_allowed(countries: Path) -> None:
    denied, unknown = "its country (US) is denied", "its country is not known"
    addresses = ("8.8.8.8", "::ffff:8.8.8.8", "2a00::1", "1.1.1.1", "9.9.9.9", "10.0.0.1", "::1")
    assert verdicts({"deny_countries": ["US"]}, countries, *addresses) == [denied, denied, "", unknown, unknown, "", ""]
    lenient = verdicts({"deny_countries": ["US"], "unknown_country": "allow"}, countries, *addresses)
    assert lenient == [denied, denied, "", "", "", "", ""]
    others = "its country (US) is not among those allowed"
    assert verdicts({"allow_countries": ["DE"]}, countries, *addresses) == [others, others, "", unknown, unknown, "", ""]


def test_private_addresses_are_a_rule_of_their_own(countries: Path) -> None:
    rules = {"allow_countries": ["DE"], "private": "deny"}
    inside = ("10.0.0.1", "192.168.1.1", "127.0.0.1", "100.64.0.1", "169.254.1.1", "fd00::1", "fe80::1", "::1", "::ffff:10.0.0.1")
    assert set(verdicts(rules, countries, *inside)) == {"it belongs to no country, and private addresses are denied"}
    assert set(verdicts({"deny_countries": ["US"]}, countries, *inside)) == {""}


def test_countries_count_behind_proxies(countries: Path) -> None:
    with place({"trusted_proxies": [PROXY], "deny_countries": ["US"]}, open_countries(countries)) as one:
        assert one.ask("X-Forwarded-For: 8.8.8.8", source=PROXY) == 403
        assert one.ask("X-Forwarded-For: 2a00::1", source=PROXY) == 200


def test_countries_without_a_database_are_no_start(tmp_path: Path) -> None:
    with pytest.raises(Usage, match="no database"):
        network_rules(NetworkSpec(deny_countries=("KP",)))
    with pytest.raises(Usage, match="can be read"):
        open_countries(tmp_path / "absent.mmdb")
    (tmp_path / "text.mmdb").write_text("no database")
    with pytest.raises(Usage, match="can be read"):
        open_countries(tmp_path / "text.mmdb")
    MMDBWriter(database_type="Test-ASN").to_db_file(str(tmp_path / "asn.mmdb"))
    with pytest.raises(Usage, match="not of countries"):
        open_countries(tmp_path / "asn.mmdb")


@pytest.fixture(scope="module")
def named() -> Iterator[tuple[Served, Recorder]]:
    app = Recorder()
    with served(HostsMiddleware(app, ["reconciler.example.com", "10.0.0.5"])) as server:
        yield server, app


def host_status(server: Served, *lines: bytes, version: bytes = b"1.1") -> int:
    raw = server.send(b"\r\n".join((b"GET / HTTP/" + version, *lines, b"Connection: close", b"", b"")))
    return int(raw.split(b" ")[1])


def test_only_hosts_of_ours_are_answered(named: tuple[Served, Recorder]) -> None:
    server, app = named
    port = b"%d" % server.port
    for host in (
        *(b"reconciler.example.com", b"RECONCILER.Example.COM", b"reconciler.example.com:8443", b"10.0.0.5", b"10.0.0.5:1"),
        *(b"127.0.0.1:" + port, b"localhost", b"localhost:" + port, b"[::ffff:127.0.0.1]"),
    ):
        assert host_status(server, b"Host: " + host) == 200, host
    answered = len(app.scopes)
    for host in (
        *(b"example.com", b"reconciler.example.com.evil.com", b"evil-reconciler.example.com", b"xreconciler.example.com", b"127.0.0.2"),
        *(b"169.254.169.254", b"10.0.0.6", b"[::1]", b"reconciler.example.com.", b"localhost.evil.com"),
    ):
        assert host_status(server, b"Host: " + host) == 421, host
    for host in (
        *(b"", b"a b", b"reconciler.example.com:x", b"reconciler.example.com:999999", b"user@reconciler.example.com", b"a/b", b"a," + b"b"),
        *(b"reconciler.example.com\\@evil.com", b"\xff", b"x" * 300, b"[::1", b"::1"),
    ):
        assert host_status(server, b"Host: " + host) == 400, host
    assert host_status(server, b"Host: evil.com", b"X-Forwarded-Host: reconciler.example.com") == 421
    assert host_status(server, version=b"1.0") == 400
    assert len(app.scopes) == answered


def test_servers_that_let_two_hosts_through_are_no_way_round() -> None:
    assert passed([(b"host", b"a.example"), (b"host", b"a.example")]) == 400
    assert passed([(b"host", b"a.example"), (b"host", b"b.example")]) == 400
    assert passed([(b"host", b"a.example")]) == 200


def passed(headers: list[tuple[bytes, bytes]]) -> int:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"status": 200})

    async def nothing() -> Any:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "headers": headers, "server": ("127.0.0.1", 1), "path": "/"}
    asyncio.run(HostsMiddleware(app, ["a.example"])(scope, nothing, send))
    return int(sent[0]["status"])


addresses = st.ip_addresses()


@given(addresses, st.lists(st.one_of(addresses, st.ip_addresses(v=4))), st.lists(st.tuples(addresses, st.integers(0, 128))))
def test_networks_hold_what_python_says_they_hold(ip: Any, others: list[Any], wide: list[tuple[Any, int]]) -> None:
    networks = [ip_network((one, min(prefix, one.max_prefixlen)), strict=False) for one, prefix in wide]
    compiled = Networks(networks)
    for one in (ip, *others, *(network[0] for network in networks), *(network[-1] for network in networks)):
        assert (one in compiled) == any(one.version == network.version and one in network for network in networks)


@given(st.ip_addresses(v=4))
def test_an_address_has_one_spelling(ip: Any) -> None:
    assert plain_address(f"::ffff:{ip}") == plain_address(str(ip)) == ip
    assert plain_network(f"::ffff:{ip}/128") == plain_network(f"{ip}/32")


@given(st.lists(st.one_of(st.binary(max_size=40), st.ip_addresses().map(lambda ip: str(ip).encode())), max_size=20))
def test_any_word_of_a_proxy_is_an_address_that_it_named_or_garbage(lines: list[bytes]) -> None:
    direct = ip_address("10.0.0.1")
    try:
        peer = client_behind(direct, lines, networks_of(["10.0.0.0/8"]))
    except Garbage:
        return
    if not lines:
        assert peer.ip == direct
        return
    hops = [part.strip(b" \t").decode() for line in lines for part in line.split(b",")]
    assert len(hops) <= MOST_HOPS
    assert peer.ip in {ip_address(hop.strip("[]")) for hop in hops} | {plain_address(hop.strip("[]")) for hop in hops}


@given(
    st.lists(st.ip_addresses().map(str), min_size=1, max_size=6),
    st.lists(st.integers(0, 255), min_size=1, max_size=6),
)
def test_what_a_client_writes_before_its_own_address_never_counts(forged: list[str], chain: list[int]) -> None:
    trusted = networks_of(["10.0.0.0/8"])
    line = ", ".join([*forged, "203.0.113.7", *(f"10.0.0.{last}" for last in chain)])
    assert client_behind(ip_address("10.0.0.1"), [line.encode()], trusted).ip == ip_address("203.0.113.7")


@given(st.text(st.sampled_from("abcdefxyz-_"), max_size=30))
def test_underscores_are_no_way_round(name: str) -> None:
    assert is_told(name.encode()) == is_told(name.replace("_", "-").encode())


@given(st.lists(st.binary(min_size=1, max_size=20).map(bytes.lower), max_size=50))
def test_headers_that_were_seen_do_not_hide_others(names: list[bytes]) -> None:
    harmless = Harmless()
    for _ in range(2):
        assert harmless.all(names) == (not any(map(is_told, names)))
        assert not harmless.all([*names, b"x-forwarded-user"])


def test_strangers_fill_no_memory_with_names_of_headers() -> None:
    harmless = Harmless()
    for number in range(5000):
        assert harmless.all([b"x-%d" % number, b"x" * 10_000])
    assert len(harmless._names) <= MOST_NAMES
    assert not harmless.all([b"x-1", b"x-real-ip"])
