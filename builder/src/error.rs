//! Exit codes, in one place.
//!
//! A typed error of a stage says which class it belongs to; everything else is [`ExitCode::Failure`].

/// Exit codes of `bootwright`. They are part of the command line's contract and never change meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// The work was done.
    Success = 0,
    /// Something failed that no other code names.
    Failure = 1,
    /// The command line was wrong.
    Usage = 2,
    /// The recipe is wrong; nothing was fetched.
    Recipe = 3,
    /// The network or a mirror did not deliver.
    Fetch = 4,
    /// Something was fetched and is not what was signed for: signature, suite, date, digest.
    Verify = 5,
    /// The requested packages cannot be installed together.
    Resolve = 6,
    /// A program in the image's tree failed.
    Script = 7,
    /// The host lacks what the requested isolation level needs.
    Host = 8,
    /// A boot or a test inside the guest did not do what was expected.
    Guest = 9,
    /// What was compared is different; nothing failed.
    Different = 10,
}
