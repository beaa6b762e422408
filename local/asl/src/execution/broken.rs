//! Rules of the interpreter itself.

/// A rule of the interpreter that it has broken: a defect, never the fault of a definition or a driver. It ends the
/// execution with an error of its own name, which nothing catches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken(pub(super) &'static str);

impl Broken {
    /// A thread's parent waits for it in a Parallel or Map state.
    pub(super) const NO_PARENT: Broken = Broken("the parent of a thread waits for it");

    /// Every branch and iteration has a place for its result.
    pub(super) const NO_PLACE: Broken = Broken("there is a place for every result");

    /// The error's name. It is not one of AWS's.
    pub(super) const ERROR: &'static str = "States.BrokenInvariant";

    pub(super) fn cause(self) -> String {
        format!(
            "The interpreter broke its own rule that {}. This is a defect of the interpreter, not of the definition.",
            self.0
        )
    }
}
