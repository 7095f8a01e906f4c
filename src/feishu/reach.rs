//! From a host's name to a TCP connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use super::REACH_TIMEOUT;

/// The longest time for one of several addresses.
const ONE_ADDRESS: Duration = Duration::from_secs(3);

/// TCP to the host, trying its addresses in turn; an address that swallows packets costs a few seconds only.
pub(super) async fn dial(url: &Url) -> io::Result<TcpStream> {
    timeout(REACH_TIMEOUT, try_all(url)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn try_all(url: &Url) -> io::Result<TcpStream> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(443);
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    let mut last = io::Error::other("the host has no address");
    for address in families_alternating(&found) {
        match timeout(ONE_ADDRESS, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

/// The addresses in the system's order, but with IPv4 and IPv6 by turns: one of them is often broken as a whole.
fn families_alternating(found: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = found.first() else { return Vec::new() };
    let (preferred, other): (Vec<_>, Vec<_>) =
        found.iter().copied().partition(|address| address.is_ipv4() == first.is_ipv4());
    let mut ordered = Vec::with_capacity(found.len());
    for place in 0..found.len() {
        ordered.extend(preferred.get(place));
        ordered.extend(other.get(place));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_alternate_between_the_families() {
        let of = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let found = of(&["[::1]:1", "[::2]:1", "1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1"]);
        let expected = of(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "3.3.3.3:1"]);
        assert_eq!(families_alternating(&found), expected);
        assert_eq!(families_alternating(&[]), []);
    }
}
