//! Networks: an address and how many of its leading bits count.
//!
//! Addresses of the two families never match each other. A text that is no address is in no network.

use std::net::IpAddr;

use crate::Malformed;

/// A network.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    address: IpAddr,
    /// How many leading bits are the network's.
    bits: u32,
}

impl Network {
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        let Some((address, bits)) = text.split_once('/').filter(|(_, bits)| !bits.contains('/')) else {
            return Err(Malformed::new("Malformed CIDR, one '/' required"));
        };
        let bits: u32 = match bits.parse::<i64>() {
            Ok(bits) => u32::try_from(bits)
                .map_err(|_| Malformed::new("Malformed CIDR, mask bits must not be negative"))?,
            Err(_) => return Err(Malformed::new("Malformed CIDR, mask bits must be an integer")),
        };
        let address: IpAddr =
            address.parse().map_err(|_| Malformed::new(format!("Nonstandard IP address: {address}")))?;
        let (family, width) = family(address);
        if bits > width {
            return Err(Malformed::new(format!("{family} mask bits must be <= {width}")));
        }
        Ok(Self { address, bits })
    }

    pub(crate) fn holds(&self, text: &str) -> bool {
        match (self.address, text.parse::<IpAddr>()) {
            (IpAddr::V4(ours), Ok(IpAddr::V4(theirs))) => {
                (u32::from(ours) ^ u32::from(theirs)).leading_zeros() >= self.bits
            }
            (IpAddr::V6(ours), Ok(IpAddr::V6(theirs))) => {
                (u128::from(ours) ^ u128::from(theirs)).leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

fn family(address: IpAddr) -> (&'static str, u32) {
    if address.is_ipv4() { ("IPv4", 32) } else { ("IPv6", 128) }
}
