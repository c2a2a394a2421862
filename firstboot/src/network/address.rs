//! Addresses and routes as people write them on the command line.

use std::net::IpAddr;

use contract::network::{Cidr, Route};

/// Reads `DESTINATION via GATEWAY metric N onlink`, each part but the first optional; `default` is everywhere.
pub fn parse_route(text: &str) -> Result<Route, String> {
    let mut words = text.split_whitespace();
    let written = words.next().ok_or("a route begins with its destination")?;
    let (mut gateway, mut metric, mut on_link) = (None, None, false);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("'{word}' needs a value"));
        match word {
            "via" => gateway = Some(parse_address(value()?)?),
            "metric" => metric = Some(value()?.parse().map_err(|_| "a metric is a whole number".to_owned())?),
            "onlink" | "on-link" => on_link = true,
            _ => return Err(format!("'{word}' is not known; DESTINATION via GATEWAY metric N onlink is")),
        }
    }
    let destination = destination(written, gateway)?;
    Ok(Route { metric, on_link, ..Route::new(destination, gateway) })
}

fn destination(written: &str, gateway: Option<IpAddr>) -> Result<Cidr, String> {
    if written == "default" {
        return Ok(Cidr::default_route(gateway.ok_or("a default route needs 'via GATEWAY'")?));
    }
    let result = if written.contains('/') { written.parse() } else { single(parse_address(written)?) };
    let cidr: Cidr = result.map_err(|error| error.to_string())?;
    if cidr.network() != cidr {
        return Err(format!("{cidr} is no network; perhaps {} is meant", cidr.network()));
    }
    Ok(cidr)
}

fn single(address: IpAddr) -> Result<Cidr, contract::network::CidrError> {
    Cidr::new(address, if address.is_ipv4() { 32 } else { 128 })
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("'{text}' is no IPv4 or IPv6 address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read() {
        let route = parse_route("default via 192.0.2.1 metric 5 onlink").expect("a route");
        assert_eq!(
            (route.destination.to_string().as_str(), route.metric, route.on_link),
            ("0.0.0.0/0", Some(5), true)
        );
        assert_eq!(
            parse_route("2001:db8::1 via fe80::1").expect("a route").destination.to_string(),
            "2001:db8::1/128"
        );
        for (text, wanted) in [
            ("", "destination"),
            ("default", "needs 'via"),
            ("10.0.0.1/8 via 10.0.0.1", "perhaps 10.0.0.0/8"),
            ("10.0.0.0/8 by 10.0.0.1", "not known"),
            ("10.0.0.0/8 via", "needs a value"),
            ("10.0.0.0/8 metric x", "whole number"),
            ("$(reboot)", "no IPv4"),
        ] {
            let error = parse_route(text).expect_err(text);
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
