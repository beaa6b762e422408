//! Kinds of addresses that are not on the public internet, by the IANA special-purpose registries
//! (<https://www.iana.org/assignments/iana-ipv4-special-registry>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>) and what AWS puts there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What an address is that is not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What answers for the machine or the container itself, credentials included.
    Metadata,
    /// The machine that asks.
    Loopback,
    /// Of a private network.
    Private,
    /// Of the same link only.
    LinkLocal,
    /// Of a carrier's network.
    Shared,
    /// None of a single host: unspecified, broadcast, multicast.
    Group,
    /// Leads to an IPv4 address that is not seen.
    Translated,
    /// Not to be used.
    Reserved,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "a metadata address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::Shared => "a shared (carrier) address",
            Self::Group => "not an address of one host",
            Self::Translated => "a translated address",
            Self::Reserved => "a reserved address",
        })
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits))
}

const fn v6(a: u16, b: u16, bits: u8) -> IpNet {
    let address = Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0);
    IpNet::V6(Ipv6Net::new_assert(address, bits))
}

/// The first network that has the address tells its kind.
const KINDS: [(IpNet, Kind); 28] = [
    // Of the instance, and of the credentials of ECS tasks.
    (v4(169, 254, 169, 254, 32), Kind::Metadata),
    (v4(169, 254, 170, 2, 32), Kind::Metadata),
    (v4(127, 0, 0, 0, 8), Kind::Loopback),
    (v4(10, 0, 0, 0, 8), Kind::Private),
    (v4(172, 16, 0, 0, 12), Kind::Private),
    (v4(192, 168, 0, 0, 16), Kind::Private),
    (v4(169, 254, 0, 0, 16), Kind::LinkLocal),
    (v4(100, 64, 0, 0, 10), Kind::Shared),
    (v4(0, 0, 0, 0, 8), Kind::Group),
    (v4(224, 0, 0, 0, 4), Kind::Group),
    (v4(240, 0, 0, 0, 4), Kind::Group),
    (v4(192, 0, 0, 0, 24), Kind::Reserved),
    (v4(192, 0, 2, 0, 24), Kind::Reserved),
    (v4(198, 18, 0, 0, 15), Kind::Reserved),
    (v4(198, 51, 100, 0, 24), Kind::Reserved),
    (v4(203, 0, 113, 0, 24), Kind::Reserved),
    // The metadata of an instance is at fd00:ec2::254, its neighbours are services of the same kind.
    (v6(0xfd00, 0xec2, 32), Kind::Metadata),
    (
        IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
        Kind::Loopback,
    ),
    (v6(0xfc00, 0, 7), Kind::Private),
    (v6(0xfe80, 0, 10), Kind::LinkLocal),
    (v6(0, 0, 128), Kind::Group),
    (v6(0xff00, 0, 8), Kind::Group),
    // NAT64 and 6to4.
    (v6(0x64, 0xff9b, 32), Kind::Translated),
    (v6(0x2002, 0, 16), Kind::Translated),
    (v6(0x2001, 0xdb8, 32), Kind::Reserved),
    // Of all the rest, 2000::/3 is in use.
    (v6(0, 0, 3), Kind::Reserved),
    (v6(0x4000, 0, 2), Kind::Reserved),
    (v6(0x8000, 0, 1), Kind::Reserved),
];

/// The kind of an address; none for a public one. An IPv4 address in IPv6 clothes (`::ffff:169.254.169.254`) is the
/// IPv4 address.
pub fn kind(address: IpAddr) -> Option<Kind> {
    let address = address.to_canonical();
    let known = KINDS.iter().find(|(network, _)| network.contains(&address));
    known.map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_told_and_public_addresses_have_none() {
        let cases = [
            ("169.254.169.254", Some(Kind::Metadata)),
            ("169.254.170.2", Some(Kind::Metadata)),
            ("::ffff:169.254.169.254", Some(Kind::Metadata)),
            ("fd00:ec2::254", Some(Kind::Metadata)),
            ("127.8.9.1", Some(Kind::Loopback)),
            ("::1", Some(Kind::Loopback)),
            ("172.31.255.255", Some(Kind::Private)),
            ("172.32.0.0", None),
            ("fd12::1", Some(Kind::Private)),
            ("169.254.1.1", Some(Kind::LinkLocal)),
            ("fe80::1", Some(Kind::LinkLocal)),
            ("100.127.255.255", Some(Kind::Shared)),
            ("100.128.0.0", None),
            ("0.0.0.0", Some(Kind::Group)),
            ("::", Some(Kind::Group)),
            ("255.255.255.255", Some(Kind::Group)),
            ("239.1.2.3", Some(Kind::Group)),
            ("ff02::1", Some(Kind::Group)),
            ("64:ff9b::a00:1", Some(Kind::Translated)),
            ("2002:a00:1::", Some(Kind::Translated)),
            ("2001:db8::1", Some(Kind::Reserved)),
            ("198.19.255.255", Some(Kind::Reserved)),
            ("4000::1", Some(Kind::Reserved)),
            ("a000::1", Some(Kind::Reserved)),
            ("8.8.8.8", None),
            ("2600:1f18::1", None),
        ];
        for (address, expected) in cases {
            assert_eq!(address.parse().map(kind), Ok(expected), "{address}");
        }
    }
}
