//! What an answer of AWS means for an upload.

use std::error::Error;

use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use super::codes::{PASSING, hint, kind};
use crate::upload::UploadError;

const NETWORK: &str = "check the network and the proxy, and run the same again";

/// Makes an error of what a call came to.
pub(super) fn failure<E>(doing: &str, error: &SdkError<E, HttpResponse>) -> UploadError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let (code, status) = (answer.err().code().unwrap_or("?"), answer.raw().status().as_u16());
            let message = answer.err().message().unwrap_or("it gave no reason");
            let kind = kind(code, status);
            UploadError::new(
                kind,
                doing,
                format!("AWS answered {status} {code}: {message}"),
                hint(kind, code),
            )
        }
        SdkError::TimeoutError(_) => silence(doing),
        // A connection that ends before the answer is none of the first two: it has a kind of its own, where missing
        // credentials have none.
        SdkError::DispatchFailure(failure)
            if failure.is_io() || failure.is_timeout() || failure.as_other().is_some() =>
        {
            UploadError::new(PASSING, doing, cause(error), NETWORK)
        }
        SdkError::ResponseError(_) => UploadError::new(PASSING, doing, cause(error), NETWORK),
        SdkError::DispatchFailure(_) => {
            let hint = "check the credentials (`aws sts get-caller-identity` shows whose they are), the region and the \
                        endpoint";
            UploadError::input(doing, cause(error), hint)
        }
        other => UploadError::input(doing, cause(other), "check region, endpoint and names"),
    }
}

/// Makes the error of a call that got no answer.
pub(super) fn silence(doing: &str) -> UploadError {
    UploadError::new(PASSING, doing, "no answer came in time", NETWORK)
}

fn cause(error: &dyn Error) -> String {
    let text = DisplayErrorContext(error).to_string();
    // Behind the causes comes how the program has them in memory.
    text.rsplit_once(" (").map_or(text.as_str(), |(causes, _)| causes).to_owned()
}
