//! The instance metadata service of EC2, version 2 only: a token first, then every question with it.
//!
//! A service that gives no token is not asked without one: version 1 answers whoever can make the machine send a
//! request.

use std::net::SocketAddr;

use contract::metadata::ec2::{self, Answers, TOKEN_PATH, VERSION};

use super::http::{self, HttpError, Method, Server};
use super::{Collector, Rank};

const SOURCE: &str = "EC2 http://169.254.169.254";
const TOKEN_HEADER: &str = "X-aws-ec2-metadata-token";
const LIFETIME: (&str, &str) = ("X-aws-ec2-metadata-token-ttl-seconds", "21600");

/// A conversation with the service.
struct Service {
    server: Server,
    token: String,
}

/// Asks the service.
pub(super) fn collect(address: Option<SocketAddr>, collector: &mut Collector) {
    collector.sources.push(SOURCE.to_owned());
    let answered = Service::open(address.unwrap_or(http::LINK_LOCAL).into()).and_then(|mut service| {
        let answers = service.answers()?;
        Ok((answers, service.get("user-data")?))
    });
    match answered {
        Ok((answers, user_data)) => {
            collector.add(Rank::Metadata, format!("{SOURCE}: meta-data"), ec2::read(&answers));
            if let Some(bytes) = user_data {
                collector.add_user_data(Rank::UserData, &format!("{SOURCE}: user-data"), &bytes);
            }
        }
        Err(error) => collector.add_broken(Rank::Metadata, SOURCE, error),
    }
}

impl Service {
    fn open(server: Server) -> Result<Self, HttpError> {
        let url = format!("http://169.254.169.254{TOKEN_PATH}");
        let answer = http::patiently(|| http::request(Method::Put, &server, &url, &[LIFETIME], b""))?;
        let token = answer.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()).unwrap_or_default();
        if token.is_empty() || token.len() > 1024 || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(HttpError::Answer(format!("{url}: the answer is no token")));
        }
        Ok(Self { server, token })
    }

    /// Asks for a path; none where there is no such thing. A token that is not taken any more is renewed once.
    fn get(&mut self, path: &str) -> Result<Option<Vec<u8>>, HttpError> {
        let url = format!("http://169.254.169.254/{VERSION}/{path}");
        match http::get_patiently(&self.server, &url, &[(TOKEN_HEADER, &self.token)]) {
            Err(HttpError::Status(_, 401)) => {
                *self = Self::open(self.server.clone())?;
                http::get_patiently(&self.server, &url, &[(TOKEN_HEADER, &self.token)])
            }
            answer => answer,
        }
    }

    fn text(&mut self, path: &str) -> Result<Option<String>, HttpError> {
        Ok(self.get(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn answers(&mut self) -> Result<Answers, HttpError> {
        let Some(instance_id) = self.text("meta-data/instance-id")? else {
            return Err(HttpError::Answer("meta-data/instance-id: there is none".into()));
        };
        let local_hostname = self.text("meta-data/local-hostname")?;
        let mut public_keys = Vec::new();
        for number in ec2::parse_key_list(&self.text("meta-data/public-keys/")?.unwrap_or_default()) {
            public_keys.extend(self.text(&format!("meta-data/public-keys/{number}/openssh-key"))?);
        }
        Ok(Answers { instance_id, local_hostname, public_keys })
    }
}
