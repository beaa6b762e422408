//! Rules of the interpreter itself.

/// A rule of the interpreter that it has broken: a defect, never the fault of a definition or a driver. It ends the
/// execution with an error of its own name, which nothing catches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken(pub(super) &'static str);

impl Broken {
    /// A thread's parent waits for it in a Parallel or Map state.
    pub(super) const NO_PARENT: Broken = Broken("the parent of a thread waits for it");

    /// A child that is started or ends is one of its Map Run.
    pub(super) const UNKNOWN_CHILD: Broken = Broken("the Map Run of a child knows it");

    /// Every branch and iteration has a place for its result.
    pub(super) const NO_PLACE: Broken = Broken("there is a place for every result");

    pub(super) fn cause(self) -> String {
        format!(
            "The interpreter broke its own rule that {}. This is a defect of the interpreter, not of the definition.",
            self.0
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::definition::StateMachine;
    use crate::event::Event;
    use crate::execution::Execution;
    use crate::start::{Start, Status};
    use crate::timestamp::Timestamp;

    #[test]
    fn a_broken_rule_ends_the_execution_by_its_name() {
        let definition = r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":1,"End":true}}}"#;
        let machine = StateMachine::parse(definition).unwrap();
        let (mut execution, commands) = Execution::start(&machine, Start::default(), Timestamp(0));
        let Some(Command::StartTimer { id, at }) = commands.first() else {
            panic!("it waits")
        };
        // What no event can bring about: the thread is gone, its timer is not.
        execution.frames.clear();
        execution.apply(Event::TimerFired { id: *id }, *at);
        let Status::Failed { error, cause } = execution.status() else {
            panic!("{:?}", execution.status())
        };
        assert_eq!(error.as_deref(), Some("States.BrokenInvariant"));
        assert!(
            cause.as_deref().unwrap().contains("has not ended"),
            "{cause:?}"
        );
        let last = execution.history().last().unwrap();
        assert_eq!(last.type_name(), "ExecutionFailed");
    }
}
