//! Host names: the machine's `/etc/hosts`, then its name servers (RFC 1035, over UDP).
//!
//! A static program cannot load the modules by which the C library looks names up, so it asks itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, TYPE};

use crate::place::Place;
use crate::random;

/// How long a name server may take, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(2);
const TRIES: usize = 2;

/// How names are found.
#[derive(Debug, Clone, Default)]
pub struct Names {
    hosts: String,
    servers: Vec<IpAddr>,
    search: Vec<String>,
    /// The port of name servers, which tests change.
    port: Option<u16>,
}

impl Names {
    /// Reads how the machine finds names. What is not there is not asked.
    pub fn of(place: &Place) -> Self {
        let text = |path| place.read(path).ok().flatten().unwrap_or_default();
        let (hosts, settings) = (text("/etc/hosts"), text("/etc/resolv.conf"));
        let mut names = Self { hosts, ..Self::default() };
        for line in settings.lines() {
            let mut words = line.split(['#', ';']).next().unwrap_or_default().split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    names.servers.extend(words.next().and_then(|word| word.parse::<IpAddr>().ok()))
                }
                Some("search") => names.search = words.map(str::to_owned).collect(),
                _ => {}
            }
        }
        names
    }

    /// The addresses of a name.
    ///
    /// # Errors
    ///
    /// When nobody knows it.
    pub fn find(&self, name: &str) -> Result<Vec<IpAddr>> {
        let listed = self.listed(name);
        if !listed.is_empty() {
            return Ok(listed);
        }
        let searched = self.search.iter().map(|domain| format!("{name}.{domain}"));
        let mut last = None;
        for full in std::iter::once(name.to_owned()).chain(searched) {
            for server in &self.servers {
                match self.ask(*server, &full) {
                    Ok(found) if !found.is_empty() => return Ok(found),
                    Ok(_) => {}
                    Err(error) => last = Some(error),
                }
            }
        }
        let asked: Vec<String> = self.servers.iter().map(ToString::to_string).collect();
        let told = last.map(|error| format!(": {error:#}")).unwrap_or_default();
        anyhow::bail!(
            "nobody knows the name '{name}': not /etc/hosts, nor the name servers ({}){told}",
            asked.join(", ")
        )
    }

    fn listed(&self, name: &str) -> Vec<IpAddr> {
        let of_line = |line: &str| {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let address = words.next()?.parse::<IpAddr>().ok()?;
            words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
        };
        self.hosts.lines().filter_map(of_line).collect()
    }

    /// Asks one server for addresses of both families.
    fn ask(&self, server: IpAddr, name: &str) -> Result<Vec<IpAddr>> {
        let here: SocketAddr = match server {
            IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(here).context("making a socket")?;
        socket.connect((server, self.port.unwrap_or(53))).with_context(|| format!("asking {server}"))?;
        socket.set_read_timeout(Some(PATIENCE)).context("setting up a socket")?;
        let mut found = Vec::new();
        for kind in [TYPE::A, TYPE::AAAA] {
            let id = u16::from_be_bytes(random::bytes()?);
            let mut query = Packet::new_query(id);
            query.set_flags(PacketFlag::RECURSION_DESIRED);
            let name = Name::new(name).with_context(|| format!("'{name}' is no name for a name server"))?;
            query.questions.push(Question::new(name, kind.into(), CLASS::IN.into(), false));
            let query = query.build_bytes_vec().context("writing the question")?;
            let answer = exchange(&socket, &query, id).with_context(|| format!("asking {server}"));
            match answer
                .and_then(|bytes| addresses(&bytes).with_context(|| format!("reading what {server} says")))
            {
                Ok(addresses) => found.extend(addresses),
                // One family that is known is enough.
                Err(_) if !found.is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

/// Asks until the answer of this number comes; a question that was asked twice has two, and the second one may come late.
fn exchange(socket: &UdpSocket, query: &[u8], id: u16) -> Result<Vec<u8>> {
    let mut buffer = vec![0; 4096];
    let mut last = None;
    for _ in 0..TRIES {
        socket.send(query).context("sending the question")?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match socket.recv(&mut buffer) {
                Ok(count) if buffer[..count].starts_with(&id.to_be_bytes()) => {
                    buffer.truncate(count);
                    return Ok(buffer);
                }
                Ok(_) if Instant::now() < deadline => {}
                Ok(_) => break,
                Err(error) => {
                    last = Some(error);
                    break;
                }
            }
        }
    }
    Err(last.context("it was not asked")?).context("waiting for the answer")
}

/// The addresses in an answer (RFC 1035). Who the names are that lead to them is the name server's business.
///
/// # Errors
///
/// When it is no answer.
pub fn addresses(bytes: &[u8]) -> Result<Vec<IpAddr>> {
    let packet = Packet::parse(bytes).context("it is no answer")?;
    let address = |data: &RData<'_>| match data {
        RData::A(one) => Some(IpAddr::V4(Ipv4Addr::from(one.address))),
        RData::AAAA(one) => Some(IpAddr::V6(Ipv6Addr::from(one.address))),
        _ => None,
    };
    Ok(packet.answers.iter().filter_map(|record| address(&record.rdata)).collect())
}

#[cfg(test)]
mod tests {
    use simple_dns::ResourceRecord;
    use simple_dns::rdata::A;

    use super::*;

    /// A server that knows one name and hears the first question for it only.
    fn serve(socket: UdpSocket) {
        let mut buffer = [0; 512];
        let mut is_deaf = true;
        while let Ok((count, from)) = socket.recv_from(&mut buffer) {
            if std::mem::take(&mut is_deaf) {
                continue;
            }
            let query = Packet::parse(&buffer[..count]).expect("a question");
            let mut reply = Packet::new_reply(query.id());
            let asked = &query.questions[0];
            if asked.qname.to_string() == "core.example.org" && asked.qtype == TYPE::A.into() {
                let data = RData::A(A { address: u32::from(Ipv4Addr::new(192, 0, 2, 7)) });
                reply.answers.push(ResourceRecord::new(asked.qname.clone(), CLASS::IN, 60, data));
            }
            let bytes = reply.build_bytes_vec().expect("bytes");
            // Twice, as when a question was asked again.
            socket.send_to(&bytes, from).expect("sent");
            socket.send_to(&bytes, from).expect("sent");
        }
    }

    #[test]
    fn hosts_come_first_and_servers_are_asked_again() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("its port").port();
        std::thread::spawn(move || serve(socket));
        let names = Names {
            hosts: "# x\n192.0.2.1 one one.example.org # two\n::1 one\n".into(),
            servers: vec!["127.0.0.1".parse().expect("an address")],
            search: vec!["example.org".into()],
            port: Some(port),
        };
        let found = names.find("ONE").expect("in the file");
        assert_eq!(found, ["192.0.2.1".parse::<IpAddr>().expect("one"), "::1".parse().expect("one")]);
        let wanted = ["192.0.2.7".parse::<IpAddr>().expect("one")];
        assert_eq!(names.find("core.example.org").expect("the server knows"), wanted);
        assert_eq!(names.find("core").expect("with the domain"), wanted);
        let told = names.find("two").expect_err("nobody").to_string();
        assert!(told.contains("nobody knows the name 'two'") && told.contains("127.0.0.1"), "{told}");
    }
}
