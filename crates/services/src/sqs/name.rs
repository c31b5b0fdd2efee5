//! How operations name queues: by an address, of which the path alone counts, or by an ARN.
//!
//! Pure. The same queue has many addresses: the one through which a caller reached the server, another inside functions.

use model::arn::{ResourceArn, Scope};
use model::error::ServiceError;
use model::id::AccountId;
use model::sqs::{QueueId, UserQueue};
use wire::sqs::errors;

use super::Caller;
use super::error::value;

/// The queue of an address, in the caller's region.
pub(super) fn of_url(scope: &Scope, url: &str) -> Result<QueueId, ServiceError> {
    let invalid = || {
        let shown: String = url.chars().take(200).collect();
        errors::INVALID_ADDRESS.error(format!("The address {shown} is not valid for this endpoint."))
    };
    let path =
        url.split_once("://").map_or(url, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let (account, name) = path.trim_matches('/').split_once('/').ok_or_else(invalid)?;
    let account = AccountId::parse(account).map_err(|_| invalid())?;
    QueueId::of(&Scope { account, region: scope.region.clone() }, name).map_err(|_| invalid())
}

/// The queue of an ARN that is the value of a parameter.
pub(super) fn of_arn(parameter: &str, arn: &str) -> Result<QueueId, ServiceError> {
    let id = ResourceArn::parse(arn).ok().as_ref().and_then(QueueId::of_arn);
    id.ok_or_else(|| value(parameter, arn, "The ARN is not one of a queue."))
}

/// A queue's address for a caller.
pub(super) fn url(caller: &Caller, queue: &UserQueue) -> String {
    format!("{}/{}/{}", caller.endpoint, queue.id.scope.account, queue.id.name)
}

#[cfg(test)]
mod tests {
    use model::id::Region;

    use super::*;

    #[test]
    fn the_path_of_an_address_counts() {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        for url in [
            "http://localhost:4566/210987654321/q",
            "https://sqs.us-east-1.amazonaws.com/210987654321/q/",
            "/210987654321/q",
            "210987654321/q",
        ] {
            let id = of_url(&scope, url).expect(url);
            assert_eq!(id.arn(), "arn:aws:sqs:us-east-1:210987654321:q");
        }
        for url in
            ["", "q", "http://localhost:4566", "http://h/q", "http://h/1/q", "http://h/210987654321/q/x"]
        {
            assert!(of_url(&scope, url).is_err(), "{url}");
        }
    }
}
