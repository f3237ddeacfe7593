"""Which addresses may be called: one strict reading, and everything that leads inside refused."""

import pytest

from api.delivery.addresses import is_public, mailbox, origin_of, target
from api.delivery.errors import BadAddress

INSIDE = "http://127.0.0.1:9000"


@pytest.mark.parametrize(
    ("address", "host", "port", "path"),
    [
        ("https://example.org", "example.org", 443, "/"),
        ("https://Example.ORG:8443/a/b?c=d&e=%20f", "example.org", 8443, "/a/b?c=d&e=%20f"),
        ("https://example.org?x=1", "example.org", 443, "/?x=1"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "/"),
        ("https://[2606:4700:4700::1111]/hook", "[2606:4700:4700::1111]", 443, "/hook"),
        ("https://8.8.8.8:443/", "8.8.8.8", 443, "/"),
    ],
)
def test_address_is_read_into_what_is_called(address: str, host: str, port: int, path: str) -> None:
    found = target(address, ())
    assert (found.scheme, found.host, found.port, found.path, found.is_inside) == ("https", host, port, path, False)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "example.org",
        "http://example.org/",
        "ftp://example.org/",
        "HTTPS://example.org/",
        "https://",
        "https:///hook",
        "https://example.org:80/",
        "https://example.org:22/",
        "https://example.org:0443444/",
        "https://user:word@example.org/",
        "https://example.org@127.0.0.1/",
        "https://127.0.0.1\\@example.org/",
        "https://example.org#@127.0.0.1/",
        "https://exam ple.org/",
        "https://example.org/\r\nhost: inside",
        "https://example.org/\n",
        " https://example.org/",
        "https://example.org/é",
        "https://bücher.example/",
        "https://example.org/%zz",
        "https://-a.example/",
        f"https://{'a' * 64}.example/",
        f"https://example.org/{'a' * 1_000}",
        "https://127.0.0.1/",
        "https://10.0.0.1:8443/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fd00::1]/",
        "https://[1:2]/",
        INSIDE,
    ],
)
def test_address_that_is_none_or_leads_inside_is_refused_with_a_sentence(address: str) -> None:
    with pytest.raises(BadAddress, match=r"\.$"):
        target(address, ())


def test_operator_allows_an_origin_and_nothing_beside_it() -> None:
    allowed = {origin_of(INSIDE), origin_of("https://hooks.inside")}
    assert target(f"{INSIDE}/any/path", allowed).is_inside
    assert target("https://hooks.inside:443/x", allowed).is_inside
    for other in ("http://127.0.0.1:9001/", "https://127.0.0.1:9000/", "http://127.0.0.2:9000/", "http://127.0.0.1/"):
        with pytest.raises(BadAddress):
            target(other, allowed)


@pytest.mark.parametrize(
    "address",
    # IANA's special-purpose registries, and what wraps an address of IPv4 into one of IPv6
    [
        "0.0.0.0",  # noqa: S104 - an address that is refused
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_addresses_that_lead_inside_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450::1"])
def test_addresses_that_are_given_out_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", ["team@example.org", "first.last+kpi@mail.example.co"])
def test_mailbox_is_taken(address: str) -> None:
    assert mailbox(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "team",
        "team@localhost",
        "team@example.org\r\nBcc: all@example.org",
        "team@example.org\n",
        "a@example.org,b@example.org",
        "Team <team@example.org>",
        "a b@example.org",
        '"a"@example.org',
        f"{'a' * 65}@example.org",
        f"a@{'b.' * 130}org",
    ],
)
def test_what_is_not_one_mailbox_is_refused(address: str) -> None:
    with pytest.raises(BadAddress):
        mailbox(address)
