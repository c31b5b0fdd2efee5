//! Where clients find the registry, and what a host name says about account and region.
//!
//! Two forms lead here: `localhost:PORT/NAME`, which every container tool reaches over plain HTTP without any
//! setting, and `ACCOUNT.dkr.ecr.REGION.localhost:PORT/NAME`, which looks like ECR's own but needs a resolver
//! that knows `*.localhost`. The first is what the API tells by default; with it, account and region are those
//! of the credentials. Both are always understood.

use model::arn::Scope;
use model::id::{AccountId, Region};

use crate::oci::name::RepositoryName;

/// The form of addresses that the API tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// `localhost:4566/name`.
    #[default]
    Plain,
    /// `000000000000.dkr.ecr.us-east-1.localhost:4566/name`.
    Host,
}

/// How clients reach the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Host and port, such as `localhost:4566`.
    pub authority: String,
    /// Which form the API tells.
    pub style: Style,
}

impl Address {
    /// Host and port for one account and region.
    #[must_use]
    pub fn host(&self, scope: &Scope) -> String {
        match self.style {
            Style::Plain => self.authority.clone(),
            Style::Host => format!("{}.dkr.ecr.{}.{}", scope.account, scope.region, self.authority),
        }
    }

    /// `repositoryUri`.
    #[must_use]
    pub fn repository_uri(&self, scope: &Scope, name: &RepositoryName) -> String {
        format!("{}/{name}", self.host(scope))
    }

    /// `proxyEndpoint`, which `docker login` is given.
    #[must_use]
    pub fn endpoint(&self, scope: &Scope) -> String {
        format!("http://{}", self.host(scope))
    }

    /// Whether `host` (with its port) leads to this registry: by its plain address, by a loopback name with the
    /// same port, or by a name of ECR's form, whatever domain that ends in.
    #[must_use]
    pub fn is_own(&self, host: &str) -> bool {
        let port = |text: &str| text.rsplit_once(':').map(|(_, port)| port.to_owned());
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let loopback =
            matches!(name, "localhost" | "127.0.0.1" | "[::1]") && port(host) == port(&self.authority);
        host == self.authority || loopback || host_scope(host).is_some()
    }
}

/// Account and region of `ACCOUNT.dkr.ecr.REGION.…`, with or without port; `None` for other hosts.
#[must_use]
pub fn host_scope(host: &str) -> Option<Scope> {
    let (account, rest) = host.split_once('.')?;
    let rest = rest.strip_prefix("dkr.ecr.").or_else(|| rest.strip_prefix("dkr.ecr-fips."))?;
    let (region, _domain) = rest.split_once('.')?;
    Some(Scope { account: AccountId::parse(account).ok()?, region: Region::parse(region).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope {
            account: AccountId::parse("123456789012").unwrap(),
            region: Region::parse("eu-west-1").unwrap(),
        }
    }

    #[test]
    fn hosts_of_ecr_name_a_scope() {
        for host in [
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.localhost:4566",
            "123456789012.dkr.ecr-fips.eu-west-1.amazonaws.com",
        ] {
            assert_eq!(host_scope(host), Some(scope()), "{host}");
        }
        for host in [
            "localhost:4566",
            "12.dkr.ecr.eu-west-1.localhost",
            "123456789012.dkr.ecr.eu-west-1",
            "docker.io",
        ] {
            assert_eq!(host_scope(host), None, "{host}");
        }
    }

    #[test]
    fn addresses() {
        let mut address = Address { authority: "localhost:4566".to_owned(), style: Style::Plain };
        let name = RepositoryName::parse("a/b").unwrap();
        assert_eq!(address.repository_uri(&scope(), &name), "localhost:4566/a/b");
        for (host, own) in [
            ("localhost:4566", true),
            ("127.0.0.1:4566", true),
            ("[::1]:4566", true),
            ("localhost:5000", false),
            ("localhost", false),
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", true),
            ("docker.io", false),
        ] {
            assert_eq!(address.is_own(host), own, "{host}");
        }
        address.style = Style::Host;
        let uri = "123456789012.dkr.ecr.eu-west-1.localhost:4566/a/b";
        assert_eq!(address.repository_uri(&scope(), &name), uri);
    }
}
