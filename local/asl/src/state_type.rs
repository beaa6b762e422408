//! The eight types of states
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/workflow-states.html>).

/// The type of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateType {
    /// Task
    Task,
    /// Wait
    Wait,
    /// Pass
    Pass,
    /// Succeed
    Succeed,
    /// Fail
    Fail,
    /// Choice
    Choice,
    /// Parallel
    Parallel,
    /// Map
    Map,
}

impl StateType {
    /// All of them, in the order in which AWS lists them in a refusal.
    pub const ALL: [StateType; 8] = [
        StateType::Task,
        StateType::Wait,
        StateType::Pass,
        StateType::Succeed,
        StateType::Fail,
        StateType::Choice,
        StateType::Parallel,
        StateType::Map,
    ];

    /// The name, as `Type` and the history's event types have it: `Pass`.
    pub fn name(self) -> &'static str {
        match self {
            StateType::Task => "Task",
            StateType::Wait => "Wait",
            StateType::Pass => "Pass",
            StateType::Succeed => "Succeed",
            StateType::Fail => "Fail",
            StateType::Choice => "Choice",
            StateType::Parallel => "Parallel",
            StateType::Map => "Map",
        }
    }

    /// The type of the name.
    pub fn parse(name: &str) -> Option<StateType> {
        StateType::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
