//! Turns a plan's tests into what the guest runs and what the host tries.

use contract::test_bundle::{BundledTest, TestBundle};

use super::MachineError;
use crate::plan::{GuestTest, TestAction};

/// A plan's tests by where they run. Places are those of the plan's list.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Places of the tests of the bundle, in its order.
    pub inside: Vec<usize>,
    /// Places and ports of the tests that the host does.
    pub ports: Vec<(usize, u16)>,
}

/// Makes the bundle of the tests that run inside.
pub fn split(tests: &[GuestTest], settle_seconds: u64) -> (TestBundle, Split) {
    let mut bundle = TestBundle { settle_seconds, tests: Vec::new() };
    let mut split = Split::default();
    for (place, test) in tests.iter().enumerate() {
        match &test.action {
            TestAction::Run(script) => {
                split.inside.push(place);
                bundle.tests.push(BundledTest {
                    name: test.name.clone(),
                    script: script.clone(),
                    timeout_seconds: test.timeout,
                });
            }
            TestAction::Port(port) => split.ports.push((place, *port)),
        }
    }
    (bundle, split)
}

/// Returns the bytes of the bundle's disk.
pub fn to_disk(bundle: &TestBundle) -> Result<Vec<u8>, MachineError> {
    bundle.to_disk().map_err(|error| MachineError::Input {
        what: "making the disk with the tests".to_owned(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_keep_their_places() {
        let test = |name: &str, action| GuestTest { name: name.into(), action, timeout: 7 };
        let tests = [
            test("port", TestAction::Port(22)),
            test("run", TestAction::Run("true".into())),
            test("other", TestAction::Run("false".into())),
        ];
        let (bundle, split) = split(&tests, 60);
        assert_eq!(split, Split { inside: vec![1, 2], ports: vec![(0, 22)] });
        assert_eq!(bundle.tests.len(), 2);
        assert_eq!((bundle.tests[1].script.as_str(), bundle.tests[1].timeout_seconds), ("false", 7));
    }
}
